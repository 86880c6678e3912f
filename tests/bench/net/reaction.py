"""From a write to an instance's API to the first packet that is treated accordingly.

Two processes: this one writes; a prober, which stands in a pod's network and in the instance's cgroup as a program of
that pod would, connects over and over and says when things became so. Both read the same clock."""
import base64
import contextlib
import ctypes
import http.client
import json
import os
import pathlib
import select
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

ROUNDS = 100
DEATHS = 30
WRITERS = 8
libc = ctypes.CDLL(None, use_errno=True)


def enter_network(pid):
    fd = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    if libc.setns(fd, 0):
        raise OSError(ctypes.get_errno(), "setns")
    os.close(fd)


# ---- the prober ----


class Prober:
    """A child. It listens at pods (the first byte that it sends is the pod's letter) and connects from one."""

    def __init__(self, cgroup, client_pid):
        self.mine, theirs = socket.socketpair()
        self.pid = os.fork()
        if self.pid == 0:
            self.mine.close()
            try:
                join(cgroup)
                serve(theirs, client_pid)
            finally:
                os._exit(0)
        theirs.close()
        self.lines = self.mine.makefile("r")

    def ask(self, **request):
        self.mine.sendall((json.dumps(request) + "\n").encode())
        return self.answer()

    def answer(self):
        line = self.lines.readline()
        if not line:
            sys.exit("net: the prober has died")
        return json.loads(line)

    def end(self):
        self.mine.close()
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def join(cgroup):
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["mount", "-t", "cgroup2", "none", folder], check=True)
        try:
            pathlib.Path(folder, cgroup, "cgroup.procs").write_text("0")
        finally:
            subprocess.run(["umount", folder], check=True)


def listen_at(pid, port):
    enter_network(pid)
    s = socket.create_server(("0.0.0.0", port), backlog=4096)
    s.setblocking(False)
    return s


def once(to, listeners):
    """Whom a new connection reached, or "" when nobody answered within 5 ms."""
    s = socket.socket()
    s.setblocking(False)
    s.connect_ex(to)
    reached = ""
    if select.select([], [s], [], 0.005)[1] and s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
        for letter, listener in listeners.items():
            with contextlib.suppress(BlockingIOError):
                listener.accept()[0].close()
                reached = letter
    s.close()
    return reached


def serve(door, client_pid):
    listeners = {}
    lines = door.makefile("r")
    for line in lines:
        request = json.loads(line)
        if "listen" in request:
            listeners[request["listen"]] = listen_at(request["pid"], request["port"])
            enter_network(client_pid)
            reply(door, True)
            continue
        to, wanted, in_a_row = (request["ip"], request["port"]), request["wanted"], request.get("row", 1)
        reply(door, True)  # the write may come
        first, n, end = 0, 0, time.monotonic() + 20
        while n < in_a_row and time.monotonic() < end:
            reached = once(to, listeners)
            at = time.monotonic()
            n = n + 1 if reached == wanted else 0
            first = at if n == 1 else first
            time.sleep(0.0002)  # the roles need the processor, too
        reply(door, first if n == in_a_row else None)


def reply(door, value):
    door.sendall((json.dumps(value) + "\n").encode())


# ---- the instance ----


class Api:
    def __init__(self, kubeconfig):
        users = json.loads(subprocess.run(["kubectl", "--kubeconfig", kubeconfig, "config", "view", "--raw", "-o", "json"],
                                          check=True, capture_output=True, text=True).stdout)
        user, cluster = users["users"][0]["user"], users["clusters"][0]["cluster"]
        self.context = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
        with tempfile.NamedTemporaryFile() as f:
            f.write(base64.b64decode(user["client-certificate-data"]) + b"\n" + base64.b64decode(user["client-key-data"]))
            f.flush()
            self.context.load_cert_chain(f.name)
        self.host = cluster["server"].removeprefix("https://")
        self.connection = None

    def call(self, method, path, body=None):
        if self.connection is None:
            self.connection = http.client.HTTPSConnection(self.host, context=self.context, timeout=60)
            self.connection.connect()
            self.connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        self.connection.request(method, path, json.dumps(body) if body else None, {"Content-Type": kind})
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            sys.exit(f"net: {method} {path}: {answer.status} {text.decode()}")
        return json.loads(text)


def service(name, selector=None):
    spec = {"ports": [{"port": 80, "targetPort": 8080}]}
    if selector:
        spec["selector"] = selector
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def slice_of(name, ip):
    return {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"name": f"{name}-x", "labels": {"kubernetes.io/service-name": name}},
            "ports": [{"name": "", "port": 8080, "protocol": "TCP"}],
            "endpoints": [{"addresses": [ip], "conditions": {"ready": True}}]}


def policy(name, labels, i):
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": name},
            "spec": {"podSelector": {"matchLabels": labels}, "policyTypes": ["Ingress"],
                     "ingress": [{"from": [{"ipBlock": {"cidr": f"10.{2 + i // 250}.{i % 250}.0/24"}}],
                                  "ports": [{"port": 1000 + i}]}]}}


def pod(name, labels):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels},
            "spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 0, "automountServiceAccountToken": False,
                     "enableServiceLinks": False,  # variables of 10,000 services are more than exec(3) takes
                     "containers": [{"name": "main", "image": "kennel", "command": ["/usr/bin/sleep", "infinity"]}]}}


CORE, SLICES = "/api/v1/namespaces/default", "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
POLICIES = "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies"


def fill(kubeconfig, services, policies):
    def write(part):
        api = Api(kubeconfig)
        for i in range(part, services, WRITERS):
            api.call("POST", CORE + "/services", service(f"s{i}"))
            api.call("POST", SLICES, slice_of(f"s{i}", f"10.244.0.{200 + i % 50}"))
        for i in range(part, policies, WRITERS):
            api.call("POST", POLICIES, policy(f"p{i}", {"app": f"other-{i % 20}"}, i))

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(write, range(WRITERS)))


def first_process(name, home, uid):
    """The pid of the pod's one container: the process whose cgroup names the pod."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        for root in [*pathlib.Path("/sys/fs/cgroup").glob(f"*/kennel-{name}"), f"/sys/fs/cgroup/kennel-{name}"]:
            for folder, _, _ in os.walk(root):
                with contextlib.suppress(OSError):
                    pids = f"pod{uid}/" in folder and pathlib.Path(folder, "cgroup.procs").read_text().split()
                    if pids:
                        return int(pids[0])
        time.sleep(0.01)
    sys.exit(f"net: pod {uid} has no process")


def run_pod(api, name, home, pod_name, labels):
    api.call("POST", CORE + "/pods", pod(pod_name, labels))
    end = time.monotonic() + 60
    while time.monotonic() < end:
        seen = api.call("GET", f"{CORE}/pods/{pod_name}")
        if seen["status"].get("podIP") and any(c["type"] == "Ready" and c["status"] == "True"
                                               for c in seen["status"].get("conditions", [])):
            return seen["status"]["podIP"], first_process(name, home, seen["metadata"]["uid"])
        time.sleep(0.005)
    sys.exit(f"net: pod {pod_name} does not become ready")


# ---- what is measured ----


@contextlib.contextmanager
def reported(home, what, dataplane, services):
    """Takes seconds into a list and says what came together, with the processor time of the roles for each."""
    took, before = [], {role: cpu_seconds(home, role) for role in ("node", "api")}
    yield took
    name, n = f"net.reaction.{what}", f"{dataplane}.{services}"
    for role, cpu in before.items():
        print(f"{name}.cpu.{role}.{n} {(cpu_seconds(home, role) - cpu) / len(took) * 1000:.3f} ms")
    took.sort()
    print(f"{name}.{n} {took[len(took) // 2] * 1000:.2f} ms")
    print(f"{name}.p99.{n} {took[int((len(took) - 1) * 0.99)] * 1000:.2f} ms", flush=True)


def until(prober, write, ip, wanted, row=1):
    """Seconds from the beginning of a write to the first connection that is as wanted."""
    prober.ask(ip=ip, port=80, wanted=wanted, row=row)
    start = time.monotonic()
    write()
    at = prober.answer()
    if at is None:
        sys.exit(f"net: {wanted or 'silence'} was not reached")
    return at - start


def cpu_seconds(home, role):
    """Processor time of a role so far; it does not wait for a busy machine as the clock does."""
    pid = int(pathlib.Path(home, "run", role + ".pid").read_text().split()[0])
    return sum(int(p.read_text().split()[0]) for p in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def changes(api, prober, ips, took):
    vip = api.call("POST", CORE + "/services", service("measured"))["spec"]["clusterIP"]
    api.call("POST", SLICES, slice_of("measured", ips["a"]))
    until(prober, lambda: None, vip, "a")
    for i in range(ROUNDS):
        letter = "ba"[i % 2]
        patch = {"endpoints": slice_of("measured", ips[letter])["endpoints"]}
        took.append(until(prober, lambda: api.call("PATCH", SLICES + "/measured-x", patch), vip, letter))
    return vip


def admissions(api, prober, vip, took):
    """A policy that shuts the pod is deleted: how long until it is open again."""
    for _ in range(ROUNDS // 2):
        until(prober, lambda: api.call("POST", POLICIES, policy("shut", {"app": "a"}, 0)), vip, "")
        took.append(until(prober, lambda: api.call("DELETE", POLICIES + "/shut"), vip, "a"))


def deaths(api, prober, name, home, took):
    vip = api.call("POST", CORE + "/services", service("mortal", {"app": "mortal"}))["spec"]["clusterIP"]
    _, pid = run_pod(api, name, home, "stays", {"app": "mortal"})
    prober.ask(listen="s", pid=pid, port=8080)
    for i in range(DEATHS):
        _, pid = run_pod(api, name, home, f"dies-{i}", {"app": "mortal"})
        prober.ask(listen="d", pid=pid, port=8080)
        until(prober, lambda: None, vip, "d")
        took.append(until(prober, lambda: os.kill(pid, signal.SIGKILL), vip, "s", row=4))
        api.call("DELETE", f"{CORE}/pods/dies-{i}")


def measure(dataplane, services, policies):
    home = os.environ["BENCH_DIR"] + "/" + dataplane
    name = f"b{os.getpid()}"
    options = ["--name", name, "--home", home]
    kennel = os.environ["KENNEL"]
    pathlib.Path(os.environ["BENCH_DIR"]).chmod(0o711)
    started = subprocess.run([kennel, "up", *options, "--edge-address", "127.0.0.88", "--service-dataplane", dataplane],
                             stdout=sys.stderr)
    if started.returncode:
        subprocess.run([kennel, "down", "--purge", *options], stdout=sys.stderr)
        print(f"net: no instance with {dataplane} here", file=sys.stderr)
        return
    prober = None
    try:
        api = Api(home + "/kubeconfig")
        fill(home + "/kubeconfig", services, policies)
        pods = {letter: run_pod(api, name, home, letter, {"app": letter}) for letter in "abc"}
        prober = Prober(f"kennel-{name}/node/agent" if dataplane == "ebpf" else "", pods["c"][1])
        for letter in "ab":
            prober.ask(listen=letter, pid=pods[letter][1], port=8080)
        with reported(home, "endpoint", dataplane, services) as took:
            vip = changes(api, prober, {letter: ip for letter, (ip, _) in pods.items()}, took)
        with reported(home, "policy", dataplane, services) as took:
            admissions(api, prober, vip, took)
        with reported(home, "death", dataplane, services) as took:
            deaths(api, prober, name, home, took)
        for role in "node", "api":
            pid = int(pathlib.Path(home, "run", role + ".pid").read_text().split()[0])
            rss = next(line for line in open(f"/proc/{pid}/status") if line.startswith("VmRSS"))
            print(f"net.memory.{role}.{dataplane}.{services} {int(rss.split()[1]) / 1024:.1f} MiB", flush=True)
    finally:
        if prober:
            prober.end()
        subprocess.run([kennel, "down", "--purge", *options], stdout=sys.stderr)
