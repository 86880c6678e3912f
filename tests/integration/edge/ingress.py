#!/usr/bin/env python3
"""The ingress controller with a real nginx: routing, TLS by SNI, redirects, rewrites, annotations, endpoint
changes and reloads under load, PROXY protocol, refused objects, kill -9 of nginx, the end. world.py plays
the API; pods are HTTP servers on 127.0.0.x."""
import base64
import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
from world import SERVICES, Api, Backend, Role, die_cleanly, done, eventually, free_ports, ok

program = sys.argv[1]
die_cleanly()
NET = "/apis/networking.k8s.io/v1"
INGRESSES, CLASSES = NET + "/ingresses", NET + "/ingressclasses"
SLICES = "/apis/discovery.k8s.io/v1/endpointslices"
SECRETS, CONFIGS = "/api/v1/secrets", "/api/v1/configmaps"
PREFIX = "nginx.ingress.kubernetes.io/"
http_port, https_port, health_port = free_ports(3)
api = Api()


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = {k.lower(): v for k, v in response.getheaders()}
        self.cookies = [v for k, v in response.getheaders() if k.lower() == "set-cookie"]
        self.text = response.read().decode()

    @property
    def json(self):
        return json.loads(self.text)

    def __repr__(self):
        return f"{self.status} {self.headers} {self.text}"


def get(host, path="/", method="GET", headers=None, body=None, port=None):
    c = http.client.HTTPConnection("127.0.0.1", port or http_port, timeout=15)
    try:
        c.request(method, path, body, {"Host": host, **(headers or {})})
        return Answer(c.getresponse())
    finally:
        c.close()


def get_tls(host, path="/", sni=None, ca=None):
    """An answer over TLS and the certificate's PEM; verified when a CA is given."""
    context = ssl.create_default_context(cafile=ca)
    if not ca:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", https_port), 15) as raw:
        with context.wrap_socket(raw, server_hostname=sni or host) as s:
            s.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            r = http.client.HTTPResponse(s)
            r.begin()
            return Answer(r), ssl.DER_cert_to_PEM_cert(s.getpeercert(True))


def health(path="/healthz"):
    return get("x", path, port=health_port)


def metric(name):
    m = re.search(rf"^{name} (\d+)", health("/metrics").text, re.M)
    return int(m[1]) if m else None


def reloads():
    return metric("nginx_ingress_controller_success")


def steady(check, seconds=15):
    """True for a quarter of a second on end: nginx lets the old workers accept for 100 ms beside the new ones."""
    end = time.monotonic() + seconds
    since = None
    while time.monotonic() < end:
        try:
            good = check()
        except Exception:  # noqa: BLE001: not there yet
            good = False
        since = (since or time.monotonic()) if good else None
        if since and time.monotonic() - since > 0.25:
            return True
        time.sleep(0.01)
    return False


def service(name, ns="shop"):
    api.put(SERVICES, {"metadata": {"namespace": ns, "name": name},
                       "spec": {"clusterIP": "10.1.0.9", "clusterIPs": ["10.1.0.9"], "type": "ClusterIP",
                                "ports": [{"name": "http", "port": 80, "protocol": "TCP"}]}})


def endpoints(name, backends, terminating=()):
    port = backends[0].port if backends else 1
    api.put(SLICES, {"metadata": {"namespace": "shop", "name": f"{name}-x",
                                  "labels": {"kubernetes.io/service-name": name}},
                     "addressType": "IPv4", "ports": [{"name": "http", "port": port, "protocol": "TCP"}],
                     "endpoints": [{"addresses": [b.address],
                                    "conditions": {"ready": b not in terminating, "serving": True,
                                                   "terminating": b in terminating}} for b in backends]})


def ingress(name, host, paths, annotations=None, tls=None, **spec):
    rules = [{"host": host, "http": {"paths": [
        {"path": p, "pathType": t, "backend": {"service": {"name": s, "port": {"number": 80}}}}
        for p, t, s in paths]}}] if paths else None
    body = {"ingressClassName": "nginx", **spec}
    if rules:
        body["rules"] = rules
    if tls:
        body["tls"] = tls
    api.put(INGRESSES, {"metadata": {"namespace": "shop", "name": name, "annotations": {
        PREFIX + k: v for k, v in (annotations or {}).items()}}, "spec": body})


def pods(n, first=10):
    """n servers on addresses of their own and one port."""
    port = free_ports(1)[0]
    return [Backend(f"pod-{first + i}", f"127.0.0.{first + i}", port) for i in range(n)]


def make_cert(folder, host, kind=("ec", "-pkeyopt", "ec_paramgen_curve:P-256")):
    base = os.path.join(folder, f"{host}-{time.monotonic_ns()}")
    subprocess.run(["openssl", "req", "-x509", "-newkey", *kind, "-nodes",
                    "-days", "30", "-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host}",
                    "-keyout", base + ".key", "-out", base + ".crt"], check=True, capture_output=True)
    return base + ".crt", base + ".key"


def secret(name, **files):
    data = {}
    for key, path in files.items():
        with open(path, "rb") as f:
            data[key.replace("_", ".")] = base64.b64encode(f.read()).decode()
    api.put(SECRETS, {"metadata": {"namespace": "shop", "name": name}, "data": data})


class Load:
    """Constant requests over kept connections from several threads; what was not a 200 is kept."""

    def __init__(self, host, threads=4):
        self.host, self.running, self.n, self.wrong, self.names = host, True, 0, [], set()
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(threads)]
        for t in self.threads:
            t.start()

    def run(self):
        """As HTTP clients do: a kept connection that is closed as the request leaves (an nginx worker told to
        end closes idle ones) has it asked again on a new one; what fails there is lost."""
        c = None
        while self.running:
            kept = c is not None
            try:
                if not c:
                    c = http.client.HTTPConnection("127.0.0.1", http_port, timeout=15)
                c.request("GET", "/load", headers={"Host": self.host})
                r = c.getresponse()
                text = r.read()
                if r.status == 200:
                    self.names.add(json.loads(text)["name"])
                    self.n += 1
                else:
                    self.wrong.append(r.status)
                if r.will_close:
                    c.close()
                    c = None
            except Exception as e:  # noqa: BLE001: whatever it is, it is a lost request
                c.close()
                c = None
                if not kept or not isinstance(e, (ConnectionError, http.client.RemoteDisconnected)):
                    self.wrong.append(repr(e))

    def more(self, n=50):
        before = self.n
        return eventually(lambda: self.n >= before + n)

    def stop(self):
        self.running = False
        for t in self.threads:
            t.join(15)


def routing(front, back):
    a = get("nobody.example")
    ok(a.status == 404 and a.text == "default backend - 404", "an unknown host gets the default backend", a)
    ok(get("nobody.example", "/healthz").status == 200, "the default server has /healthz")
    ok(get("app.example").json["name"] in {p.address.replace("127.0.0.", "pod-") for p in front}, "/ is the front")
    ok(get("app.example", "/api/pets?x=1").json["path"] == "/api/pets?x=1" and
       get("app.example", "/api").json["name"] == "pod-20", "/api and what is below it is the back")
    ok(get("app.example", "/apifoo").json["name"] != "pod-20", "/apifoo is not below /api")
    ok(get("exact.example", "/e/").status == 200 and get("exact.example", "/e").status == 404 and
       get("exact.example", "/e/x").status == 404, "an exact path is that path and no other")
    ok(get("APP.example:8080").status == 200, "letter case and port of Host do not matter")
    ok({get("app.example").json["name"] for _ in range(6)} == {"pod-10", "pod-11"}, "endpoints take turns")
    a = get("app.example", headers={"X-Forwarded-For": "1.2.3.4", "X-Forwarded-Proto": "https", "Proxy": "x",
                                    "X_Under": "y"})
    h = a.json["headers"]
    ok(h["x-forwarded-for"] == "127.0.0.1" and h["x-real-ip"] == "127.0.0.1" and h["x-forwarded-proto"] == "http" and
       h["x-original-forwarded-for"] == "1.2.3.4" and h["x-forwarded-port"] == str(http_port) and
       h["host"] == "app.example" and h["x-forwarded-host"] == "app.example" and "proxy" not in h and
       "x_under" not in h, "forwarded fields are ours, not the client's", h)
    ok(re.fullmatch("[0-9a-f]{32}", h["x-request-id"]), "a request gets an id")
    ok(get("app.example", headers={"X-Request-ID": "mine"}).json["headers"]["x-request-id"] == "mine",
       "a client's own id is kept")
    ok(a.headers["server"] == "backend", "the backend's Server field passes", a)
    a = get("app.example", "/", "POST", body=b"x" * (1 << 20) + b"x")
    ok(a.status == 413, "bodies above 1 MiB are refused", a)


def tls(folder):
    crt, key = make_cert(folder, "tls.example")
    secret("cert", tls_crt=crt, tls_key=key)
    ingress("secure", "tls.example", [("/", "Prefix", "front")], tls=[{"hosts": ["tls.example"], "secretName": "cert"}])
    ok(steady(lambda: get("tls.example").status == 308), "http is redirected where there is a certificate")
    a = get("tls.example", "/x?y=1")
    ok(a.headers["location"] == "https://tls.example/x?y=1", "to https, without a port", a)
    ok(get("tls.example", "/.well-known/acme-challenge/t").status == 200, "but not what certificates are made with")
    a, pem = get_tls("tls.example", ca=crt)
    ok(a.status == 200 and a.json["headers"]["x-forwarded-proto"] == "https", "TLS by SNI with the Secret's certificate", a)
    ok(a.headers.get("strict-transport-security") == "max-age=31536000; includeSubDomains", "HSTS", a)
    ok(get("app.example").headers.get("strict-transport-security") is None, "no HSTS over http")
    _, other = get_tls("app.example")
    ok(other != pem, "another name gets the default certificate")
    out = subprocess.run(["curl", "-sk", "--http2", "-o", "/dev/null", "-w", "%{http_version}", "--connect-to",
                          f"tls.example:443:127.0.0.1:{https_port}", "https://tls.example/"],
                         capture_output=True, text=True).stdout
    ok(out == "2", "HTTP/2 over TLS", out)
    crt, key = make_cert(folder, "tls.example")
    secret("cert", tls_crt=crt, tls_key=key)
    ok(steady(lambda: get_tls("tls.example", ca=crt)[0].status == 200), "a new certificate is served")
    bad = os.path.join(folder, "bad")
    with open(bad, "w") as f:
        f.write("nonsense")
    secret("broken", tls_crt=bad, tls_key=bad)
    ingress("insecure", "broken.example", [("/", "Prefix", "front")],
            tls=[{"hosts": ["broken.example"], "secretName": "broken"}])
    ok(steady(lambda: get_tls("broken.example")[0].status == 200) and
       api.has_event("CertificateProblem", "broken"), "a broken Secret is told, and its host served all the same",
       api.events[-3:])


def annotations():
    ingress("rewritten", "rw.example", [("/svc(/|$)(.*)", "ImplementationSpecific", "back")], {"rewrite-target": "/$2"})
    ingress("walled", "walled.example", [("/", "Prefix", "back")], {"whitelist-source-range": "10.0.0.0/8"})
    ingress("cors", "cors.example", [("/", "Prefix", "back")],
            {"enable-cors": "true", "cors-allow-origin": "https://a.example, https://*.b.example"})
    ingress("sticky", "sticky.example", [("/", "Prefix", "front")], {"affinity": "cookie"})
    asked = Backend("auth", "127.0.0.60")
    ingress("guarded", "guarded.example", [("/", "Prefix", "front")],
            {"auth-url": f"http://127.0.0.60:{asked.port}/check", "auth-signin": "https://login.example/in",
             "auth-response-headers": "X-User"})
    ingress("moved", "moved.example", [("/", "Prefix", "back")], {"permanent-redirect": "https://new.example$request_uri"})
    ingress("main", "canary.example", [("/", "Prefix", "front")])
    ingress("canary", "canary.example", [("/", "Prefix", "back")], {"canary": "true", "canary-by-header": "X-Canary"})
    ingress("closed", "closed.example", [("/", "Prefix", "back")], {"configuration-snippet": "return 200 hacked;"})
    ingress("limited", "limited.example", [("/", "Prefix", "back")], {"limit-rpm": "1", "limit-burst-multiplier": "2"})
    ingress("star", "*.star.example", [("/", "Prefix", "back")])
    api.put(SECRETS, {"metadata": {"namespace": "shop", "name": "users"}, "data": {"auth": base64.b64encode(
        b"ada:{SHA}" + base64.b64encode(__import__("hashlib").sha1(b"pass").digest())).decode()}})
    ingress("private", "private.example", [("/", "Prefix", "back")], {"auth-type": "basic", "auth-secret": "users"})
    ok(steady(lambda: get("private.example").status == 401), "basic auth asks", get("private.example"))
    a = get("private.example", headers={"Authorization": "Basic " + base64.b64encode(b"ada:pass").decode()})
    ok(a.status == 200, "and admits", a)
    ok(get("rw.example", "/svc/x/y?z=1").json["path"] == "/x/y?z=1", "rewrite-target")
    ok(get("walled.example").status == 403, "sources that are not listed get 403")
    a = get("cors.example", "/", "OPTIONS", {"Origin": "https://x.b.example"})
    ok(a.status == 204 and a.headers.get("access-control-allow-origin") == "https://x.b.example", "CORS preflight", a)
    a = get("cors.example", "/", headers={"Origin": "https://evil.example"})
    ok(a.status == 200 and "access-control-allow-origin" not in a.headers, "foreign origins get no permission", a)
    a = get("sticky.example")
    cookie = a.cookies[0].split(";")[0]
    ok("HttpOnly" in a.cookies[0], "affinity sets a cookie", a)
    ok({get("sticky.example", headers={"Cookie": cookie}).json["name"] for _ in range(6)} == {a.json["name"]},
       "and the cookie stays with its pod")
    a = get("guarded.example", "/x?y")
    ok(a.status == 302 and a.headers["location"].startswith("https://login.example/in?rd=http://guarded.example%2Fx%3Fy"),
       "auth-url sends strangers to auth-signin", a)
    a = get("guarded.example", "/", headers={"Cookie": "user=ada", "X-User": "eve"})
    ok(a.status == 200 and a.json["headers"]["x-user"] == "ada", "and tells the backend who came", a)
    asked.stop()
    ok(get("guarded.example", headers={"Cookie": "user=ada"}).status == 500, "without an answer nobody passes")
    a = get("moved.example", "/a?b")
    ok(a.status == 301 and a.headers["location"] == "https://new.example/a?b", "permanent-redirect", a)
    ok(get("canary.example", headers={"X-Canary": "always"}).json["name"] == "pod-20" and
       get("canary.example").json["name"] != "pod-20", "canary by header")
    ok(get("closed.example").status == 503 and api.has_event("InvalidAnnotation", "snippets are not allowed"),
       "a snippet closes its route and is told", api.events[-3:])
    ok([get("limited.example").status for _ in range(5)].count(503) >= 2, "limits refuse what is too much")
    ok(get("a.star.example").status == 200 and get("a.b.star.example").status == 404 and
       get("star.example").status == 404, "a wildcard host is one label")


def refused(folder):
    before = get("app.example").status
    ingress("odd", "odd.example", [("/a{2,1}", "ImplementationSpecific", "back")], {"use-regex": "true"})
    ingress("after", "after.example", [("/", "Prefix", "back")])
    ok(steady(lambda: get("after.example").status == 200), "an Ingress that nginx refuses holds up nobody")
    ok(before == 200 and api.has_event("Rejected", "nginx refuses"), "and is told why", api.events[-3:])
    ingress("odd", "odd.example", [("/a{1,2}", "ImplementationSpecific", "back")], {"use-regex": "true"})
    ok(steady(lambda: get("odd.example", "/aa").status == 200), "put right, it is served")
    # A key that OpenSSL finds too short: nginx does not say in which line.
    crt, key = make_cert(folder, "weak.example", ("rsa:512",))
    secret("weak", tls_crt=crt, tls_key=key)
    ingress("weak", "weak.example", [("/", "Prefix", "back")], tls=[{"hosts": ["weak.example"], "secretName": "weak"}])
    ok(eventually(lambda: api.has_event("CertificateProblem", "too small")), "a certificate that is refused is told",
       api.events[-3:])
    ingress("next", "next.example", [("/", "Prefix", "back")])
    ok(steady(lambda: get("next.example").status == 200 and get("odd.example", "/aa").status == 200 and
              get_tls("weak.example")[0].status == 200),
       "and holds up nobody")


def changes(front):
    service("load")
    group = pods(4, 30)
    endpoints("load", group[:2])
    ingress("load", "load.example", [("/", "Prefix", "load")])
    ok(steady(lambda: get("load.example").status == 200), "the loaded host is there")
    n = reloads()
    load = Load("load.example")
    load.more()
    for i in range(12):  # pods come and go
        endpoints("load", [group[i % 4], group[(i + 1) % 4]])
        load.more(60)
    ok(len(load.names) == 4 and not load.wrong, f"endpoint changes lose nothing of {load.n} requests",
       (load.names, load.wrong))
    ok(reloads() == n, "and reload nothing", (n, reloads()))
    endpoints("load", group)
    load.more()
    # A pod that dies before anybody was told: its listener is gone, its endpoint is not.
    group[0].stop()
    load.more(300)
    ok(not load.wrong, "a dead endpoint costs no request", load.wrong)
    endpoints("load", group[1:], terminating=group[1:2])
    load.more()
    load.names.clear()
    load.more()
    ok(load.names == {"pod-32", "pod-33"}, "a terminating endpoint gets no new requests", load.names)
    # Reloads under load.
    for i in range(3):
        ingress("load", "load.example", [("/", "Prefix", "load")], {"proxy-read-timeout": str(70 + i)})
        before = n
        eventually(lambda: reloads() > before)
        n = reloads()
        load.more(200)
    ok(not load.wrong and n >= 3, f"reloads lose nothing of {load.n} requests", load.wrong)
    load.stop()
    ingress("lost", "lost.example", [("/", "Prefix", "nowhere")])
    ok(steady(lambda: get("lost.example").status == 503) and
       api.has_event("BackendProblem", "service nowhere does not exist"), "a missing service: 503 and an event",
       api.events[-3:])
    endpoints("load", [])
    ok(eventually(lambda: get("load.example").status == 503), "no endpoint: 503")
    for b in group[1:]:
        b.stop()
    # New pods for a host that had none: the first request after that works.
    group = pods(1, 40)
    endpoints("load", group)
    ok(eventually(lambda: get("load.example").status == 200), "and back again")


def statuses():
    status = lambda: (api.get(INGRESSES, "shop", "app") or {}).get("status", {}).get("loadBalancer", {}).get("ingress")
    api.put(SERVICES, {"metadata": {"namespace": "ingress-nginx", "name": "ingress-nginx-controller"},
                       "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]},
                       "status": {"loadBalancer": {"ingress": [{"ip": "127.0.0.1", "ipMode": "Proxy"}]}}})
    ok(eventually(lambda: status() == [{"ip": "127.0.0.1"}]), "the address comes from the published Service", status())
    ok(api.has_event("Sync", "Scheduled for sync"), "Sync is told")
    ingress("leaving", "leaving.example", [("/", "Prefix", "back")])
    leaving = lambda: (api.get(INGRESSES, "shop", "leaving") or {}).get("status", {}).get("loadBalancer", {}).get("ingress")
    eventually(leaving)
    o = api.get(INGRESSES, "shop", "leaving")
    o["spec"]["ingressClassName"] = "other"
    api.put(INGRESSES, o)
    ok(eventually(lambda: not leaving()), "an Ingress of another class loses it", leaving())
    ok(steady(lambda: get("leaving.example").status == 404), "and its routes")


def websocket():
    """A backend that says 101 and echoes."""
    s = socket.socket()
    s.bind(("127.0.0.50", 0))
    s.listen(5)

    def serve():
        while True:
            c, _ = s.accept()
            head = c.recv(65536)
            if b"upgrade: websocket" in head.lower():
                c.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
                while data := c.recv(65536):
                    c.sendall(data)
            c.close()
    threading.Thread(target=serve, daemon=True).start()
    service("ws")

    class At:
        address, port = s.getsockname()
    endpoints("ws", [At])
    ingress("ws", "ws.example", [("/", "Prefix", "ws")])

    def talk():
        with socket.create_connection(("127.0.0.1", http_port), 5) as c:
            c.sendall(b"GET / HTTP/1.1\r\nHost: ws.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
            head = c.recv(65536)
            if b" 101 " not in head:
                return False
            c.sendall(b"ping")
            return c.recv(100) == b"ping"
    ok(steady(talk), "a WebSocket passes")


def death(role):
    children = lambda: [int(p) for p in os.listdir("/proc") if p.isdigit() and is_child(int(p), role.pid)]
    master = eventually(children)[0]
    os.kill(master, signal.SIGKILL)
    ok(eventually(lambda: get("app.example").status == 200 and children() and children() != [master]),
       "nginx comes back after kill -9", role.text()[-2000:])
    ok(eventually(lambda: health().status == 200), "and is healthy again", health())


def is_child(pid, parent):
    try:
        with open(f"/proc/{pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return int(fields[1]) == parent and fields[0] != "Z"
    except OSError:
        return False


def proxy_protocol():
    o = api.get(CONFIGS, "ingress-nginx", "ingress-nginx-controller")
    o["data"]["use-proxy-protocol"] = "true"
    api.put(CONFIGS, o)
    header = (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + socket.inet_aton("198.51.100.7") + socket.inet_aton("192.0.2.1") +
              (4711).to_bytes(2, "big") + (443).to_bytes(2, "big"))

    def ask():
        with socket.create_connection(("127.0.0.1", http_port), 5) as c:
            c.sendall(header + b"GET / HTTP/1.1\r\nHost: app.example\r\nConnection: close\r\n\r\n")
            r = http.client.HTTPResponse(c)
            r.begin()
            h = Answer(r).json["headers"]
            return h["x-real-ip"] == "198.51.100.7" and h["x-forwarded-for"] == "198.51.100.7" and \
                h["x-forwarded-port"] == "443"
    ok(steady(ask), "PROXY v2 says who the client is")
    o["data"]["use-proxy-protocol"] = "false"
    api.put(CONFIGS, o)
    steady(lambda: get("app.example").status == 200)


def end(role, back):
    back[0].delay = 1
    answers = []
    thread = threading.Thread(target=lambda: answers.append(get("app.example", "/api/slow").status))
    arrived = back[0].arrived
    thread.start()
    ok(eventually(lambda: back[0].arrived > arrived), "a slow request is under way")
    role.kill(signal.SIGTERM)
    ok(eventually(lambda: health().status == 500), "at SIGTERM it is no longer ready")
    a = get("app.example")
    ok(a.status == 200 and a.headers.get("connection") == "close",
       "but serves on for its grace period, and asks clients to leave", a)
    thread.join()
    ok(answers == [200], "a request under way is finished", answers)
    ok(role.wait(15) == 0, "and it ends in order", role.text()[-1000:])
    ok(eventually(lambda: not any(is_child(int(p), role.pid) for p in os.listdir("/proc") if p.isdigit())),
       "no nginx is left")


def main(folder):
    api.put(CLASSES, {"metadata": {"name": "nginx"}, "spec": {"controller": "k8s.io/ingress-nginx"}})
    api.put(CONFIGS, {"metadata": {"namespace": "ingress-nginx", "name": "ingress-nginx-controller"},
                      "data": {"bind-address": "127.0.0.1", "worker-processes": "1", "max-worker-connections": "512"}})
    front, back = pods(2, 10), pods(1, 20)
    for name, group in (("front", front), ("back", back)):
        service(name)
        endpoints(name, group)
    ingress("app", "app.example", [("/", "Prefix", "front"), ("/api", "Prefix", "back")])
    ingress("exact", "exact.example", [("/e/", "Exact", "back")])
    begun = time.monotonic()
    role = Role(program, ["ingress", "--kubeconfig", api.kubeconfig(folder), "--work-dir", folder + "/nginx",
                          f"--http-port={http_port}", f"--https-port={https_port}", f"--healthz-port={health_port}",
                          "--healthz-host=127.0.0.1", "--publish-service=ingress-nginx/ingress-nginx-controller",
                          "--configmap=ingress-nginx/ingress-nginx-controller", "--shutdown-grace-period=3",
                          "--reload-gap=0", "--election-id=x"], os.path.join(folder, "log"))
    try:
        ok(eventually(lambda: health().status == 200), "it becomes ready", role.text())
        print(f"#   ready after {time.monotonic() - begun:.2f} s")
        routing(front, back)
        tls(folder)
        annotations()
        refused(folder)
        changes(front)
        statuses()
        websocket()
        death(role)
        proxy_protocol()
        ok(metric("nginx_ingress_controller_config_last_reload_successful") == 1 and
           'nginx_ingress_controller_requests{ingress="app",namespace="shop",service="front",status="200",method="GET"}'
           in health("/metrics").text, "metrics count requests", health("/metrics").text)
        end(role, back)
    finally:
        role.end()
        if "-v" in sys.argv:
            print(role.text())
    return done()


with tempfile.TemporaryDirectory(prefix="edge-ingress-") as folder:
    status = main(folder)
sys.exit(status)
