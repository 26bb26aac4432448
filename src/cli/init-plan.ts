/**
 * The first configuration of a group, from a few answers: one file a host, the same but for name and address. Boundary: pure;
 * asking, looking at the wire and writing are init.ts's business.
 */
import { canonicalAddress } from "../domain/address.js";
import { formatEndpoint } from "../domain/messages.js";
import { DEFAULT_CONFIG_FILE } from "./common.js";

const GOSSIP_PORT = 7979;

export interface Answers {
  readonly interface: string;
  /** Single addresses, ranges, blocks, as the configuration takes them. */
  readonly vips: readonly string[];
  readonly hosts: readonly InitHost[];
  readonly quorum: boolean;
  /** Where editors find what may stand in the file, as the package puts it on each host; null: nowhere. */
  readonly schema: string | null;
}

export interface InitHost {
  readonly name: string;
  readonly address: string;
}

/** `host-a=10.0.0.11`, or null where it is none. */
export function readHost(text: string): InitHost | null {
  const parts = /^([A-Za-z0-9][A-Za-z0-9._-]{0,127})=(\S+)$/.exec(text.trim());
  const address = parts === null ? null : canonicalAddress(parts[2]!);
  return address === null ? null : { name: parts![1]!, address };
}

export function configFor(host: InitHost, answers: Answers): string {
  const at = (one: InitHost) => formatEndpoint({ host: one.address, port: GOSSIP_PORT });
  const config = {
    ...(answers.schema === null ? {} : { $schema: `file://${answers.schema}` }),
    node: { name: host.name },
    gossip: {
      bind: at(host),
      join: answers.hosts.filter((one) => one !== host).map(at),
      // Beside the configuration, wherever that lies.
      keyFile: "gossip.key",
    },
    vips: [{ name: "vips", addresses: answers.vips, interface: answers.interface }],
    ...(answers.quorum ? { quorum: "majority", expect: answers.hosts.length } : {}),
  };
  return `${JSON.stringify(config, null, 2)}\n`;
}

/** What an operator should decide about a split of the group, before it happens; "" where there is nothing to say. */
export function quorumAdvice(answers: Answers): string {
  const count = answers.hosts.length;
  if (answers.quorum && count === 2) {
    return "A majority of two hosts is both: the death of either silences the other. A third host that runs vipd mends that.";
  }
  if (answers.quorum || count !== 2) return "";
  return (
    "Two hosts: when only the network between them breaks, both serve the VIPs. Where that would do harm, add a third host\n" +
    "(it may have a small node.weight) and --quorum."
  );
}

/** The steps that remain, as commands. `here`: this host is one of the group, and its configuration is in place. */
export function nextSteps(answers: Answers, place: { folder: string; here: string | null; copies: string }): string[] {
  const others = answers.hosts.filter((one) => one.name !== place.here);
  const vip = canonicalAddress(answers.vips[0] ?? "") ?? "VIP";
  const config = `${place.folder}/config.json`;
  const file = config === DEFAULT_CONFIG_FILE ? "" : ` --config ${config}`;
  return [
    ...others.map(
      (one) =>
        `tar c -C ${place.copies}/${one.name} config.json gossip.key | ssh root@${one.address} tar x -C ${place.folder}`,
    ),
    `vipd status${file}`,
    `vipd verify ${vip}${file}`,
  ];
}
