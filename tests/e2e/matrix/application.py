"""Applications out of a number: workloads in namespaces with labels and container ports, Services, and network policies
of every sort (selectors, namespaces, expressions, ranges of ports, named ports, ranges of addresses). The same number
and seed give the same text.

    application.py WORKLOADS SEED    writes the manifests to standard output
"""
import json
import random
import sys

TIERS = ["web", "api", "job", "db"]
PORTS = {"http": 8080, "grpc": 9090, "dns": 5353, "admin": 9000}


def dump(objects):
    """JSON is YAML; one document each."""
    return "".join("---\n" + yaml(o) for o in objects)


def yaml(value, indent=0):
    pad = "  " * indent
    if isinstance(value, dict) and value:
        out = ""
        for k, v in value.items():
            if isinstance(v, (dict, list)) and v:
                out += f"{pad}{key(k)}:\n" + yaml(v, indent + 1)
            else:
                out += f"{pad}{key(k)}: {json.dumps(v)}\n"
        return out
    out = ""
    for v in value:
        text = yaml(v, indent + 1) if isinstance(v, dict) and v else f"{pad}  {json.dumps(v)}\n"
        out += pad + "- " + text[len(pad) + 2:]
    return out


def key(k):
    return json.dumps(k) if "/" in k else k


class Maker:
    def __init__(self, workloads, policies, seed):
        self.dice = random.Random(seed)
        self.n = workloads
        self.n_policies = policies
        self.spaces = [f"team-{i}" for i in range(max(2, min(20, workloads // 8)))]
        self.apps = []

    # ---- what there is ----
    def namespace(self, name):
        i = self.spaces.index(name)
        return {"apiVersion": "v1", "kind": "Namespace",
                "metadata": {"name": name, "labels": {"zone": ["inner", "outer"][i % 2], "team": f"t{i}"}}}

    def ports(self):
        names = self.dice.sample(sorted(PORTS), self.dice.randint(1, 2))
        return [{"name": n, "containerPort": PORTS[n], "protocol": "UDP" if n == "dns" else "TCP"} for n in names]

    def app(self, i):
        space = self.spaces[i % len(self.spaces)]
        labels = {"app": f"app-{i}", "tier": self.dice.choice(TIERS)}
        if self.dice.random() < 0.3:
            labels["edition"] = self.dice.choice(["free", "paid"])
        app = {"name": f"app-{i}", "space": space, "labels": labels, "ports": self.ports()}
        self.apps.append(app)
        return app

    def container(self, app):
        return {"name": "main", "image": "kennel", "command": ["/usr/bin/sleep", "infinity"], "ports": app["ports"],
                "resources": {"requests": {"cpu": "1m", "memory": "4Mi"}}}

    def deployment(self, app, replicas=1):
        return {"apiVersion": "apps/v1", "kind": "Deployment",
                "metadata": {"name": app["name"], "namespace": app["space"], "labels": app["labels"]},
                "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": app["name"]}},
                         "template": {"metadata": {"labels": app["labels"]},
                                      "spec": {"terminationGracePeriodSeconds": 0, "automountServiceAccountToken": False,
                                               "containers": [self.container(app)]}}}}

    def pod(self, app, nth):
        return {"apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": f"{app['name']}-{nth}", "namespace": app["space"], "labels": app["labels"]},
                "spec": {"containers": [self.container(app)]}}

    def service(self, app):
        return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": app["name"], "namespace": app["space"]},
                "spec": {"selector": {"app": app["name"]},
                         "ports": [{"name": p["name"], "port": 80 + i, "targetPort": p["name"],
                                    "protocol": p["protocol"]} for i, p in enumerate(app["ports"])]}}

    # ---- policies ----
    def selector(self):
        kind = self.dice.randrange(6)
        if kind == 0:
            return {"matchLabels": {"app": self.dice.choice(self.apps)["name"]}}
        if kind == 1:
            return {"matchExpressions": [{"key": "edition", "operator": self.dice.choice(["Exists", "DoesNotExist"])}]}
        if kind == 2:
            return {"matchExpressions": [{"key": "tier", "operator": self.dice.choice(["In", "NotIn"]),
                                          "values": self.dice.sample(TIERS, 2)}]}
        if kind == 3:
            return {"matchLabels": {"tier": self.dice.choice(TIERS), "edition": self.dice.choice(["free", "paid"])}}
        return {"matchLabels": {"tier": self.dice.choice(TIERS)}}

    def space_selector(self):
        return self.dice.choice([
            {"matchLabels": {"zone": self.dice.choice(["inner", "outer"])}},
            {"matchLabels": {"kubernetes.io/metadata.name": self.dice.choice(self.spaces)}},
            {"matchExpressions": [{"key": "team", "operator": "In", "values": ["t0", "t1", "t3"]}]}])

    def peer(self):
        kind = self.dice.randrange(8)
        if kind == 0:
            return {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.244.0.0/16"]}}
        if kind == 1:
            return {"namespaceSelector": self.space_selector()}
        if kind in (2, 3):
            return {"namespaceSelector": self.space_selector(), "podSelector": self.selector()}
        return {"podSelector": self.selector()}

    def port(self):
        kind = self.dice.randrange(6)
        name = self.dice.choice(sorted(PORTS))
        proto = "UDP" if name == "dns" else "TCP"
        if kind == 0:
            return {"port": 8000, "endPort": 9050}
        if kind == 1:
            return {"protocol": proto}
        if kind == 2:
            return {"port": PORTS[name], "protocol": proto}
        return {"port": name, "protocol": proto}

    def rule(self, key):
        rule = {}
        if self.dice.random() < 0.9:
            rule[key] = [self.peer() for _ in range(self.dice.randint(1, 3))]
        if self.dice.random() < 0.7:
            rule["ports"] = [self.port() for _ in range(self.dice.randint(1, 2))]
        return rule

    def policy(self, i):
        space = self.spaces[i % len(self.spaces)]
        spec = {"podSelector": self.selector()}
        kind = self.dice.random()
        if kind < 0.7:
            spec["policyTypes"] = ["Ingress"]
            spec["ingress"] = [self.rule("from") for _ in range(self.dice.randint(1, 2))]
        else:
            spec["policyTypes"] = ["Egress"]
            spec["egress"] = [self.rule("to") for _ in range(self.dice.randint(1, 3))]
        return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
                "metadata": {"name": f"policy-{i}", "namespace": space}, "spec": spec}

    def all(self, replicas=0):
        out = [self.namespace(s) for s in self.spaces]
        apps = [self.app(i) for i in range(self.n)]
        for app in apps:
            out += [self.pod(app, k) for k in range(replicas)] if replicas else [self.deployment(app)]
            out.append(self.service(app))
        return out + [self.policy(i) for i in range(self.n_policies)]


def generate(workloads, policies=None, seed=1, change=0):
    """change: so many policies are other than without."""
    maker = Maker(workloads, workloads // 2 if policies is None else policies, seed)
    objects = maker.all()
    places = [i for i, o in enumerate(objects) if o["kind"] == "NetworkPolicy"]
    for i in places[:change]:
        objects[i]["spec"]["podSelector"] = {"matchLabels": {"tier": "web"}}
    return dump(objects)


def pods(count, policies, seed, replicas=10):
    return dump(Maker(count // replicas, policies, seed).all(replicas))


if __name__ == "__main__":
    sys.stdout.write(generate(int(sys.argv[1]), seed=int(sys.argv[2])))
