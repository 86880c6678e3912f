# What: the API server alone, for the test scripts here. Source it after tap.sh.
#
#   start_api            in a folder of its own; sets HOME, KUBECONFIG, server, pid; stopped at exit
#   kill_api, again_api  kill -9, and start on the same port and home
#   ask PATH ARGS...     curl as the administrator: ask /api/v1/pods -X POST -d ...; type=... for another body
#   kubectls             every kubectl to be tried, one a line
: "${KENNEL_BUILD:=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)/build}"
alone=$KENNEL_BUILD/tests/integration/api/api-alone
folder=$(mktemp -d)
chmod 711 "$folder" # homes must be in reach of the users that roles become
pid=

stop_api() {
	[ -n "$pid" ] && kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null
	pid=
}

clean_up() {
	stop_api
	rm -rf "$folder"
}
trap clean_up EXIT
trap 'exit 1' INT TERM

run_api() { # [port]
	: >"$folder/log"
	"$alone" "$folder/home" "$@" 2>"$folder/log" &
	pid=$!
	eventually 20 grep -q Serving "$folder/log" || {
		cat "$folder/log" >&2
		exit 1
	}
}

start_api() {
	run_api
	export KUBECONFIG=$folder/home/kubeconfig HOME=$folder
	server=$(sed -n 's/ *server: //p' "$KUBECONFIG")
	for part in certificate key; do
		sed -n "s/ *client-$part-data: //p" "$KUBECONFIG" | base64 -d >"$folder/client.$part"
	done
}

kill_api() {
	kill -9 "$pid"
	wait "$pid" 2>/dev/null
	pid=
}

again_api() {
	run_api "${server##*:}"
}

ask() { # target curl-options...
	local target=$1
	shift
	curl -sS -k -m 20 --cert "$folder/client.certificate" --key "$folder/client.key" \
		-H "Content-Type: ${type:-application/json}" "$@" "$server$target"
}

kubectls() {
	local dirs
	dirs=$(echo "$PATH" | tr : '\n')
	command -v kubectl >/dev/null && dirs="$dirs
$(dirname "$(readlink -f "$(command -v kubectl)")")"
	echo "$dirs" | while read -r dir; do
		ls "$dir"/kubectl "$dir"/kubectl.1.* 2>/dev/null
	done | xargs -r readlink -f | sort -u
}
