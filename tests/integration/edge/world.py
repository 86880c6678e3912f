"""What the edge's integration tests share: an API server that plays list, watch, patch and events; TAP;
backends; free ports; and a process that is ended whatever happens."""
import http.server
import json
import os
import queue
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time
import urllib.parse

count = 0
bad = 0


def ok(condition, name, detail=""):
    global count, bad
    count += 1
    print(f"{'ok' if condition else 'not ok'} {count} - {name}", flush=True)
    if not condition:
        bad += 1
        print("#   " + str(detail)[:3000].replace("\n", "\n#   "), flush=True)


def done():
    print(f"1..{count}", flush=True)
    return 1 if bad else 0


def eventually(check, seconds=30):
    """The first true answer of check(), or its last one; exceptions count as no."""
    end = time.monotonic() + seconds
    answer = None
    while True:
        try:
            answer = check()
        except Exception as e:  # noqa: BLE001: whatever is not there yet
            answer = None
            last = e
        if answer or time.monotonic() >= end:
            return answer
        time.sleep(0.01)


def free_ports(n):
    held = [socket.socket() for _ in range(n)]
    for s in held:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in held]
    for s in held:
        s.close()
    return ports


def merge(into, patch):
    for key, value in patch.items():
        if value is None:
            into.pop(key, None)
        elif isinstance(value, dict) and isinstance(into.get(key), dict):
            merge(into[key], value)
        else:
            into[key] = value
    return into


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 256
    allow_reuse_address = True

    def handle_error(self, request, client_address):
        pass


class Api:
    """Objects by (collection path, namespace, name), e.g. ("/api/v1/services", "shop", "web")."""

    def __init__(self):
        self.lock = threading.RLock()
        self.objects = {}
        self.revision = 100
        self.watchers = []
        self.events = []
        api = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def reply(self, status, body):
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def split(self):
                url = urllib.parse.urlsplit(self.path)
                query = dict(urllib.parse.parse_qsl(url.query))
                parts = url.path.split("/")
                prefix = 3 if parts[1] == "api" else 4
                group, rest = "/".join(parts[:prefix]), parts[prefix:]
                ns = None
                if rest[0] == "namespaces" and len(rest) > 2:
                    ns, rest = rest[1], rest[2:]
                return f"{group}/{rest[0]}", ns, rest[1:], query

            def do_GET(self):
                collection, ns, rest, query = self.split()
                wanted = lambda key: key[0] == collection and (ns is None or key[1] == ns) and (
                    "fieldSelector" not in query or query["fieldSelector"] == f"metadata.name={key[2]}")
                if query.get("watch") in ("1", "true"):
                    return self.watch(wanted, int(query.get("resourceVersion", 0)))
                with api.lock:
                    items = [o for k, o in api.objects.items() if wanted(k)]
                    body = {"kind": api.kind_of(collection) + "List", "apiVersion": api.version_of(collection),
                            "metadata": {"resourceVersion": str(api.revision)}, "items": items}
                self.reply(200, body)

            def watch(self, wanted, since):
                inbox = queue.Queue()
                with api.lock:
                    for o in sorted(api.objects.items(), key=lambda i: int(i[1]["metadata"]["resourceVersion"])):
                        if wanted(o[0]) and int(o[1]["metadata"]["resourceVersion"]) > since:
                            inbox.put(("MODIFIED", json.dumps(o[1])))
                    api.watchers.append((wanted, inbox))
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                while True:
                    kind, text = inbox.get()
                    line = f'{{"type":"{kind}","object":{text}}}\n'.encode()
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
                    self.wfile.flush()

            def body(self):
                return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

            def do_POST(self):
                collection, ns, rest, query = self.split()
                body = self.body()
                if collection.endswith("/events"):
                    with api.lock:
                        api.events.append(body)
                    body.setdefault("metadata", {}).setdefault("name", f"e{len(api.events)}")
                    body["metadata"]["resourceVersion"] = "1"
                    return self.reply(201, body)
                self.reply(404, {"kind": "Status", "message": "no"})

            def do_PATCH(self):
                collection, ns, rest, query = self.split()
                patch = self.body()
                if collection.endswith("/events"):
                    return self.reply(200, patch)
                with api.lock:
                    old = api.objects.get((collection, ns, rest[0]))
                    if not old:
                        return self.reply(404, {"kind": "Status", "message": "not found", "reason": "NotFound"})
                    seen = patch.get("metadata", {}).get("resourceVersion")
                    if seen and seen != old["metadata"]["resourceVersion"]:
                        return self.reply(409, {"kind": "Status", "message": "conflict", "reason": "Conflict"})
                    new = merge(json.loads(json.dumps(old)), patch)
                    if new["metadata"].get("deletionTimestamp") and not new["metadata"].get("finalizers"):
                        api.remove(collection, ns, rest[0])
                    else:
                        api.put(collection, new)
                    self.reply(200, new)

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    KINDS = {"services": "Service", "ingresses": "Ingress", "ingressclasses": "IngressClass", "secrets": "Secret",
             "configmaps": "ConfigMap", "endpointslices": "EndpointSlice"}

    def kind_of(self, collection):
        return self.KINDS.get(collection.rsplit("/", 1)[1], "Thing")

    def version_of(self, collection):
        parts = collection.split("/")
        return parts[2] if parts[1] == "api" else "/".join(parts[2:4])

    def tell(self, kind, key, o):
        text = json.dumps(o)
        for wanted, inbox in self.watchers:
            if wanted(key):
                inbox.put((kind, text))

    def put(self, collection, o):
        with self.lock:
            self.revision += 1
            meta = o["metadata"]
            key = (collection, meta.get("namespace"), meta["name"])
            meta["resourceVersion"] = str(self.revision)
            meta.setdefault("uid", f"uid-{self.revision}")
            meta.setdefault("creationTimestamp", f"2026-01-01T00:{self.revision // 60 % 60:02}:{self.revision % 60:02}Z")
            o.setdefault("apiVersion", self.version_of(collection))
            o.setdefault("kind", self.kind_of(collection))
            kind = "MODIFIED" if key in self.objects else "ADDED"
            self.objects[key] = o
            self.tell(kind, key, o)

    def remove(self, collection, ns, name):
        with self.lock:
            o = self.objects.pop((collection, ns, name))
            self.revision += 1
            o["metadata"]["resourceVersion"] = str(self.revision)
            self.tell("DELETED", (collection, ns, name), o)

    def get(self, collection, ns, name):
        with self.lock:
            return json.loads(json.dumps(self.objects.get((collection, ns, name))))

    def has_event(self, reason, part=""):
        with self.lock:
            return any(e.get("reason") == reason and part in (e.get("message") or e.get("note") or "")
                       for e in self.events)

    def kubeconfig(self, folder):
        path = os.path.join(folder, "kubeconfig")
        with open(path, "w") as f:
            json.dump({"apiVersion": "v1", "kind": "Config", "current-context": "c",
                       "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
                       "clusters": [{"name": "k", "cluster": {"server": f"http://127.0.0.1:{self.port}"}}],
                       "users": [{"name": "u", "user": {"token": "t"}}]}, f)
        return path


SERVICES = "/api/v1/services"
SLICES = "/apis/discovery.k8s.io/v1/endpointslices"


class Backend:
    """An HTTP server that says who it is and what it got."""

    def __init__(self, name, address="127.0.0.1", port=0, delay=0):
        backend = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = 65536  # one segment an answer, or Nagle's 40 ms come in between

            def log_message(self, *args):
                pass

            def do_GET(self):
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length)
                backend.arrived += 1
                time.sleep(backend.delay)
                if self.path.startswith("/check"):  # an external authentication
                    known = "user=ada" in self.headers.get("Cookie", "")
                    self.send_response(200 if known else 401)
                    self.send_header("X-User", "ada")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                answer = json.dumps({"name": name, "method": self.command, "path": self.path,
                                     "headers": {k.lower(): v for k, v in self.headers.items()},
                                     "bytes": len(body)}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.send_header("Server", "backend")
                if backend.closing:
                    self.send_header("Connection", "close")
                    self.close_connection = True
                self.end_headers()
                self.wfile.write(answer)

            do_POST = do_PUT = do_DELETE = do_OPTIONS = do_GET

        self.delay = delay
        self.arrived = 0  # requests
        self.closing = False
        self.server = Server((address, port), Handler)
        self.address = address
        self.port = self.server.server_address[1]
        threading.Thread(target=lambda: self.server.serve_forever(0.01), daemon=True).start()

    def stop(self):
        self.closing = True
        self.server.shutdown()
        self.server.server_close()


class Role:
    def __init__(self, program, args, log, env=None, pass_fds=()):
        self.log = open(log, "ab")
        self.log_path = log
        self.process = subprocess.Popen([program, *args], stdin=subprocess.DEVNULL, stdout=self.log,
                                        stderr=self.log, env={**os.environ, **(env or {})}, pass_fds=pass_fds)

    @property
    def pid(self):
        return self.process.pid

    def kill(self, signum=signal.SIGKILL):
        self.process.send_signal(signum)

    def wait(self, seconds=10):
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def end(self):
        if self.process.poll() is None:
            self.process.terminate()
            if self.wait(10) is None:
                self.process.kill()
                self.process.wait()
        self.log.close()

    def text(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()


def die_cleanly():
    """SIGTERM becomes an exception, so that finally blocks end what was started."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
