/** What the kernel is told of the group's hosts: what has changed, a few at a time, and all of it now and then. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { KeptNeighbours } from "../../../src/daemon/kept-neighbours.js";

let told: string[];
let logged: string[];
let hosts: string[];
let error: string;
let kept: KeptNeighbours;

const soon = () => vi.advanceTimersByTime(1);

describe("kept neighbours", () => {
  beforeEach(() => {
    vi.useFakeTimers();
    told = [];
    logged = [];
    hosts = [];
    error = "";
    const tell = (what: string) => {
      told.push(what);
      return error;
    };
    kept = new KeptNeighbours({
      neighbours: {
        keep: (these) => (these.includes("10.0.0.66") ? "EINVAL" : tell(`keep ${these.join(" ")}`)),
        release: (these) => tell(`release all but ${these.join(" ")}`),
      },
      log: { write: (level, event, _, text) => void logged.push(`${level} ${event} ${text}`) },
      hosts: () => hosts,
    });
  });
  afterEach(() => {
    kept.stop();
    vi.useRealTimers();
  });

  it("are nobody's business before the start and after the stop, which lets all go", () => {
    hosts = ["10.0.0.2"];
    kept.settle();
    kept.linksChanged();
    kept.start();
    kept.stop();
    kept.stop();
    hosts = ["10.0.0.3"];
    kept.settle();
    kept.linksChanged();
    vi.advanceTimersByTime(120_000);
    expect(told).toEqual(["keep 10.0.0.2", "release all but "]);
  });

  it("are told once each, in slices, and let go with the last member at the address", () => {
    kept.start();
    hosts = ["10.0.0.2", "10.0.0.3", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"];
    kept.settle();
    expect(told).toEqual(["keep 10.0.0.2 10.0.0.3 10.0.0.4 10.0.0.5"]);
    soon();
    kept.settle();
    soon();
    expect(told.slice(1)).toEqual(["keep 10.0.0.6"]);
  });

  it("of whom one is gone before its turn are not told of it", () => {
    kept.start();
    hosts = ["10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"];
    kept.settle();
    hosts = ["10.0.0.2"];
    kept.settle();
    soon();
    expect(told).toEqual(["keep 10.0.0.2 10.0.0.3 10.0.0.4 10.0.0.5"]);
    vi.advanceTimersByTime(30_000);
    expect(told.slice(1)).toEqual(["release all but 10.0.0.2", "keep 10.0.0.2"]);
  });

  it("let go at the first refresh what a crashed daemon kept, and are all told at each", () => {
    kept.start();
    hosts = ["10.0.0.2"];
    kept.settle();
    vi.advanceTimersByTime(60_000);
    expect(told).toEqual(["keep 10.0.0.2", "release all but 10.0.0.2", "keep 10.0.0.2", "keep 10.0.0.2"]);
  });

  it("are told all again after a burst of changed links, once", () => {
    hosts = ["10.0.0.2", "10.0.0.3"];
    kept.start();
    soon();
    told.length = 0;
    for (let i = 0; i < 20; i++) kept.linksChanged();
    vi.advanceTimersByTime(200);
    expect(told).toEqual(["keep 10.0.0.2 10.0.0.3"]);
  });

  it("that the kernel refuses are said once for each reason", () => {
    hosts = ["10.0.0.2"];
    error = "ENODEV";
    kept.start();
    error = "EPERM";
    vi.advanceTimersByTime(90_000);
    expect(logged).toEqual([
      expect.stringMatching(/^warn neighbours\.not-kept ENODEV: hosts of the group cannot be kept/),
      expect.stringMatching(/^warn neighbours\.not-kept EPERM: /),
    ]);
  });

  it("of whom one is refused again and again are complained of once, and let go as soon as the kernel does it", () => {
    hosts = ["10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.66"];
    kept.start();
    soon();
    error = "ENOBUFS";
    vi.advanceTimersByTime(30_000);
    error = "";
    told.length = 0;
    vi.advanceTimersByTime(60_000);
    expect(told.filter((what) => what.startsWith("release"))).toHaveLength(1);
    expect(logged.map((line) => line.split(" ")[2])).toEqual(["EINVAL:", "ENOBUFS:"]);
  });
});
