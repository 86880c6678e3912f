"""Holds a matrix (kennel matrix -o json) against packets: packets.py MANIFESTS MATRIX SOCKET-OF-NODE

From a pod of every workload to a pod of every other and to itself being another's, on every port that any declares and
on one that none does, TCP and UDP; and from the node. Prints "agree: N flows, M open" or the flows that differ."""
import http.client
import json
import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

sys.dont_write_bytecode = True
matrix = json.load(open(sys.argv[2]))
node_socket = sys.argv[3]
TCP_PORTS, UDP_PORTS = [8080, 9090, 9000, 7], [5353, 7]
PORTION = 1000


class Node(http.client.HTTPConnection):
    def __init__(self):
        super().__init__("node", timeout=120)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(120)
        self.sock.connect(node_socket)


def probe(path, flows, timeout_ms):
    node, results = Node(), []
    for at in range(0, len(flows), PORTION):
        body = json.dumps({"timeoutMs": timeout_ms, "flows": [
            {"proto": f["proto"], "ip": f["ip"], "port": f["port"]} for f in flows[at:at + PORTION]]})
        node.request("POST", path, body, {"Content-Type": "application/json"})
        answer = node.getresponse()
        text = answer.read()
        if answer.status != 200:
            sys.exit(f"{path}: {answer.status} {text.decode()}")
        results += json.loads(text)["results"]
    return results


def has(text, proto, port):
    """Is the port in a set as kennel writes it?"""
    if text in ("all", "none"):
        return text == "all"
    if text.startswith("all but "):
        return not has(text[8:], proto, port)
    for part in text.split("; "):
        name, _, ranges = part.partition(" ")
        if name == proto and not ranges:
            return True
        for r in ranges.split(",") if name == proto else []:
            low, _, high = r.partition("-")
            if int(low) <= port <= int(high or low):
                return True
    return False


def pods():
    out = subprocess.run(["kubectl", "get", "pods", "-A", "-o", "json"], check=True, capture_output=True).stdout
    found = {}
    for pod in json.loads(out)["items"]:
        meta, status = pod["metadata"], pod["status"]
        if status.get("phase") == "Running" and "deletionTimestamp" not in meta and meta["name"].startswith("app-"):
            found[meta["namespace"], meta["name"].rsplit("-", 2)[0]] = (meta["name"], status["podIP"])
    return found


def predictions():
    """(from end, to end) -> ports"""
    flows = {}
    for f in matrix["flows"]:
        for a in f["from"]:
            for b in f["to"]:
                flows[a, b] = f["ports"]
    return flows


def main():
    running, predicted = pods(), predictions()
    end_of = {(w["namespace"], w["name"]): e["id"] for e in matrix["ends"] if e["kind"] == "pods"
              for w in e["workloads"]}
    node = next(e["id"] for e in matrix["ends"] if e["kind"] == "node")
    apps = sorted(a for a in end_of if a[1].startswith("app-"))
    missing = [a for a in apps if a not in running]
    if missing:
        sys.exit(f"no pod runs of {missing}")
    asks = {}
    for source in [None, *apps]:
        flows = []
        for target in apps:
            if source == target:
                continue  # a pod reaches itself, which is not what the matrix is about
            ports = predicted.get((end_of[source] if source else node, end_of[target]), "none")
            for proto, numbers in (("TCP", TCP_PORTS), ("UDP", UDP_PORTS)):
                for port in numbers:
                    flows.append({"proto": proto, "ip": running[target][1], "port": port, "to": target,
                                  "open": has(ports, proto, port)})
        asks[source] = flows

    def path(source):
        return f"/probe/{source[0]}/{running[source][0]}" if source else "/probeNode"

    def ask(source):
        flows = asks[source]
        for f, r in zip(flows, probe(path(source), flows, 300)):
            f["seen"] = r["outcome"]
        # a busy machine loses a first packet: patience where something should have come
        again = [f for f in flows if f["open"] and f["seen"] == "timeout"]
        for f, r in zip(again, probe(path(source), again, 4000) if again else []):
            f["seen"] = r["outcome"]

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(ask, asks))
    wrong = [(s, f) for s, flows in asks.items() for f in flows if (f["seen"] in ("connected", "refused")) != f["open"]]
    for source, f in wrong[:20]:
        print(f"{source or 'node'} -> {f['to']} {f['proto']} {f['port']}: predicted "
              f"{'open' if f['open'] else 'closed'}, seen {f['seen']}")
    total = sum(map(len, asks.values()))
    if wrong:
        sys.exit(f"{len(wrong)} of {total} flows are not as predicted")
    print(f"agree: {total} flows, {sum(f['open'] for flows in asks.values() for f in flows)} open")


main()
