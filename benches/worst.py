#!/usr/bin/env python3
"""Worst inputs for `meshctl pcap-verify`: writes them to a folder, and measures a binary over them.

    benches/worst.py write FOLDER                 # eight captures, 2.5 GB
    benches/worst.py measure FOLDER [MESHCTL]     # CPU seconds and peak memory of each; default target/release/meshctl

Each capture is up to a million packets that a flow table does not like. The same script always writes the same bytes.
"""
import os, random, struct, subprocess, sys

SYN, ACK = 2, 16
SERVER = 0x0A000002
COUNT = 1_000_000


class Capture:
    def __init__(self, path):
        self.file = open(path, "wb", buffering=1 << 20)
        self.file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1))
        self.micros = 0

    def ip(self, source, target, protocol, rest):
        self.micros += 3
        head = struct.pack(">HHHBBHII", 20 + len(rest), self.micros & 0xFFFF, 0x4000, 64, protocol, 0, source, target)
        frame = b"\x02\x02\x02\x02\x02\x02\x04\x04\x04\x04\x04\x04\x08\x00\x45\x00" + head + rest
        time = divmod(self.micros, 1_000_000)
        self.file.write(struct.pack("<IIII", 1_700_000_000 + time[0], time[1], len(frame), len(frame)) + frame)

    def tcp(self, source, port, target, to, seq, ack, flags, data=b""):
        self.ip(source, target, 6, struct.pack(">HHIIBBHHH", port, to, seq & 0xFFFFFFFF, ack, 0x50, flags, 65535, 0, 0) + data)

    def udp(self, source, port, target, to, data):
        self.ip(source, target, 17, struct.pack(">HHHH", port, to, 8 + len(data), 0) + data)


def client(number):
    """Address and port of a client, all different."""
    return 0x0B000000 + number // 60_000, 1024 + number % 60_000


def syns(capture):
    for number in range(COUNT):
        capture.tcp(*client(number), SERVER, 9080, number * 7919, 0, SYN)


def syn_data(capture):
    """SYNs that carry 1,400 bytes, to different ports: payload of a connection that never was."""
    data = b"\xd7" * 1400
    for number in range(300_000):
        capture.tcp(*client(number), SERVER, 1 + number % 60_000, number * 7919, 0, SYN, data)


def one_byte(capture):
    """A thousand connections, a thousand segments of one byte each, in turns."""
    for at in range(COUNT // 1000):
        for number in range(1000):
            capture.tcp(*client(number), SERVER, 9080, 1000 + at, 1, ACK, b"GET / HTTP/1.1\r\nX: "[at:at + 1] or b"a")


def disorder(capture):
    """A thousand connections of a thousand segments of 100 bytes, every one of them before its predecessor: all wait."""
    for number in range(1000):
        capture.tcp(*client(number), SERVER, 9080, 900_000, 0, SYN)
    for at in range(COUNT // 1000):
        for number in range(1000):
            capture.tcp(*client(number), SERVER, 9080, 1_000_000 - 100 * at, 1, ACK, b"b" * 100)


def holes(capture):
    """A thousand connections of which every other segment of 100 bytes is missing, for ever."""
    for number in range(1000):
        capture.tcp(*client(number), SERVER, 9080, 998, 0, SYN)
    for at in range(COUNT // 1000):
        for number in range(1000):
            capture.tcp(*client(number), SERVER, 9080, 1000 + 200 * at, 1, ACK, b"c" * 100)


def one_disorder(capture):
    """One connection, everything in it out of order, as far as a window reaches."""
    order = random.Random(2)
    capture.tcp(*client(0), SERVER, 9080, 999, 0, SYN)
    for base in range(0, COUNT, 10_000):
        places = list(range(base, base + 10_000))
        order.shuffle(places)
        for at in places:
            capture.tcp(*client(0), SERVER, 9080, 1000 + 100 * at, 1, ACK, b"d" * 100)


def udp(capture):
    for number in range(COUNT):
        capture.udp(*client(number), SERVER, 5000, b"\xf1" * 20)


def unnameable(capture):
    """Connections of 20 KiB that nothing is recognised in, all of them open to the end."""
    data = random.Random(1).randbytes(1400)
    for number in range(COUNT // 16):
        source, port = client(number)
        capture.tcp(source, port, SERVER, 9080, 1000, 0, SYN)
        for at in range(15):
            capture.tcp(source, port, SERVER, 9080, 1001 + 1400 * at, 1, ACK, data)


SHAPES = [syns, syn_data, one_byte, disorder, one_disorder, holes, udp, unnameable]


def write(folder, shapes):
    os.makedirs(folder, exist_ok=True)
    for shape in shapes:
        capture = Capture(os.path.join(folder, shape.__name__ + ".pcap"))
        shape(capture)
        capture.file.close()


def packets(path):
    size, at, count = os.path.getsize(path), 24, 0
    with open(path, "rb") as file:
        while at < size:
            file.seek(at + 8)
            at += 16 + struct.unpack("<I", file.read(4))[0]
            count += 1
    return count


def measure(folder, meshctl):
    print("| capture | MB | packets | CPU s | µs/packet | peak MB | bytes/packet |\n|---|---|---|---|---|---|---|")
    for shape in SHAPES:
        path = os.path.join(folder, shape.__name__ + ".pcap")
        with open(os.devnull, "w") as null:
            child = subprocess.Popen([meshctl, "pcap-verify", path], stdout=null, stderr=null)
            _, status, used = os.wait4(child.pid, 0)
        if os.waitstatus_to_exitcode(status) not in (0, 1, 3):
            print(f"{shape.__name__}: exit {os.waitstatus_to_exitcode(status)}", file=sys.stderr)
        count, cpu, peak = packets(path), used.ru_utime + used.ru_stime, used.ru_maxrss * 1024
        print(f"| {shape.__name__} | {os.path.getsize(path) / 1e6:.0f} | {count} | {cpu:.2f} | {cpu / count * 1e6:.2f} "
              f"| {peak / 1e6:.0f} | {peak / count:.0f} |", flush=True)


def main():
    match sys.argv[1:]:
        case ["write", folder]:
            write(folder, SHAPES)
        case ["measure", folder, *rest]:
            measure(folder, rest[0] if rest else "target/release/meshctl")
        case _:
            sys.exit(__doc__)


main()
