# What: a client of the kubelet's socket for tests: HTTP and WebSocket by hand, so that no library is needed; and TAP.
import base64
import os
import pathlib
import socket
import struct
import subprocess
import tempfile
import time

build = pathlib.Path(os.environ.get("KENNEL_BUILD", "build"))
folder = pathlib.Path(tempfile.mkdtemp(prefix="kennel-stream-"))
folder.chmod(0o711)
path = str(folder / "node.sock")
started = []
count = 0
failed = False
STDIN, STDOUT, STDERR, ERROR, RESIZE = range(5)


def check(name, good, found=""):
    global count, failed
    count += 1
    print(f"{'ok' if good else 'not ok'} {count} - {name}", flush=True)
    if not good:
        failed = True
        print("#   " + repr(found)[:600], flush=True)


def start(*argv, **more):
    p = subprocess.Popen(argv, **more)
    started.append(p)
    return p


def wait_for(what, seconds=30):
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.01)


class Connection:
    def __init__(self):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.settimeout(20)
        self.s.connect(path)
        self.buf = b""

    def take(self, n):
        while len(self.buf) < n:
            got = self.s.recv(1 << 16)
            if not got:
                raise EOFError
            self.buf += got
        out, self.buf = self.buf[:n], self.buf[n:]
        return out

    def line(self):
        while b"\r\n" not in self.buf:
            got = self.s.recv(1 << 16)
            if not got:
                raise EOFError
            self.buf += got
        out, self.buf = self.buf.split(b"\r\n", 1)
        return out.decode()

    def request(self, target, method="GET", headers=""):
        self.s.sendall(f"{method} {target} HTTP/1.1\r\nHost: node\r\n{headers}\r\n".encode())
        status = int(self.line().split()[1])
        self.headers = {}
        while (line := self.line()):
            k, v = line.split(":", 1)
            self.headers[k.lower()] = v.strip()
        return status

    def chunk(self):
        size = int(self.line(), 16)
        data = self.take(size)
        self.take(2)
        return data

    def body(self):
        if "content-length" in self.headers:
            return self.take(int(self.headers["content-length"]))
        out = b""
        while (c := self.chunk()):
            out += c
        return out

    def close(self):
        self.s.close()


def get(target, method="GET"):
    c = Connection()
    status = c.request(target, method)
    body = c.body()
    c.close()
    return status, body


class WebSocket(Connection):
    def __init__(self, target, protocol="v5.channel.k8s.io"):
        super().__init__()
        key = base64.b64encode(os.urandom(16)).decode()
        self.status = self.request(target, headers=(
            f"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: {protocol}\r\n"))
        if self.status != 101:
            raise ConnectionError(f"{target}: status {self.status}")
        self.out = {i: bytearray() for i in range(8)}

    def send(self, channel, data):
        payload = bytes([channel]) + data
        n = len(payload)
        head = bytes([0x82]) + (bytes([0x80 | n]) if n < 126 else
                                bytes([0xFE]) + struct.pack(">H", n) if n < 65536 else
                                bytes([0xFF]) + struct.pack(">Q", n))
        self.s.sendall(head + b"\0\0\0\0" + payload)

    def receive(self):  # (channel, data), or None at the end
        first, second = self.take(2)
        n = second & 127
        n = struct.unpack(">H", self.take(2))[0] if n == 126 else struct.unpack(">Q", self.take(8))[0] if n == 127 else n
        data = self.take(n)
        if first & 15 == 8:
            return None
        return data[0], data[1:]

    def read_all(self):
        while (m := self.receive()):
            self.out[m[0]] += m[1]
        return self.out

    def wait_output(self, text, channel=STDOUT):
        while text not in self.out[channel]:
            m = self.receive()
            if not m:
                return False
            self.out[m[0]] += m[1]
        return True


def command(container, *args, **flags):
    flags = {"stdout": 1, "stderr": 1, **flags}
    query = "&".join([f"{k}={v}" for k, v in flags.items()] +
                     ["command=" + "".join(f"%{b:02x}" for b in a.encode()) for a in args])
    return f"/exec/default/{container}?{query}"


def finish():
    for p in started:
        if p.poll() is None:
            p.kill()
        p.wait()
    print(f"1..{count}")
    return failed
