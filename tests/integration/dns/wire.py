"""What: just enough of DNS on the wire for the tests here: questions out, answers apart."""
import socket
import struct

A, NS, CNAME, SOA, PTR, AAAA, SRV, OPT = 1, 2, 5, 6, 12, 28, 33, 41
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, REFUSED = 0, 1, 2, 3, 5


def name(text):
    return b"".join(bytes([len(p)]) + p.encode() for p in text.split(".") if p) + b"\0"


def question(text, rtype=A, ident=0x1234, edns=None):
    head = struct.pack(">HHHHHH", ident, 0x0100, 1, 0, 0, 0 if edns is None else 1)
    tail = b"" if edns is None else b"\0" + struct.pack(">HHIH", OPT, edns, 0, 0)
    return head + name(text) + struct.pack(">HH", rtype, 1) + tail


def read_name(data, at):
    parts, end = [], None
    while data[at]:
        if data[at] >= 0xC0:
            end = end or at + 2
            at = struct.unpack(">H", data[at:at + 2])[0] & 0x3FFF
            continue
        parts.append(data[at + 1:at + 1 + data[at]].decode())
        at += 1 + data[at]
    return ".".join(parts), end or at + 1


class Message:
    def __init__(self, data):
        self.data = data
        self.id, flags, qd, an, ns, ar = struct.unpack(">HHHHHH", data[:12])
        self.rcode, self.tc, self.aa, self.qr = flags & 15, bool(flags & 0x200), bool(flags & 0x400), flags >> 15
        at = 12
        for _ in range(qd):
            self.name, at = read_name(data, at)
            self.type = struct.unpack(">H", data[at:at + 2])[0]
            at += 4
        self.question_end = at
        self.answer, at = self.records(an, at)
        self.authority, at = self.records(ns, at)
        self.additional, at = self.records(ar, at)

    def records(self, n, at):
        out = []
        for _ in range(n):
            owner, at = read_name(self.data, at)
            rtype, _, ttl, size = struct.unpack(">HHIH", self.data[at:at + 10])
            at += 10
            value = self.data[at:at + size]
            if rtype == A:
                value = socket.inet_ntoa(value)
            elif rtype in (CNAME, NS, PTR):
                value = read_name(self.data, at)[0]
            out.append((owner, rtype, ttl, value))
            at += size
        return out, at

    def values(self):
        return [r[3] for r in self.answer]


def reply(query, records=(), rcode=NOERROR, tc=False, ident=None):
    """An answer to a question in wire form; records: (type, ttl, rdata)."""
    q = Message(query)
    flags = 0x8180 | rcode | (0x200 if tc else 0)
    body = b"".join(b"\xc0\x0c" + struct.pack(">HHIH", t, 1, ttl, len(d)) + d for t, ttl, d in records)
    head = struct.pack(">HHHHHH", q.id if ident is None else ident, flags, 1, len(records), 0, 0)
    return head + query[12:q.question_end] + body


def framed(data):
    return struct.pack(">H", len(data)) + data


def read_framed(sock):
    def exactly(n):
        out = b""
        while len(out) < n:
            part = sock.recv(n - len(out))
            if not part:
                raise EOFError
            out += part
        return out
    return exactly(struct.unpack(">H", exactly(2))[0])
