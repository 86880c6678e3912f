#!/usr/bin/env python3
"""A steady HTTPS load on the edge, until SIGTERM; then one line of JSON:

    {"requests": n, "lost": n, "cut": n, "why": ["...", ...]}

'cut' counts requests whose established connection ended under them; 'lost' all others that were not answered
with 200: refused or timed-out connections, error answers. Each worker opens a new connection after --keep
requests, so both new and kept connections are always under way."""
import argparse
import http.client
import json
import signal
import socket
import ssl
import threading
import time

ap = argparse.ArgumentParser()
ap.add_argument("--connect", required=True, metavar="IP:PORT")
ap.add_argument("--host", required=True)
ap.add_argument("--ca", required=True)
ap.add_argument("--path", action="append", metavar="PATH", help="may be repeated (default /, /api/pets, /api/health)")
ap.add_argument("--workers", type=int, default=6)
ap.add_argument("--keep", type=int, default=8)
ap.add_argument("--pause", type=float, default=0.01, help="seconds between two requests of a worker")
args = ap.parse_args()
paths = args.path or ["/", "/api/pets", "/api/health"]
ip, port = args.connect.rsplit(":", 1)
context = ssl.create_default_context(cafile=args.ca)
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
mutex = threading.Lock()
total = {"requests": 0, "lost": 0, "cut": 0}
why = []


class Connection(http.client.HTTPSConnection):
    established = False

    def connect(self):
        raw = socket.create_connection((ip, int(port)), timeout=15)
        self.established = True
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = context.wrap_socket(raw, server_hostname=args.host)


def count(kind, text):
    with mutex:
        total[kind] += 1
        if len(why) < 20:
            why.append(f"{time.strftime('%H:%M:%S')} {kind}: {text}")


def work(n):
    while not stop.is_set():
        c = Connection(args.host, timeout=15)
        try:
            c.connect()
            for i in range(args.keep):
                if stop.is_set():
                    break
                path = paths[(n + i) % len(paths)]
                with mutex:
                    total["requests"] += 1
                c.request("GET", path)
                answer = c.getresponse()
                answer.read()
                if answer.status != 200:
                    count("lost", f"{path} answered {answer.status}")
                if answer.will_close:
                    break
                time.sleep(args.pause)
        except socket.timeout as e:
            count("lost", f"timeout: {e}")
        except (OSError, http.client.HTTPException) as e:
            count("cut" if c.established else "lost", f"{type(e).__name__}: {e}")
        finally:
            c.close()


workers = [threading.Thread(target=work, args=(n,)) for n in range(args.workers)]
for w in workers:
    w.start()
while not stop.is_set():
    stop.wait(1)
for w in workers:
    w.join()
print(json.dumps({**total, "why": why}))
