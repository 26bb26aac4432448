/** The stranger gate: who may cost us cryptography, and that its tables stay bounded. Time is an argument. */
import { describe, expect, it } from "vitest";
import { StrangerGate } from "../../../src/adapters/gossip-transport-gate.js";

const member = { host: "10.0.0.1", port: 7979 };
const stranger = { host: "10.9.9.9", port: 1 };

function admitted(gate: StrangerGate, source: typeof member, times: number, now: number): number {
  let n = 0;
  for (let i = 0; i < times; i++) if (gate.admit(source, now)) n++;
  return n;
}

describe("the stranger gate", () => {
  it("a known source is always admitted, for a minute after its last sign", () => {
    const gate = new StrangerGate(0);
    gate.know(member, 0);
    expect(admitted(gate, member, 10_000, 59_000)).toBe(10_000);
    expect(admitted(gate, member, 10_000, 61_000)).toBe(50);
  });

  it("a stranger has its budget and regains it", () => {
    const gate = new StrangerGate(0);
    expect(admitted(gate, stranger, 1000, 0)).toBe(50);
    expect(admitted(gate, stranger, 1000, 500)).toBe(25);
  });

  it("who forges a member's address but not its port is a stranger, whatever port it takes", () => {
    const gate = new StrangerGate(0);
    gate.know(member, 0);
    let n = 0;
    for (let port = 1; port <= 1000; port++) n += admitted(gate, { ...member, port }, 1, 0);
    expect(n).toBe(50);
    expect(admitted(gate, member, 100, 0)).toBe(100);
  });

  it("all strangers together have one budget, and a newcomer among few flooders is heard", () => {
    const gate = new StrangerGate(0);
    let n = 0;
    for (let i = 0; i < 5000; i++) n += admitted(gate, { host: `10.1.${i >> 8}.${i & 255}`, port: 1 }, 1, 0);
    expect(n).toBe(1000);
    const calm = new StrangerGate(0);
    admitted(calm, stranger, 10_000, 0);
    expect(calm.admit({ host: "10.0.0.7", port: 7979 }, 0)).toBe(true);
  });
});
