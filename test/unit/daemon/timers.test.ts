import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Timers } from "../../../src/daemon/timers.js";

/** A host whose clock is set by hand, and whose one wake-up fires when asked. */
class Hand {
  now_ = 0;
  due: { at: number; callback: () => void } | null = null;
  readonly lates: number[] = [];
  now = (): number => this.now_;
  wake = (ms: number, callback: () => void): void => {
    this.due = { at: this.now_ + ms, callback };
  };
  late = (ms: number): void => {
    this.lates.push(ms);
  };
  /** Lets time pass; wakes as often as is due. */
  pass(to: number): void {
    while (this.due !== null && this.due.at <= to) {
      const { at, callback } = this.due;
      this.due = null;
      this.now_ = Math.max(this.now_, at);
      callback();
    }
    this.now_ = to;
  }
}

describe("timers", () => {
  it("fire in order of their due time, and in order of arming where that is the same", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(1000), { maxLength: 60 }), (dues) => {
        const hand = new Hand();
        const fired: number[] = [];
        const timers = new Timers<number>(hand, (index) => fired.push(index));
        dues.forEach((at, index) => {
          timers.arm(index, at);
        });
        hand.pass(1001);
        const wanted = dues.map((at, index) => ({ at, index })).sort((a, b) => a.at - b.at || a.index - b.index);
        expect(fired).toEqual(wanted.map(({ index }) => index));
        expect(timers.size).toBe(0);
      }),
    );
  });

  it("may be armed by the one that fires", () => {
    const hand = new Hand();
    const fired: number[] = [];
    const timers = new Timers<number>(hand, (n) => {
      fired.push(n);
      if (n < 3) timers.arm(n + 1, hand.now() + 10);
    });
    timers.arm(1, 5);
    hand.pass(100);
    expect(fired).toEqual([1, 2, 3]);
  });

  it("tell how late the loop woke them", () => {
    const hand = new Hand();
    const timers = new Timers<string>(hand, () => {});
    timers.arm("a", 10);
    hand.now_ = 60;
    hand.due!.callback();
    expect(hand.lates).toEqual([50]);
  });

  it("do not fire once stopped", () => {
    const hand = new Hand();
    const timers = new Timers<string>(hand, () => {
      throw new Error("fired");
    });
    timers.arm("a", 10);
    timers.stop();
    hand.pass(100);
    expect(timers.size).toBe(0);
  });
});
