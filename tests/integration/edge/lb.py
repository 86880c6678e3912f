#!/usr/bin/env python3
"""The load balancer over real sockets: status, events, finalizer, PROXY v2, conflicts, source ranges,
half-close, retry, kill -9, drain. The API is played by world.py."""
import json
import os
import signal
import socket
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
from world import SERVICES, SLICES, Api, Role, die_cleanly, done, eventually, free_ports, ok

program = sys.argv[1]
die_cleanly()
FINALIZER = "service.kubernetes.io/load-balancer-cleanup"
PROXY = {"service.beta.kubernetes.io/aws-load-balancer-proxy-protocol": "*"}


def service(name, port, node_port, annotations=None, **spec):
    return {"metadata": {"namespace": "shop", "name": name, "annotations": annotations or {}},
            "spec": {"type": "LoadBalancer", "ports": [{"port": port, "nodePort": node_port}], **spec}}


def listener(port=0):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", port))
    s.listen(128)
    return s


class Target:
    """A TCP server that keeps what each connection sent and answers by a function of it."""

    def __init__(self, port=0, answer=lambda data: data):
        self.socket = listener(port)
        self.port = self.socket.getsockname()[1]
        self.answer = answer
        self.got = []
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                c, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(c,), daemon=True).start()

    def serve(self, c):
        with c:
            try:
                while data := c.recv(65536):
                    self.got.append(data)
                    c.sendall(self.answer(data))
            except OSError:
                pass

    def stop(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


class Echo:
    """A UDP server that sends back what comes."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.clients = set()
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            data, peer = self.socket.recvfrom(65536)
            self.clients.add(peer)
            self.socket.sendto(data, peer)


def ask(port, data=b"hello", source=None, seconds=10):
    with socket.create_connection(("127.0.0.1", port), seconds, source and (source, 0)) as s:
        s.sendall(data)
        return s.recv(65536)


def main(folder):
    api = Api()
    edge = {port: listener(port) for port in free_ports(6)}
    p1, p2, p3, p4, p5, np = edge
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.bind(("127.0.0.1", 0))
    pu = datagrams.getsockname()[1]
    env = {"EDGE_SOCKETS": " ".join([f"127.0.0.1:{p}={s.fileno()}" for p, s in edge.items()] +
                                    [f"127.0.0.1:{pu}/udp={datagrams.fileno()}"])}
    args = ["lb", "--kubeconfig", api.kubeconfig(folder), "--edge-address", "127.0.0.1", "--node-ip", "127.0.0.1"]
    fds = [s.fileno() for s in edge.values()] + [datagrams.fileno()]
    start = lambda: Role(program, args, os.path.join(folder, "log"), env, fds)
    target = Target()
    status = lambda name: (api.get(SERVICES, "shop", name) or {}).get("status", {}).get(
        "loadBalancer", {}).get("ingress")
    role = start()
    try:
        api.put(SERVICES, service("web", p1, target.port))
        ok(eventually(lambda: status("web") == [{"ip": "127.0.0.1", "ipMode": "Proxy"}]), "the address is in status",
           api.get(SERVICES, "shop", "web"))
        ok(FINALIZER in api.get(SERVICES, "shop", "web")["metadata"]["finalizers"], "the finalizer is set")
        ok(ask(p1) == b"hello", "bytes go through")
        ok(eventually(lambda: api.has_event("EnsuringLoadBalancer") and api.has_event("EnsuredLoadBalancer")),
           "events tell of it", api.events)

        api.put(SERVICES, service("rival", p1, target.port))
        ok(eventually(lambda: api.has_event("SyncLoadBalancerFailed", "belongs to service shop/web")),
           "the younger of two on a port is told", api.events)
        ok(not status("rival") and ask(p1) == b"hello", "and the older keeps it")

        api.put(SERVICES, service("proxied", p2, target.port, PROXY))
        eventually(lambda: status("proxied"))
        with socket.create_connection(("127.0.0.1", p2), 10) as s:
            mine = s.getsockname()
            s.sendall(b"GET")
            head = b""
            while len(head) < 31 and (more := s.recv(100)):
                head += more
        want = (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + socket.inet_aton(mine[0]) + socket.inet_aton("127.0.0.1") +
                mine[1].to_bytes(2, "big") + p2.to_bytes(2, "big") + b"GET")
        ok(head == want, "PROXY v2 carries the client's address", (head, want))

        api.put(SERVICES, service("walled", p3, target.port, loadBalancerSourceRanges=["127.0.0.2/32"]))
        eventually(lambda: status("walled"))
        ok(ask(p3, source="127.0.0.2") == b"hello", "a listed source may come")
        try:
            refused = ask(p3)
        except ConnectionResetError:
            refused = b""
        ok(refused == b"", "another may not", refused)

        api.put(SERVICES, service("taken", 9, target.port))
        ok(eventually(lambda: api.has_event("SyncLoadBalancerFailed", "in use by somebody else")),
           "a port of the host that is in use is told", api.events)

        # several protocols: what is not to be had is an error at its port, the rest is served
        echo = Echo()
        api.put(SERVICES, {"metadata": {"namespace": "shop", "name": "mixed"}, "spec": {
            "type": "LoadBalancer", "ports": [
                {"port": pu, "nodePort": echo.port, "protocol": "UDP"},
                {"port": p5, "nodePort": target.port, "protocol": "TCP"},
                {"port": 9, "nodePort": target.port, "protocol": "TCP"},
                {"port": 5000, "nodePort": 30333, "protocol": "SCTP"}]}})
        want = [{"port": pu, "protocol": "UDP"}, {"port": p5, "protocol": "TCP"},
                {"port": 9, "protocol": "TCP", "error": "kennel.dev/PortInUse"},
                {"port": 5000, "protocol": "SCTP", "error": "kennel.dev/ProtocolNotSupported"}]
        ok(eventually(lambda: (status("mixed") or [{}])[0].get("ports") == want), "each port says what is wrong with it",
           api.get(SERVICES, "shop", "mixed"))
        ok(ask(p5) == b"hello", "TCP beside them is served")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(10)
            s.connect(("127.0.0.1", pu))
            s.send(b"datagram")
            ok(s.recv(100) == b"datagram", "and so is UDP")
            s.send(b"more")
            ok(s.recv(100) == b"more" and len(echo.clients) == 1, "a client's datagrams are one flow", echo.clients)

        # straight to pods: endpoints from slices, no node port
        api.put(SERVICES, service("straight", p5, 0, allocateLoadBalancerNodePorts=False))
        o = api.get(SERVICES, "shop", "mixed")
        o["metadata"]["deletionTimestamp"] = "2026-01-02T00:00:00Z"
        api.put(SERVICES, o)
        pod = Target(answer=lambda data: b"pod " + data)
        api.put(SLICES, {"metadata": {"namespace": "shop", "name": "straight-1",
                                      "labels": {"kubernetes.io/service-name": "straight"}},
                         "addressType": "IPv4", "ports": [{"port": pod.port, "protocol": "TCP"}],
                         "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": True}}]})
        ok(eventually(lambda: status("straight") and ask(p5) == b"pod hello"), "without node ports pods are the targets",
           api.get(SERVICES, "shop", "straight"))

        # a node port on the host
        api.put(SERVICES, {"metadata": {"namespace": "shop", "name": "plain"}, "spec": {
            "type": "NodePort", "ports": [{"port": 80, "nodePort": np}]}})
        ok(eventually(lambda: f"Port of the edge is open port={np}" in role.text()), "a node port is opened on the edge",
           role.text())
        ok("finalizers" not in api.get(SERVICES, "shop", "plain")["metadata"], "and its service left alone")

        # half-close: the answer comes after our end
        whole = Target(answer=lambda data: data)
        counted = []

        def count_all(c):
            try:
                n = 0
                while chunk := c.recv(65536):
                    n += len(chunk)
                counted.append(n)
                c.sendall(b"%d" % n)
            except ConnectionResetError:
                pass  # a health check
            c.close()
        whole.serve = count_all
        api.put(SERVICES, service("upload", p4, whole.port))
        eventually(lambda: status("upload"))
        with socket.create_connection(("127.0.0.1", p4), 10) as s:
            s.sendall(b"x" * 5000000)
            s.shutdown(socket.SHUT_WR)
            ok(s.recv(100) == b"5000000", "a half-closed upload gets its answer", counted)

        # a target that restarts: nobody is turned away
        port = target.port
        target.stop()
        answers = []
        thread = threading.Thread(target=lambda: answers.append(ask(p1, b"patience")))
        thread.start()
        eventually(lambda: role.process.poll() is not None, 0.1)
        target = Target(port)
        thread.join(10)
        ok(answers == [b"patience"], "a connection waits for a restarting target", answers)

        # kill -9: who comes meanwhile waits in the listening socket
        role.kill()
        role.wait()
        with socket.create_connection(("127.0.0.1", p1), 10) as s:
            s.sendall(b"kept")
            role.end()
            role = start()
            ok(s.recv(100) == b"kept", "a connection waits for a killed balancer")
        n = len(api.events)

        # SIGTERM: an answer under way is finished
        slow = threading.Event()
        target.answer = lambda data: (slow.wait(10), b"late")[1]
        with socket.create_connection(("127.0.0.1", p1), 10) as s:
            s.sendall(b"slow please")
            eventually(lambda: b"slow please" in target.got)
            role.kill(signal.SIGTERM)
            eventually(lambda: "Stopping" in role.text())
            slow.set()
            ok(s.recv(100) == b"late", "an answer under way is finished at SIGTERM")
            ok(role.wait() == 0, "and the balancer ends in order")
        target.answer = lambda data: data
        ok(not any(e["reason"] == "EnsuredLoadBalancer" for e in api.events[n:]), "a restart tells nothing anew")
        role.end()
        role = start()
        ok(ask(p1) == b"hello", "the next balancer goes on")

        # deletion: the port goes to the one who waited for it
        o = api.get(SERVICES, "shop", "web")
        o["metadata"]["deletionTimestamp"] = "2026-01-02T00:00:00Z"
        api.put(SERVICES, o)
        ok(eventually(lambda: api.get(SERVICES, "shop", "web") is None), "a deleted service is let go")
        ok(eventually(lambda: status("rival")), "and its rival has the port", api.get(SERVICES, "shop", "rival"))

        # no longer of the type
        o = api.get(SERVICES, "shop", "proxied")
        o["spec"]["type"] = "ClusterIP"
        api.put(SERVICES, o)
        ok(eventually(lambda: not api.get(SERVICES, "shop", "proxied")["metadata"].get("finalizers")
                      and not status("proxied")), "status and finalizer go with the type",
           api.get(SERVICES, "shop", "proxied"))
        ok(eventually(lambda: f"closed 127.0.0.1:{p2}" in role.text()), "and the port is given back")
    finally:
        role.end()
        if "-v" in sys.argv:
            print(role.text())
    return done()


with tempfile.TemporaryDirectory(prefix="edge-lb-") as folder:
    status = main(folder)
sys.exit(status)
