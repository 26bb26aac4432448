/**
 * Junk for a gossip port, from a client's namespace: `garbage.mjs HOST PORT COUNT SEED`. UDP and TCP; random, truncated,
 * plain (a real ping, a real push/pull header), sealed with a wrong key, labelled, oversized lengths. Deterministic
 * for a seed. Ends when all was sent.
 */
import { createCipheriv, createHash } from "node:crypto";
import * as dgram from "node:dgram";
import * as net from "node:net";

const [host, port, count, seed] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4]), process.argv[5]];
let drawn = 0;

/** `length` bytes that depend on the seed and on how many were drawn before. */
function bytes(length) {
  const parts = [];
  for (let have = 0; have < length; have += 32) parts.push(createHash("sha256").update(`${seed}:${drawn++}`).digest());
  return Buffer.concat(parts).subarray(0, length);
}

const number = (below) => bytes(4).readUInt32BE(0) % below;
const text = (value) => Buffer.concat([Buffer.from([0xa0 | value.length]), Buffer.from(value)]);
const ping = Buffer.concat([Buffer.from([0, 0x82]), text("SeqNo"), Buffer.from([7]), text("Node"), text("host-a")]);

/** memberlist's sealing, version 1, with a key that nobody has. */
function sealed(plain, aad = Buffer.alloc(0)) {
  const nonce = bytes(12);
  const cipher = createCipheriv("aes-256-gcm", bytes(32), nonce).setAAD(aad);
  return Buffer.concat([Buffer.from([1]), nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

const kinds = [
  () => bytes(1 + number(1400)),
  () => Buffer.alloc(0),
  () => ping,
  () => ping.subarray(0, 1 + number(ping.length - 1)),
  () => sealed(ping),
  () => sealed(ping).subarray(0, 1 + number(40)),
  () => Buffer.concat([Buffer.from([0xf4, 4]), Buffer.from("blue"), sealed(ping)]),
  () => Buffer.concat([Buffer.from([7, 255]), bytes(600)]),
  () => Buffer.concat([Buffer.from([12]), bytes(4), ping]),
  () => Buffer.concat([Buffer.from([9]), bytes(200)]),
  () => Buffer.concat([Buffer.from([number(13)]), bytes(100)]),
];

const frame = (length, body) => {
  const head = Buffer.alloc(5);
  head[0] = 10;
  head.writeUInt32BE(length, 1);
  return Buffer.concat([head, body]);
};

const streams = [
  ...kinds,
  () => frame(0xffffffff, bytes(100)),
  () => frame(20, bytes(10)),
  () => frame(60, sealed(ping).subarray(0, 60)),
  () => {
    const head = frame(29 + ping.length, Buffer.alloc(0));
    return Buffer.concat([head, sealed(ping, head)]);
  },
  () => Buffer.concat([Buffer.from([6, 0x83]), text("Nodes"), Buffer.from([0xd2, 0x7f, 0xff, 0xff, 0xff]), bytes(300)]),
];

async function datagrams() {
  const socket = dgram.createSocket("udp4");
  for (let n = 0; n < count; n++) {
    await new Promise((resolve) => socket.send(kinds[n % kinds.length](), port, host, resolve));
    if (n % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  }
  socket.close();
}

/** One connection: every third is left half open until the other side closes it, or 1.5 s. */
function stream(n) {
  return new Promise((resolve) => {
    const socket = net.connect({ host, port });
    socket.on("error", () => {});
    socket.on("close", resolve);
    socket.on("data", () => {});
    const body = streams[n % streams.length]();
    if (n % 3 === 0) socket.write(body);
    else socket.end(body);
    setTimeout(() => socket.destroy(), n % 3 === 0 ? 1500 : 1000);
  });
}

await datagrams();
for (let n = 0; n < count / 10; n += 30) await Promise.all(Array.from({ length: 30 }, (_, i) => stream(n + i)));
console.log("sent");
