"""Manifests that nobody means well: hostile.py NAME writes one to standard output."""
import sys

MIB = 1 << 20
HEAD = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c\n"
SERVICE = "---\napiVersion: v1\nkind: Service\nmetadata:\n  name: {name}\nspec:\n  selector: {{app: nobody}}\n  ports: [{{port: 80}}]\n"


def pod(container, name="p"):
    return f"---\napiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\nspec:\n  containers:\n  - name: c\n    image: x:1\n{container}"


def bomb():
    yield "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    for i in range(1, 12):
        yield f"a{i}: &a{i} [" + ", ".join([f"*a{i - 1}"] * 9) + "]\n"


def repeat(text, size):
    for _ in range(size // len(text) // 1000 + 1):
        yield text * 1000


def around(before, parts, after):
    yield before
    yield from parts
    yield after


MAKERS = {
    "huge-text": lambda: around(HEAD + "data:\n  k: v\n", repeat("---\n# nothing here\n", 100 * MIB), ""),
    "huge-string": lambda: around('{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"k": "',
                                  repeat("x", 100 * MIB), '"}}\n'),
    "huge-list": lambda: around('{"apiVersion": "v1", "kind": "List", "items": [', repeat("{},", 100 * MIB), "{}]}\n"),
    "string": lambda: around(HEAD + "data:\n  k: ", repeat("x", 20 * MIB), "\n"),
    "list": lambda: around(HEAD + "data:\n  k: [", repeat("1,", 4 * MIB), "1]\n"),
    "documents": lambda: (HEAD.replace("name: c", f"name: c{i}") + "---\n" for i in range(30000)),
    "deep": lambda: repeat("[", 8 * MIB),
    "deep-json": lambda: around('{"a":', repeat("[", 8 * MIB), ""),
    "deep-blocks": lambda: (" " * i + "a:\n" for i in range(3000)),
    "bomb": bomb,
    "zeros": lambda: repeat("\0", MIB),
    "strangers": lambda: (f"---\napiVersion: strange.example/v1\nkind: Strange{i}\nmetadata: {{name: s}}\n" for i in range(20000)),
    "keys": lambda: around(HEAD + "data:\n", (f"  k{i}: v\n" for i in range(100000)), ""),
    "variables": lambda: around(pod("    env:\n"), (f"    - name: E{i}\n      value: some more text and $(E{i - 1})\n"
                                                    for i in range(5000)), ""),
    "paths": lambda: around("apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: i\nspec:\n  rules:\n  - host: h.example.com\n"
                            "    http:\n      paths:\n",
                            (f"      - {{path: /p{i}, pathType: Prefix, backend: {{service: {{name: s{i}, port: {{number: 80}}}}}}}}\n"
                             for i in range(4000)), ""),
    # a mistake before the broken documents, one behind them
    "broken": lambda: around(SERVICE.format(name="first"), ["---\na: [\n"] * 20000, SERVICE.format(name="last")),
}

if __name__ == "__main__":
    for text in MAKERS[sys.argv[1]]():
        sys.stdout.write(text)
