/**
 * What may go wrong on the wire and on hosts, each by its name, with the silence that a client may then see. Boundary: does
 * harm, and can undo it; notes for the judge who was dead, frozen or cut off when. It judges nothing.
 */
import type { LabHost } from "../lab/lib/host.js";
import { nowMs, sleep } from "../lab/lib/shell.js";
import { type Contender, Vipd } from "./contender.js";

/** A time in which a host could not speak, or in which the segment was not one. */
export interface Spell {
  readonly kind: "dead" | "frozen" | "divided" | "torn" | "lossy";
  readonly host: LabHost | null;
  readonly fromMs: number;
  toMs: number;
}

export interface Scene {
  readonly contender: Contender;
  readonly random: () => number;
  readonly victim: LabHost;
  /** Of the victim when the fault begins. */
  readonly owned: readonly string[];
  readonly spells: Spell[];
}

type Undo = () => Promise<void> | void;

export interface Fault {
  readonly name: string;
  /** How long a client may be without an answer. */
  readonly silenceMs: number;
  readonly lastsMs: number;
  /** Some client is without an answer for as long as it lasts, which beside others is longer than by itself. */
  readonly cutsOff?: boolean;
  readonly vipdOnly?: boolean;
  readonly begin: (scene: Scene) => Promise<Undo> | Undo;
}

/** The `lan` profile takes over within 1 s of a power cut; the machine's own stalls are on top. */
const TAKEOVER_MS = 1500;
const PLANNED_MS = 300;
const FREEZE_MS = 4000;
const STALL_MS = 300;
const CLIENT_CABLE_MS = 1000;

function spell(scene: Scene, kind: Spell["kind"], host: LabHost | null): () => void {
  const one: Spell = { kind, host, fromMs: nowMs(), toMs: Number.POSITIVE_INFINITY };
  scene.spells.push(one);
  return () => {
    one.toMs = nowMs();
  };
}

function ports({ contender }: Scene): readonly { readonly port: string }[] {
  return [...contender.lab.hosts, ...contender.lab.clients];
}

/** Nobody hears the victim, or it hears nobody. */
function cutOneWay(scene: Scene, victimIs: "unheard" | "deaf"): () => void {
  const { victim, contender } = scene;
  const one = [victim.port];
  const rest = ports(scene).flatMap(({ port }) => (port === victim.port ? [] : [port]));
  if (victimIs === "unheard") contender.lab.switch.cutOneWay(one, rest);
  else contender.lab.switch.cutOneWay(rest, one);
  const over = spell(scene, "divided", null);
  return () => {
    contender.lab.switch.heal();
    over();
  };
}

function vipdOf({ contender }: Scene): Vipd {
  if (!(contender instanceof Vipd)) throw new Error(`${contender.name} cannot do that`);
  return contender;
}

export const FAULTS: readonly Fault[] = [
  {
    name: "power cut",
    silenceMs: TAKEOVER_MS,
    lastsMs: 3000,
    begin: async (scene) => {
      const { contender, victim } = scene;
      victim.cableDown();
      const over = spell(scene, "dead", victim);
      await contender.kill(victim);
      return async () => {
        over();
        victim.cableUp();
        await contender.start(victim, true);
      };
    },
  },
  {
    name: "kill -9",
    silenceMs: TAKEOVER_MS,
    lastsMs: 3000,
    begin: async (scene) => {
      const { contender, victim } = scene;
      await contender.kill(victim);
      const over = spell(scene, "dead", victim);
      return async () => {
        over();
        await contender.start(victim, false);
      };
    },
  },
  {
    name: "freeze",
    silenceMs: TAKEOVER_MS,
    lastsMs: FREEZE_MS,
    begin: (scene) => {
      const { contender, victim } = scene;
      contender.freeze(victim);
      const over = spell(scene, "frozen", victim);
      return () => {
        over();
        contender.thaw(victim);
      };
    },
  },
  {
    name: "cable pull, host",
    silenceMs: TAKEOVER_MS,
    lastsMs: 3000,
    begin: ({ victim }) => {
      victim.cableDown();
      return () => victim.cableUp();
    },
  },
  {
    name: "cable pull, client",
    silenceMs: TAKEOVER_MS,
    lastsMs: CLIENT_CABLE_MS,
    cutsOff: true,
    begin: (scene) => {
      const { lab } = scene.contender;
      const { port } = lab.client;
      lab.switch.cable(port, "down");
      // What is announced meanwhile, this client does not hear.
      const over = spell(scene, "divided", null);
      return () => {
        lab.switch.cable(port, "up");
        over();
      };
    },
  },
  {
    name: "partition",
    silenceMs: TAKEOVER_MS,
    lastsMs: 3000,
    begin: (scene) => {
      const { contender, random, victim } = scene;
      const { lab } = contender;
      const others = lab.hosts.filter((host) => host !== victim);
      // Two more may fall out in the same episode: somebody must be left for each side's client.
      const beside = others.filter(() => random() < 0.4).slice(0, Math.max(0, others.length - 3));
      const near = [victim, ...beside, ...lab.clients.filter((_, i) => i % 2 === 0)].map(({ port }) => port);
      const far = ports(scene)
        .map(({ port }) => port)
        .filter((port) => !near.includes(port));
      lab.switch.partition(near, far);
      const over = spell(scene, "divided", null);
      return () => {
        lab.switch.heal();
        over();
      };
    },
  },
  {
    name: "one way, unheard",
    silenceMs: 2 * TAKEOVER_MS,
    lastsMs: 4000,
    begin: (scene) => cutOneWay(scene, "unheard"),
  },
  {
    name: "one way, deaf",
    silenceMs: 2 * TAKEOVER_MS,
    lastsMs: 4000,
    begin: (scene) => cutOneWay(scene, "deaf"),
  },
  {
    name: "network stall",
    silenceMs: STALL_MS + PLANNED_MS,
    lastsMs: 1000,
    begin: ({ contender: { lab } }) => {
      lab.switch.stall(STALL_MS);
      return () => {};
    },
  },
  {
    name: "loss of 30 %",
    silenceMs: TAKEOVER_MS,
    lastsMs: 4000,
    begin: (scene) => {
      const { lab } = scene.contender;
      lab.switch.lose(30);
      const over = spell(scene, "lossy", null);
      return () => {
        lab.switch.heal();
        over();
      };
    },
  },
  {
    name: "gossip cut",
    silenceMs: PLANNED_MS,
    lastsMs: 4000,
    vipdOnly: true,
    begin: (scene) => {
      const { lab } = scene.contender;
      lab.switch.cutGossip();
      const over = spell(scene, "torn", null);
      return () => {
        lab.switch.heal();
        over();
      };
    },
  },
  {
    name: "stop",
    silenceMs: PLANNED_MS,
    lastsMs: 1500,
    begin: async ({ contender, victim }) => {
      await contender.stop(victim);
      return () => contender.start(victim, false);
    },
  },
  {
    name: "deleted addresses",
    silenceMs: PLANNED_MS,
    lastsMs: 500,
    begin: ({ contender, victim, owned }) => {
      for (const vip of owned) contender.deleteAddress(victim, vip);
      return () => {};
    },
  },
  {
    name: "drain",
    silenceMs: PLANNED_MS,
    lastsMs: 1500,
    vipdOnly: true,
    begin: async (scene) => {
      await vipdOf(scene).command(scene.victim, "drain");
      return () => vipdOf(scene).command(scene.victim, "resume");
    },
  },
  {
    name: "reload",
    silenceMs: PLANNED_MS,
    lastsMs: 1500,
    vipdOnly: true,
    begin: async ({ victim }) => {
      const { config } = victim;
      victim.writeConfig({ ...config, node: { ...(config.node as object), weight: 3 } });
      victim.reload();
      return () => {
        victim.writeConfig(config);
        victim.reload();
      };
    },
  },
  {
    name: "full log disk",
    silenceMs: PLANNED_MS,
    lastsMs: 3000,
    vipdOnly: true,
    begin: (scene) => {
      const undo = vipdOf(scene).fillDisk(scene.victim);
      // Something to log.
      scene.victim.reload();
      return undo;
    },
  },
  {
    name: "log reader stalls",
    silenceMs: PLANNED_MS,
    lastsMs: 3000,
    vipdOnly: true,
    begin: async (scene) => {
      const readers = [...vipdOf(scene).readers.values()];
      for (const reader of readers) reader.signal("SIGSTOP");
      for (let i = 0; i < 5; i++) {
        scene.victim.reload();
        await sleep(50);
      }
      return () => {
        for (const reader of readers) reader.signal("SIGCONT");
      };
    },
  },
];
