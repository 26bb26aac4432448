import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Outgoing } from "../../../src/daemon/outgoing.js";
import type { Endpoint, Message } from "../../../src/domain/messages.js";

const BUDGET = 1000;

function host(index: number): Endpoint {
  return { host: `10.0.0.${index}`, port: 7979 };
}

/** Messages whose size is their number. */
function outgoing() {
  const sent: { to: Endpoint; sizes: number[] }[] = [];
  const gathered = new Outgoing({
    send: (to, messages) => sent.push({ to, sizes: messages.map((message) => sizeOf(message)) }),
    measure: sizeOf,
    packetBudget: BUDGET,
  });
  return { gathered, sent };
}

function sizeOf(message: Message): number {
  return message.kind === "nack" ? message.seqNo : 0;
}

function nacks(...sizes: number[]): Message[] {
  return sizes.map((seqNo) => ({ kind: "nack", seqNo }));
}

describe("what one wake-up says", () => {
  it("goes in one datagram to each host, and not before it is over", () => {
    const { gathered, sent } = outgoing();
    gathered.add(host(1), nacks(10));
    gathered.add(host(2), nacks(20));
    gathered.add(host(1), nacks(30, 40));
    expect(sent).toEqual([]);
    gathered.flush();
    expect(sent).toEqual([
      { to: host(1), sizes: [10, 30, 40] },
      { to: host(2), sizes: [20] },
    ]);
    gathered.flush();
    expect(sent).toHaveLength(2);
  });

  it("keeps each host's order and the packet budget, loses nothing, and does not wait without bound", () => {
    const saying = fc.record({
      to: fc.integer({ min: 1, max: 300 }),
      sizes: fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 3 }),
    });
    fc.assert(
      fc.property(fc.array(saying, { maxLength: 600 }), (sayings) => {
        const { gathered, sent } = outgoing();
        const said = new Map<string, number[]>();
        const push = (name: string, sizes: number[]) => said.set(name, [...(said.get(name) ?? []), ...sizes]);
        for (const { to, sizes } of sayings) {
          gathered.add(host(to), nacks(...sizes));
          push(host(to).host, sizes);
        }
        gathered.flush();
        const heard = new Map<string, number[]>();
        for (const { to, sizes } of sent) {
          heard.set(to.host, [...(heard.get(to.host) ?? []), ...sizes]);
          expect(sizes.reduce((sum, size) => sum + size + 2, 2)).toBeLessThanOrEqual(BUDGET);
        }
        expect(heard).toEqual(said);
      }),
    );
  });

  it("what fits no datagram goes as it is, by itself", () => {
    const { gathered, sent } = outgoing();
    gathered.add(host(1), nacks(5));
    gathered.add(host(1), nacks(5000));
    gathered.add(host(1), nacks(6));
    gathered.flush();
    expect(sent.map(({ sizes }) => sizes)).toEqual([[5], [5000], [6]]);
  });
});
