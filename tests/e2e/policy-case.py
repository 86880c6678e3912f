"""One case of tests/integration/dataplane/cases on a running instance: kubectl makes what it says, the node sends TCP
from inside the pods to ports 80 and 81 of all others until every answer is as expected.

    policy-case.py CASES.json NAME SOCKET
"""
import fnmatch
import http.client
import json
import socket
import subprocess
import sys
import time

PATIENCE = 60  # seconds; a step takes far less, but the machine may be busy
SPACES, PODS, PORTS = "xyz", "abc", (80, 81)


class Node(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("node")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


def kubectl(*args, put=None):
    done = subprocess.run(["kubectl", *args], input=put, text=True, capture_output=True)
    if done.returncode:
        sys.exit(done.stderr)
    return done.stdout


def apply(objects):
    if objects:
        kubectl("apply", "-f", "-", put=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))


def label(kind, ns, name, labels):
    """Labels as given, others gone."""
    where = ["-n", ns] if ns else []
    had = json.loads(kubectl("get", kind, name, *where, "-o", "json"))["metadata"].get("labels", {})
    words = [f"{k}={v}" for k, v in labels.items()]
    words += [k + "-" for k in had if k not in labels and not k.startswith("kubernetes.io/")]
    kubectl("label", "--overwrite", kind, name, *where, *words)


def step(s, made):
    for name, spec in s.get("policies", {}).items():
        ns, own = name.split("/")
        if spec is None:
            kubectl("delete", "networkpolicy", own, "-n", ns)
            made.discard((ns, own))
            continue
        apply([{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
                "metadata": {"name": own, "namespace": ns}, "spec": spec}])
        made.add((ns, own))
    for name, labels in s.get("namespaces", {}).items():
        label("namespace", None, name, labels)
    for name, labels in s.get("pods", {}).items():
        label("pod", *name.split("/"), labels)


def lines(expect):
    for part in expect if isinstance(expect, list) else [expect]:
        yield from part.items()


def expected(s, pods):
    table = {(a, b, port): True for a in pods for b in pods for port in PORTS if a != b}
    for line, yes in lines(s["expect"]):
        src, dst = (side.split() for side in line.split(">"))
        proto, _, number = dst.pop().partition("/") if dst[-1].split("/")[0] in ("tcp", "udp", "sctp") else ("tcp", "", "")
        for a, b, port in table:
            if proto == "tcp" and number in ("", str(port)) and any(fnmatch.fnmatchcase(a, p) for p in src) \
                    and any(fnmatch.fnmatchcase(b, p) for p in dst):
                table[a, b, port] = yes
    return table


def observed(node, addresses):
    table = {}
    for a in addresses:
        asked = [(b, port) for b in addresses if b != a for port in PORTS]
        node.request("POST", f"/probe/{a}", json.dumps({"timeoutMs": 700, "flows": [
            {"proto": "TCP", "ip": addresses[b], "port": port} for b, port in asked]}))
        results = json.loads(node.getresponse().read())["results"]
        for (b, port), r in zip(asked, results):
            table[a, b, port] = r["outcome"] in ("connected", "refused")
    return table


def main(path, name, node_socket):
    case = next(c for c in json.load(open(path)) if c["name"] == name)
    items = json.loads(kubectl("get", "pods", "-A", "-o", "json"))["items"]
    addresses = {f"{i['metadata']['namespace']}/{i['metadata']['name']}": i["status"]["podIP"] for i in items
                 if i["metadata"]["namespace"] in tuple(SPACES) and i["metadata"]["name"] in tuple(PODS)}
    node, made = Node(node_socket), set()
    for number, s in enumerate(case["steps"], 1):
        step(s, made)
        want, end = expected(s, addresses), time.monotonic() + PATIENCE
        while (found := observed(node, addresses)) != want:
            if time.monotonic() > end:
                wrong = [f"{a} > {b} {port}: {'reached' if found[a, b, port] else 'blocked'}"
                         for a, b, port in want if want[a, b, port] != found[a, b, port]]
                sys.exit(f"step {number}:\n" + "\n".join(wrong))
    for ns, own in made:
        kubectl("delete", "networkpolicy", own, "-n", ns)
    for ns in SPACES:
        label("namespace", None, ns, {"ns": ns})
        for pod in PODS:
            label("pod", ns, pod, {"pod": pod})


main(*sys.argv[1:])
