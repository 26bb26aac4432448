import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Timers } from "../../../src/daemon/timers.js";

/** A host whose clock is set by hand, and whose one alarm goes off when asked. */
class Hand<T> {
  now_ = 0;
  alarmAt = Number.POSITIVE_INFINITY;
  wakes = 0;
  readonly lates: number[] = [];
  readonly putOff = new Map<T, number>();
  now = (): number => this.now_;
  wake = (at: number): void => {
    this.alarmAt = at;
  };
  late = (ms: number): void => {
    this.lates.push(ms);
  };
  dueAt = (timer: T, at: number): number => Math.max(at, this.putOff.get(timer) ?? at);
  /** Lets time pass; wakes as often as is due. */
  pass(timers: Timers<T>, to: number): void {
    timers.settle();
    while (this.alarmAt <= to) {
      this.now_ = Math.max(this.now_, this.alarmAt);
      this.alarmAt = Number.POSITIVE_INFINITY;
      this.wakes += 1;
      timers.due();
    }
    this.now_ = to;
  }
}

describe("timers", () => {
  it("fire in order of their due time, and in order of arming where that is the same", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(1000), { maxLength: 60 }), (dues) => {
        const hand = new Hand<number>();
        const fired: number[] = [];
        const timers = new Timers<number>(hand, (index) => fired.push(index));
        dues.forEach((at, index) => {
          timers.arm(index, at);
        });
        hand.pass(timers, 1001);
        const wanted = dues.map((at, index) => ({ at, index })).sort((a, b) => a.at - b.at || a.index - b.index);
        expect(fired).toEqual(wanted.map(({ index }) => index));
        expect(timers.size).toBe(0);
      }),
    );
  });

  it("may be armed by the one that fires", () => {
    const hand = new Hand<number>();
    const fired: number[] = [];
    const timers = new Timers<number>(hand, (n) => {
      fired.push(n);
      if (n < 3) timers.arm(n + 1, hand.now() + 10);
    });
    timers.arm(1, 5);
    hand.pass(timers, 100);
    expect(fired).toEqual([1, 2, 3]);
  });

  it("tell how late the loop woke them", () => {
    const hand = new Hand<string>();
    const timers = new Timers<string>(hand, () => {});
    timers.arm("a", 10);
    hand.now_ = 60;
    timers.due();
    expect(hand.lates).toEqual([50]);
  });

  it("are not woken for before the instant that they were put off to", () => {
    const hand = new Hand<string>();
    const fired: number[] = [];
    const timers = new Timers<string>(hand, () => fired.push(hand.now()));
    timers.arm("a", 10);
    timers.arm("b", 20);
    hand.putOff.set("a", 80);
    hand.putOff.set("b", Number.POSITIVE_INFINITY);
    hand.pass(timers, 100);
    expect({ fired, wakes: hand.wakes, left: timers.size }).toEqual({ fired: [80], wakes: 1, left: 0 });
  });

  it("that are due within the same moment are handled in one wake-up", () => {
    const hand = new Hand<string>();
    const fired: string[] = [];
    const timers = new Timers<string>(hand, (timer) => fired.push(timer));
    timers.arm("b", 10.3);
    timers.arm("a", 10);
    hand.pass(timers, 100);
    expect({ fired, wakes: hand.wakes }).toEqual({ fired: ["a", "b"], wakes: 1 });
  });

  it("do not fire once stopped", () => {
    const hand = new Hand<string>();
    const timers = new Timers<string>(hand, () => {
      throw new Error("fired");
    });
    timers.arm("a", 10);
    timers.stop();
    hand.pass(timers, 100);
    expect(timers.size).toBe(0);
  });
});
