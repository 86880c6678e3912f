# What: the realistic mistakes of tests/e2e/mistakes/, each made on a copy of Happy Tails' manifests. Source it after
# tests/tap.sh. A mistake is a file of these words:
#
#   edit FILE PROGRAM    sed on a manifest; it must change something
#   drop FILE NAME       takes out the object of that name
#   add FILE             a further manifest, from standard input
#   check ID             the first thing `kennel check` says
#   explain ASK HOP      source and destination, and the first broken hop
#   live                 it can be made on a running instance
#
#   mistakes_all         their names
#   mistake_make NAME DIR    copies the manifests, makes the mistake; sets want_check, ask,
#                            want_hop, is_live, dropped (a NetworkPolicy)
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

mistakes_all() { ls "$top/tests/e2e/mistakes"; }

edit() {
	sed -i.before "$2" "$mistake_dir/$1" && ! cmp -s "$mistake_dir/$1" "$mistake_dir/$1.before" || mistake_bad="edit $1 changes nothing"
	rm -f "$mistake_dir/$1.before"
}
drop() {
	dropped=$2
	python3 - "$mistake_dir/$1" "$2" <<'END' || mistake_bad="drop $1 $2 takes nothing out"
import re, sys
path, name = sys.argv[1:]
parts = re.split(r"(?m)^---\n", open(path).read())
kept = [p for p in parts if not re.search(rf"(?m)^metadata:\n  name: {re.escape(name)}$", p)]
open(path, "w").write("---\n".join(kept))
sys.exit(len(kept) == len(parts))
END
}
add() {
	cat >"$mistake_dir/$1"
	echo "- $1" >>"$mistake_dir/kustomization.yaml"
}
check() { want_check=$1; }
explain() {
	ask=$1
	want_hop=$2
}
live() { is_live=yes; }

mistake_make() { # NAME DIR
	mistake_dir=$2 mistake_bad='' dropped='' want_check='' ask='' want_hop='' is_live=''
	rm -rf "$2"
	cp -r "$top/examples/happy-tails/manifests" "$2"
	# shellcheck disable=SC1090
	. "$top/tests/e2e/mistakes/$1"
	[ -z "$mistake_bad" ] || { echo "$1: $mistake_bad"; return 1; }
}

# The first broken hop of an explanation in JSON on standard input, or "none".
broken_hop() { python3 -c '
import json, sys
paths = [p for p in json.load(sys.stdin)["paths"] if not p["alternative"]]
key = sys.argv[1]
print(next((p[key] for p in paths if key in p), "none"))' "${1:-breaksAt}"; }
