/** What the kernel is told of the group's hosts: what has changed, once. */
import { beforeEach, describe, expect, it } from "vitest";
import { KeptNeighbours } from "../../../src/daemon/kept-neighbours.js";

let told: string[];
let logged: string[];
let hosts: string[];
let error: string;
let kept: KeptNeighbours;

describe("kept neighbours", () => {
  beforeEach(() => {
    told = [];
    logged = [];
    hosts = ["10.0.0.2"];
    error = "";
    const tell = (what: string) => {
      told.push(what);
      return error;
    };
    kept = new KeptNeighbours({
      neighbours: {
        keep: (these) => tell(`keep ${these.join(" ")}`),
        release: (these) => tell(`release all but ${these.join(" ")}`),
      },
      log: { write: (level, event, _, text) => void logged.push(`${level} ${event} ${text}`) },
      hosts: () => hosts,
    });
    kept.start();
  });

  it("begin with letting go of what a crashed daemon kept", () => {
    expect(told).toEqual(["release all but 10.0.0.2", "keep 10.0.0.2"]);
  });

  it("are told once each, and let go with the last member at the address", () => {
    told.length = 0;
    kept.settle();
    hosts = ["10.0.0.2", "10.0.0.3", "10.0.0.3"];
    kept.settle();
    kept.settle();
    hosts = ["10.0.0.3"];
    kept.settle();
    expect(told).toEqual(["keep 10.0.0.3", "release all but 10.0.0.3"]);
  });

  it("are told all again when a link changed, which may have taken them", () => {
    hosts = ["10.0.0.2", "10.0.0.3"];
    kept.settle();
    told.length = 0;
    kept.again();
    expect(told).toEqual(["keep 10.0.0.2 10.0.0.3"]);
  });

  it("are all let go at the end", () => {
    told.length = 0;
    kept.stop();
    kept.again();
    expect(told).toEqual(["release all but "]);
  });

  it("that the kernel refuses are said once", () => {
    error = "EPERM";
    kept.again();
    kept.again();
    expect(logged).toEqual([
      expect.stringMatching(/^warn neighbours\.not-kept EPERM: the group's hosts cannot be kept/),
    ]);
  });
});
