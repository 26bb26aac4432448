"""Takes ports of the switch down, at once and with the instant: a line `PORT` in, a line `SECONDS PORT` out.

A program that is started for each cut would need milliseconds, which is much where 40 ms are measured.
"""

import fcntl
import socket
import struct
import sys
import time

SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 0x1

control = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
print("ready", flush=True)
for line in sys.stdin:
    name = line.strip()
    request = struct.pack("16sh14x", name.encode(), 0)
    flags = struct.unpack("16sh14x", fcntl.ioctl(control, SIOCGIFFLAGS, request))[1]
    at = time.time()
    fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sh14x", name.encode(), flags & ~IFF_UP))
    print(f"{at:.6f} {name}", flush=True)
