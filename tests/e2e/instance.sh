# What: an instance of kennel for one test script, under a name, home and edge address of its own, so that
# scripts run side by side. Source it after tests/tap.sh; the instance and its home are gone when the script ends.
#
#   instance_up ARG...      kennel up with these arguments; exports KUBECONFIG
#   happy_tails_up ARG...   the same with the images and manifests of Happy Tails
#   kubectls                every kubectl on this machine, one a line
#   edge PATH [CURL-ARG...] curl of https://app.happy-tails.com/PATH through the edge, trusting kennel's CA only
#   pod_of APP [NS]         name of a ready pod with that app label
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
: "${KENNEL:=$top/build/kennel}" "${KENNEL_BUILD:=$top/build}"
HOST=app.happy-tails.com
NAME=t$$
HOME_DIR=$(mktemp -d "${TMPDIR:-/tmp}/kennel-e2e.XXXXXX")/h
chmod 711 "${HOME_DIR%/h}"
EDGE=127.$((16 + $$ / 32768)).$(($$ / 128 % 256)).$((1 + $$ % 128)) # one a process
export KUBECONFIG=$HOME_DIR/kubeconfig
export KUBECACHEDIR=$HOME_DIR/../cache # discovery of one instance must not serve another

# KENNEL_UP in the environment: further options of every kennel up, as --service-dataplane=nftables.
instance_up() {
	# shellcheck disable=SC2086
	"$KENNEL" up --name "$NAME" --home "$HOME_DIR" --edge-address "$EDGE" $KENNEL_UP "$@" </dev/null
}

# The images are unpacked once for all scripts: each home links to that store.
happy_tails_up() {
	local kept=$KENNEL_BUILD/e2e stamp
	stamp=$(cat "$KENNEL_BUILD/images/stamp") || return 1
	mkdir -p "$kept" "$HOME_DIR"
	(
		flock 9
		[ "$(cat "$kept/stamp" 2>/dev/null)" = "$stamp" ] || {
			rm -rf "$kept/images" "$kept/stamp"
			"$KENNEL" image load --home "$kept" "$KENNEL_BUILD/images" && echo "$stamp" >"$kept/stamp"
		}
	) 9>"$kept/lock" || return 1
	ln -sfn "$kept/images" "$HOME_DIR/images"
	instance_up -f "$top/examples/happy-tails/manifests" "$@"
}

instance_cleanup() {
	local pids
	trap - EXIT INT TERM
	pids=$(jobs -p)
	# shellcheck disable=SC2086
	[ -z "$pids" ] || kill $pids 2>/dev/null
	if [ "$tap_bad" != 0 ]; then
		instance_story
	fi
	"$KENNEL" down --purge --name "$NAME" --home "$HOME_DIR" >/dev/null 2>&1 </dev/null
	rm -rf "$(dirname "$HOME_DIR")"
}
trap instance_cleanup EXIT
trap 'exit 130' INT TERM

# What a person would look at first when something is wrong.
instance_story() {
	{
		kubectl get pods -A -o wide
		kubectl get events -A --sort-by=.lastTimestamp | tail -n 30
		for role in serve api node lb; do
			echo "--- $role.log"
			tail -n 25 "$HOME_DIR/logs/$role.log"
		done
	} 2>&1 </dev/null | sed 's/^/# /'
}

kubectls() {
	local first dir
	first=$(command -v kubectl) || return
	echo "$first"
	{
		dirname "$(readlink -f "$first")"
		echo "$PATH" | tr : '\n'
	} | while read -r dir; do
		ls "$dir"/kubectl.1.* 2>/dev/null
	done | awk -F/ '!seen[$NF]++' | sort -t. -k2,2n -k3,3n
}

edge() {
	local path=$1
	shift
	curl -sS --max-time 10 --cacert "$HOME_DIR/ca.crt" --resolve "$HOST:443:$EDGE" --resolve "$HOST:80:$EDGE" \
		"$@" "https://$HOST/$path" </dev/null
}

pod_of() {
	kubectl get pods -n "${2:-happy-tails}" -l "app=$1" --field-selector=status.phase=Running \
		-o jsonpath='{.items[0].metadata.name}' </dev/null
}

# Keeps a background load on the edge: load_start FILE ARG...; load_stop ends it, with its report in FILE.
# Both in the script's own shell, never in $(...).
load_start() {
	local report=$1
	shift
	python3 "$top/tests/e2e/load.py" --connect "$EDGE:443" --host "$HOST" --ca "$HOME_DIR/ca.crt" "$@" >"$report" &
	load_pid=$!
}

load_stop() {
	kill -TERM "$load_pid"
	wait "$load_pid"
}
