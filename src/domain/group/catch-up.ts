/**
 * Catching up after a gap (law 2): state is exchanged with some peers at once; the first success ends it, and so does
 * the failure of all. Boundary: pure; names endpoints, opens nothing.
 */
import { type Endpoint, formatEndpoint } from "../messages.js";
import type { MemberView } from "../swim/types.js";

const PEERS = 3;

export class CatchUp {
  readonly #random: () => number;
  readonly #open = new Set<string>();

  constructor(random: () => number) {
    this.#random = random;
  }

  /** Chooses the peers to ask: live ones first, else those held dead. Empty: there is nobody. */
  begin(members: readonly MemberView[]): Endpoint[] {
    this.#open.clear();
    const peers = members.filter((m) => !m.self && !m.foreign && m.state !== "left");
    const live = peers.filter((m) => m.state !== "dead");
    const chosen = this.#shuffle(live.length > 0 ? live : peers).slice(0, PEERS);
    for (const member of chosen) this.#open.add(formatEndpoint(member.address));
    return chosen.map((member) => member.address);
  }

  /** True if this exchange ends the catching-up. */
  succeeded(peer: Endpoint): boolean {
    return this.#open.has(formatEndpoint(peer));
  }

  /** True if this was the last one that could have succeeded. */
  failed(peer: Endpoint): boolean {
    return this.#open.delete(formatEndpoint(peer)) && this.#open.size === 0;
  }

  end(): void {
    this.#open.clear();
  }

  #shuffle(members: readonly MemberView[]): MemberView[] {
    return members
      .map((member) => ({ member, order: this.#random() }))
      .sort((a, b) => a.order - b.order)
      .map(({ member }) => member);
  }
}
