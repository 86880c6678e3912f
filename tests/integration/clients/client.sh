# What: a pod for foreign clients to talk to, and their checks as part of a script's own. Source it after
# tests/e2e/instance.sh.
#
#   client_up           an instance with deployment `client` in namespace default: one container `c` that writes
#                       a line to its log and serves HTTP on port 8000
#   tap_of COMMAND...   runs a program that speaks TAP; its results count as this script's
#   skip_all WHY        the only result: skipped
client_up() {
	cat >"$(dirname "$HOME_DIR")/client.yaml" <<-'Y'
	apiVersion: apps/v1
	kind: Deployment
	metadata: {name: client}
	spec:
	  selector: {matchLabels: {app: client}}
	  template:
	    metadata: {labels: {app: client}}
	    spec:
	      terminationGracePeriodSeconds: 0
	      containers:
	      - name: c
	        image: kennel
	        command: [sh, -c, "echo hello from the pod; exec python3 -m http.server 8000"]
	        readinessProbe: {tcpSocket: {port: 8000}, periodSeconds: 1}
	Y
	instance_up -f "$(dirname "$HOME_DIR")/client.yaml"
}

tap_of() {
	local line
	while IFS= read -r line; do
		case $line in
		"ok "* | "not ok "*)
			tap_n=$((tap_n + 1))
			case $line in not*) tap_bad=1 ;; esac
			printf '%s\n' "$line" | sed -E "s/ok [0-9]+/ok $tap_n/"
			;;
		1..*) ;;
		*) printf '%s\n' "$line" ;;
		esac
	done < <("$@" 2>&1 </dev/null || echo "not ok 0 - $1 ends with status 0")
}

skip_all() {
	echo "ok 1 - # SKIP $1"
	echo 1..1
	exit 0
}
