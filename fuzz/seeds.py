#!/usr/bin/env python3
"""Writes the seed corpora of the fuzz targets from testdata/pcap: fuzz/seeds.py, from the root of the package.

capture_file  the smallest captures as they are, one of each format
segment       a byte that chooses the link type, then a frame (cut to 200 bytes, as the target cuts)
handshake     chunks, each led by a byte for its side and one for its length: the segments of one TLS conversation
"""
import gzip, hashlib, os, struct

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
CAPTURES = os.path.join(ROOT, "testdata", "pcap")
# The link types by their place in LINK_LAYERS (src/capture/link.rs).
PLACE = {1: 0, 113: 1, 276: 2, 101: 3, 0: 4, 108: 5, 9: 6, 12: 7, 14: 8, 228: 9, 229: 10, 239: 11}


def frames(data):
    """(link type, frame) of a little-endian capture in the classic format."""
    if data[:4] != b"\xd4\xc3\xb2\xa1":
        return
    link, at = struct.unpack_from("<I", data, 20)[0], 24
    while at + 16 <= len(data):
        length = struct.unpack_from("<I", data, at + 8)[0]
        yield link, data[at + 16:at + 16 + length]
        at += 16 + length


def segments(data):
    """(client, server, payload) of TCP over IPv4 in Ethernet or Linux cooked v2."""
    for link, frame in frames(data):
        ip = frame[{1: 14, 276: 20}.get(link, 0):]
        if len(ip) < 40 or ip[0] != 0x45 or ip[9] != 6:
            continue
        total = struct.unpack_from(">H", ip, 2)[0]
        payload = ip[20 + (ip[32] >> 4) * 4:total]
        if payload:
            yield (ip[12:16], ip[20:22]), (ip[16:20], ip[22:24]), payload


def handshake(data):
    """The first conversation that begins with a handshake record, at most 12 kB of it."""
    client, out = None, b""
    for source, target, payload in segments(data):
        client = client or (source if payload[:2] == b"\x16\x03" else None)
        ends = (source, target)
        if client not in ends:
            continue
        side = int(source != client)
        while payload and len(out) < 12_000:
            if len(payload) >= 32:
                count = min(len(payload) // 32, 255)
                head, size = bytes([side | 2, count]), count * 32
            else:
                head, size = bytes([side, len(payload)]), len(payload)
            out += head + payload[:size]
            payload = payload[size:]
    return out


def write(target, name, data):
    folder = os.path.join(ROOT, "fuzz", "corpus", target)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), "wb") as file:
        file.write(data)


def main():
    names = sorted(os.listdir(CAPTURES))
    contents = {name: open(os.path.join(CAPTURES, name), "rb").read() for name in names}
    small = [name for name in names if len(contents[name]) < 9000 or not name.endswith(".pcap")]
    for name in small:
        write("capture_file", name, contents[name])
    shapes = set()
    for name, data in contents.items():
        data = gzip.decompress(data) if name.endswith(".gz") else data
        for link, frame in frames(data):
            # One frame of each shape: link type, first bytes of its network layers, size.
            shape = (link, frame[12:16], frame[20:24] if link == 276 else frame[23:24], len(frame) // 400)
            if shape not in shapes and len(shapes) < 24:
                shapes.add(shape)
                digest = hashlib.sha256(frame).hexdigest()[:12]
                write("segment", f"{link}-{digest}", bytes([PLACE[link]]) + frame[:200])
        talk = handshake(data)
        if talk and len(talk) < 12_000:
            write("handshake", name.split(".")[0], talk)


main()
