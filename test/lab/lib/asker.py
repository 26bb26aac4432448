"""Asks the wire without end: `asker.py IFACE OWN_IPV4 OWN_IPV6 INTERVAL_MS TARGET...`.

Broadcast ARP requests and multicast neighbour solicitations, as a client without a cache sends them. The answers are
for the capture on the switch to see: this program reads nothing and keeps no cache, so it never falls silent.
"""
import ipaddress
import socket
import struct
import sys
import time


def checksum(data: bytes) -> int:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def arp_request(mac: bytes, own: bytes, target: bytes) -> bytes:
    header = b"\xff" * 6 + mac + b"\x08\x06"
    return header + struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + mac + own + bytes(6) + target


def solicitation(mac: bytes, own: bytes, target: bytes) -> bytes:
    group = bytes.fromhex("ff0200000000000000000001ff") + target[-3:]
    body = struct.pack("!BBHI", 135, 0, 0, 0) + target + b"\x01\x01" + mac
    pseudo = own + group + struct.pack("!II", len(body), 58)
    body = body[:2] + struct.pack("!H", checksum(pseudo + body)) + body[4:]
    ip = struct.pack("!IHBB", 0x60000000, len(body), 58, 255) + own + group
    return b"\x33\x33" + group[-4:] + mac + b"\x86\xdd" + ip + body


def main() -> None:
    name, own4, own6, interval_ms, *targets = sys.argv[1:]
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    wire.bind((name, 0))
    mac = wire.getsockname()[4]
    frames = []
    for target in map(ipaddress.ip_address, targets):
        if target.version == 4:
            frames.append(arp_request(mac, ipaddress.ip_address(own4).packed, target.packed))
        else:
            frames.append(solicitation(mac, ipaddress.ip_address(own6).packed, target.packed))
    pause = float(interval_ms) / 1000 / len(frames)
    due = time.monotonic()
    while True:
        for frame in frames:
            try:
                wire.send(frame)
            except OSError:
                pass  # The cable is out, or the queue is full: the next one will tell.
            due += pause
            time.sleep(max(0.0, due - time.monotonic()))


main()
