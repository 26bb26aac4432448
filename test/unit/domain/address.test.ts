import { isIP } from "node:net";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  addressToBytes,
  bytesToAddress,
  canonicalAddress,
  canonicalMac,
  compareAddresses,
  expandCidr,
  expandRange,
  familyOf,
  fitForVip,
} from "../../../src/domain/address.js";

describe("canonical text", () => {
  it.each([
    ["keeps dotted IPv4", "10.0.0.1", "10.0.0.1"],
    ["refuses a leading zero, which inet_aton reads as octal", "10.0.0.01", null],
    ["refuses 256", "10.0.0.256", null],
    ["refuses three parts", "10.0.1", null],
    ["refuses a trailing dot", "10.0.0.1.", null],
    ["refuses a space", " 10.0.0.1", null],
    ["refuses a newline at the end", "10.0.0.1\n", null],
    ["refuses hexadecimal IPv4", "0x0a.0.0.1", null],
    ["refuses the empty text", "", null],
    ["refuses a host name", "host-a", null],
    ["lowers the case", "FD77::ABCD", "fd77::abcd"],
    ["drops leading zeros", "fd77:0000:0000:0000:0000:0000:0000:0001", "fd77::1"],
    ["shortens the longest run", "1:0:0:2:0:0:0:3", "1:0:0:2::3"],
    ["shortens the first of two equal runs", "1:0:0:2:3:0:0:4", "1::2:3:0:0:4"],
    ["does not shorten one group (RFC 5952, 4.2.2)", "1:2:3::5:6:7:8", "1:2:3:0:5:6:7:8"],
    ["prints the unspecified address", "0:0:0:0:0:0:0:0", "::"],
    ["shortens at the end", "2001:db8:0:0:0:0:0:0", "2001:db8::"],
    ["leaves a v4-mapped address in IPv6", "::FFFF:0a00:0001", "::ffff:10.0.0.1"],
    ["reads a dotted end", "64:ff9b::192.0.2.33", "64:ff9b::c000:221"],
    ["refuses a dotted part in the middle", "1::10.0.0.1:2", null],
    ["refuses a dotted part before ::", "10.0.0.1::", null],
    ["refuses two ::", "1::2::3", null],
    ["refuses :::", ":::", null],
    ["refuses nine groups", "1:2:3:4:5:6:7:8:9", null],
    ["refuses :: that stands for nothing", "1:2:3:4::5:6:7:8", null],
    ["refuses a group of five digits", "fd77::12345", null],
    ["refuses a zone id", "fe80::1%eth0", null],
    ["refuses brackets", "[::1]", null],
    ["refuses a single colon at the end", "1:2:3:4:5:6:7:", null],
  ])("%s: %j", (_sentence, text, expected) => {
    expect(canonicalAddress(text)).toBe(expected);
  });

  it("agrees with node:net on arbitrary near-miss text", () => {
    const piece = fc.constantFrom(
      "::",
      ":",
      ".",
      "0",
      "1",
      "f",
      "ffff",
      "00",
      "255",
      "256",
      "10.0.0.1",
      "%",
      "g",
      "12345",
    );
    const nearMiss = fc.array(piece, { maxLength: 14 }).map((parts) => parts.join(""));
    fc.assert(
      fc.property(fc.oneof(nearMiss, fc.ipV4(), fc.ipV6(), fc.string()), (text) => {
        const expected = text.includes("%") ? 0 : isIP(text);
        const canonical = canonicalAddress(text);
        expect(canonical === null ? 0 : familyOf(canonical)).toBe(expected);
      }),
      { numRuns: 5000 },
    );
  });

  it("canonical text is what the URL standard's serializer prints for every 16 bytes but the v4-mapped", () => {
    const groups = fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff })), {
      minLength: 8,
      maxLength: 8,
    });
    fc.assert(
      fc.property(groups, (values) => {
        const text = values.map((value) => value.toString(16)).join(":");
        const canonical = canonicalAddress(text)!;
        if (!canonical.startsWith("::ffff:")) expect(new URL(`http://[${text}]/`).hostname).toBe(`[${canonical}]`);
        expect(canonicalAddress(canonical)).toBe(canonical);
        expect(addressToBytes(canonical)).toEqual(addressToBytes(text));
      }),
      { numRuns: 2000 },
    );
  });

  it("text -> bytes -> text is the same, except that v4-mapped bytes give dotted IPv4", () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
        const canonical = canonicalAddress(text)!;
        const expected = canonical.startsWith("::ffff:") && canonical.includes(".") ? canonical.slice(7) : canonical;
        expect(bytesToAddress(addressToBytes(canonical))).toBe(expected);
      }),
    );
    expect(bytesToAddress(addressToBytes("::ffff:10.0.0.1"))).toBe("10.0.0.1");
  });

  it("bytes of a wrong length and text that is no address are broken invariants", () => {
    expect(() => bytesToAddress(new Uint8Array(5))).toThrow("4 or 16 bytes");
    expect(() => addressToBytes("host-a")).toThrow("not an address");
  });
});

describe("MAC addresses", () => {
  it.each([
    ["02:00:00:00:00:01", "02:00:00:00:00:01"],
    ["02-00-00-AA-00-01", "02:00:00:aa:00:01"],
    ["2:0:0:aa:0:1", "02:00:00:aa:00:01"],
    ["02:00:00:00:00", null],
    ["02:00:00:00:00:01:02", null],
    ["02:00-00:00:00:01", null],
    ["0g:00:00:00:00:01", null],
    ["", null],
  ])("%j is %j", (text, expected) => {
    expect(canonicalMac(text)).toBe(expected);
  });
});

describe("ranges and blocks", () => {
  const list = (...addresses: string[]) => ({ ok: true, addresses });
  it.each([
    ["crosses an octet", "10.0.0.254", "10.0.1.1", list("10.0.0.254", "10.0.0.255", "10.0.1.0", "10.0.1.1")],
    ["of one address", "10.0.0.1", "10.0.0.1", list("10.0.0.1")],
    ["in IPv6 crosses a group", "fd77::ffff", "fd77::1:1", list("fd77::ffff", "fd77::1:0", "fd77::1:1")],
    ["end before start", "10.0.0.2", "10.0.0.1", { ok: false, problem: "end-before-start" }],
    ["families mixed", "10.0.0.2", "fd77::1", { ok: false, problem: "families-mixed" }],
    ["no address", "10.0.0.2", "host", { ok: false, problem: "not-an-address" }],
    ["the whole of IPv6 is refused without building it", "::", "ffff::", { ok: false, problem: "too-many" }],
    ["one more than the limit", "10.0.0.0", "10.0.0.16", { ok: false, problem: "too-many" }],
  ])("range: %s", (_sentence, first, last, expected) => {
    expect(expandRange(first, last, 16)).toEqual(expected);
  });

  it.each([
    ["a small block", "10.0.0.4/30", list("10.0.0.4", "10.0.0.5", "10.0.0.6", "10.0.0.7")],
    ["a single address", "fd77::1/128", list("fd77::1")],
    ["host bits", "10.0.0.5/30", { ok: false, problem: "host-bits-set", block: "10.0.0.4/30" }],
    ["host bits in IPv6", "fd77::2:3/112", { ok: false, problem: "host-bits-set", block: "fd77::2:0/112" }],
    ["prefix beyond 32", "10.0.0.0/33", { ok: false, problem: "bad-prefix" }],
    ["prefix with a leading zero", "10.0.0.0/08", { ok: false, problem: "bad-prefix" }],
    ["a netmask", "10.0.0.0/255.0.0.0", { ok: false, problem: "bad-prefix" }],
    ["empty prefix", "10.0.0.0/", { ok: false, problem: "bad-prefix" }],
    ["two slashes", "10.0.0.0/24/24", { ok: false, problem: "bad-prefix" }],
    ["the default route", "0.0.0.0/0", { ok: false, problem: "too-many" }],
    ["no address", "host/24", { ok: false, problem: "not-an-address" }],
  ])("block: %s", (_sentence, block, expected) => {
    expect(expandCidr(block, 16)).toEqual(expected);
  });

  it("a block is the range from its first to its last address", () => {
    fc.assert(
      fc.property(fc.ipV6(), fc.integer({ min: 118, max: 128 }), (address, prefix) => {
        const asked = expandCidr(`${address}/${prefix}`, 1024);
        const block = asked.ok || asked.problem !== "host-bits-set" ? `${address}/${prefix}` : asked.block;
        const expanded = expandCidr(block, 1024);
        if (!expanded.ok) throw new Error(expanded.problem);
        expect(expanded.addresses).toHaveLength(2 ** (128 - prefix));
        expect(expandRange(expanded.addresses[0]!, expanded.addresses.at(-1)!, 1024)).toEqual(expanded);
        expect([...expanded.addresses].sort(compareAddresses)).toEqual(expanded.addresses);
      }),
      { numRuns: 100 },
    );
  });

  it("IPv4 sorts before IPv6, and by number, not by text", () => {
    expect(["fd77::10", "10.0.0.10", "fd77::9", "10.0.0.9"].sort(compareAddresses)).toEqual([
      "10.0.0.9",
      "10.0.0.10",
      "fd77::9",
      "fd77::10",
    ]);
  });
});

describe("what may be a VIP", () => {
  it.each([
    ["10.0.0.1", null],
    ["192.0.2.1", null],
    ["223.255.255.254", null],
    ["fd77::100", null],
    ["2001:db8::1", null],
    ["0.0.0.0", "unspecified"],
    ["0.1.2.3", "this network"],
    ["127.0.0.1", "loopback"],
    ["169.254.1.1", "link-local"],
    ["224.0.0.1", "multicast"],
    ["239.255.255.255", "multicast"],
    ["240.0.0.1", "reserved"],
    ["255.255.255.255", "broadcast"],
    ["::", "unspecified"],
    ["::1", "loopback"],
    ["::2", "IPv4-compatible"],
    ["::ffff:10.0.0.1", "IPv4-mapped address (write 10.0.0.1)"],
    ["ff02::1", "multicast"],
    ["fe80::1", "link-local"],
    ["febf::1", "link-local"],
    ["fec0::1", null],
  ])("%s: %j", (address, expected) => {
    if (expected === null) expect(fitForVip(address)).toBeNull();
    else expect(fitForVip(address)).toContain(expected);
  });
});
