"""Floods one UDP port from this namespace: `attack-flood.py SPEC`, SPEC a JSON object.

`device`, `to_mac`, `to` and `port` name the victim; `from` is a list of [address, port] that the datagrams claim to come
from (a member's own, or strangers'); `per_second` and `seconds` bound it. `payloads` is a list of hex strings, sent in
turn, or `random` makes them: `{"bytes": 200, "first": 1, "count": 4096}` (a first byte of 1 looks like a seal). With
`"tamper": true` the last byte of each is changed. Frames are made beforehand; prints how many were sent.
"""
import ipaddress
import json
import os
import random
import socket
import struct
import sys
import time

TICK_S = 0.002


def checksum(data: bytes) -> int:
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def datagram(source: tuple, target: tuple, payload: bytes) -> tuple:
    """The IP packet and its Ethernet type."""
    source_ip, target_ip = (ipaddress.ip_address(host) for host, _ in (source, target))
    length = 8 + len(payload)
    udp = struct.pack("!HHHH", source[1], target[1], length, 0)
    if target_ip.version == 4:
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, 0, 0x4000, 64, 17, 0) + source_ip.packed + target_ip.packed
        head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
        return head + udp + payload, b"\x08\x00"
    pseudo = source_ip.packed + target_ip.packed + struct.pack("!II", length, 17)
    udp = udp[:6] + struct.pack("!H", checksum(pseudo + udp + payload) or 0xFFFF)
    head = struct.pack("!IHBB", 0x60000000, length, 17, 64) + source_ip.packed + target_ip.packed
    return head + udp + payload, b"\x86\xdd"


def payloads_of(spec: dict) -> list:
    if "random" in spec:
        wanted = spec["random"]
        first = bytes([wanted["first"]]) if "first" in wanted else b""
        return [first + os.urandom(wanted["bytes"] - len(first)) for _ in range(wanted.get("count", 4096))]
    payloads = [bytes.fromhex(text) for text in spec["payloads"]]
    return [body[:-1] + bytes([body[-1] ^ 1]) for body in payloads] if spec.get("tamper") else payloads


def main() -> None:
    spec = json.loads(sys.argv[1] if sys.argv[1] != "-" else sys.stdin.read())
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    wire.bind((spec["device"], 0))
    ends = bytes.fromhex(spec["to_mac"].replace(":", "")) + wire.getsockname()[4]
    sources = [tuple(source) for source in spec["from"]]
    target = (spec["to"], spec["port"])
    frames = []
    for i, payload in enumerate(payloads_of(spec)):
        packet, kind = datagram(sources[i % len(sources)], target, payload)
        frames.append(ends + kind + packet)
    random.shuffle(frames)
    sent = lost = at = 0
    begin = time.monotonic()
    end = begin + spec["seconds"]
    while (now := time.monotonic()) < end:
        due = int((now - begin) * spec["per_second"])
        # What could not be sent in time is left out, or a stall of ours would be followed by a burst beyond the rate.
        burst = min(due - sent - lost, int(spec["per_second"] * 10 * TICK_S))
        lost += max(0, due - sent - lost - burst)
        for _ in range(burst):
            try:
                wire.send(frames[at])
                sent += 1
            except OSError:
                lost += 1  # ENOBUFS: our own queue is full.
            at = at + 1 if at + 1 < len(frames) else 0
        time.sleep(TICK_S)
    print(json.dumps({"sent": sent, "lost": lost, "seconds": time.monotonic() - begin}))


main()
