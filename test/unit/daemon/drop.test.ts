/** A stop's removals: all of them, none of them, and a kernel that takes for ever. */
import { describe, expect, it } from "vitest";
import { dropWithin } from "../../../src/daemon/drop.js";

describe("what a stop leaves on lo", () => {
  it("is nothing when the kernel has removed all", async () => {
    expect(await dropWithin(Promise.resolve(), 60_000)).toBeNull();
  });

  it("is told when the kernel takes longer than the bound, and no longer waited for", async () => {
    let remove = () => {};
    const dropped = new Promise<void>((done) => {
      remove = done;
    });
    expect(await dropWithin(dropped, 20)).toBe("not removed within 20 ms");
    remove();
  });

  it("is told with its reason when an address cannot be removed", async () => {
    const dropped = Promise.reject(new Error("EPERM: cannot take 10.7.0.100 off lo"));
    expect(await dropWithin(dropped, 60_000)).toBe("EPERM: cannot take 10.7.0.100 off lo");
  });

  it("is told once: what fails after the bound ends no process", async () => {
    let fail = (_: Error) => {};
    const dropped = new Promise<void>((_, reject) => {
      fail = reject;
    });
    await dropWithin(dropped, 1);
    fail(new Error("ECANCELED: the responder stopped"));
    await new Promise((done) => setTimeout(done, 10));
  });
});
