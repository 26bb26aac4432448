/**
 * A foreign member: a bare membership core without vipd's Meta, facts or VIPs, as a plain memberlist or Serf agent is one to us.
 * Purpose: strangers in the pool come, die and leave while VIPs are served. Boundary: fair clock and loop; misfortune is for
 * our own hosts.
 */
import type { Endpoint, Message, PushPull } from "../../src/domain/messages.js";
import { PROFILES } from "../../src/domain/profile.js";
import { Swim } from "../../src/domain/swim/index.js";
import type { SwimInput, SwimOutput } from "../../src/domain/swim/types.js";
import { measure } from "../../src/wire/index.js";
import { seeded } from "./random.js";
import type { World } from "./world.js";

const PACKET_BUDGET = 1350;

export class Foreign {
  readonly name: string;
  readonly address: Endpoint;
  readonly turning = true;
  readonly sent = { datagrams: 0, bytes: 0 };
  up = true;
  readonly #world: World;
  readonly #swim: Swim;

  constructor(world: World, of: { name: string; address: Endpoint; seeds: readonly Endpoint[] }) {
    this.#world = world;
    this.name = of.name;
    this.address = of.address;
    this.#swim = new Swim(
      {
        ...of,
        profile: PROFILES.relaxed,
        meta: { kind: "foreign", bytes: new Uint8Array([1, 2, 3]) },
        random: seeded(Math.floor(world.random() * 2 ** 32)),
        measure,
        packetBudget: PACKET_BUDGET,
      },
      this.clock(),
    );
  }

  start(): void {
    this.input({ kind: "start" });
  }

  crash(): void {
    this.up = false;
  }

  leave(): void {
    this.input({ kind: "leave" });
    this.#world.agenda.after(1000, () => this.crash());
  }

  clock(): number {
    return this.#world.now;
  }

  datagram(from: Endpoint, messages: readonly Message[]): void {
    this.input({ kind: "datagram", from, messages });
  }

  pushPull(join: boolean): PushPull {
    return { ...this.#swim.pushPull(join), facts: [] };
  }

  input(input: SwimInput): void {
    if (!this.up) return;
    for (const output of this.#swim.handle(input, this.clock())) this.#perform(output);
  }

  #perform(output: SwimOutput): void {
    if (output.kind === "send") this.#world.datagram(this, output.to, output.messages);
    else if (output.kind === "exchange") this.#world.exchange(this, output.with, output.join);
    else if (output.kind === "stream-ping") this.#world.streamPing(this, output);
    else if (output.kind === "arm") {
      const { timer, at } = output;
      this.#world.agenda.after(Math.max(0, at - this.clock()), () => this.input({ kind: "timer", timer }));
    }
  }
}
