# What: TAP for test scripts. Source it; each check is one line of output; done_testing at the end.
#
#   ok NAME COMMAND...            passes when the command does; its output is shown when it fails
#   not_ok NAME COMMAND...        passes when the command fails
#   like NAME PATTERN COMMAND...  passes when the output matches the extended regular expression
#   eventually SECONDS COMMAND... repeats every 50 ms until it passes
#   until_line PATTERN COMMAND... passes, and ends the command, once it prints a line that matches
tap_n=0
tap_bad=0

tap_result() { # 0|1 name text
	tap_n=$((tap_n + 1))
	if [ "$1" = 0 ]; then
		echo "ok $tap_n - $2"
	else
		echo "not ok $tap_n - $2"
		printf '%s\n' "$3" | tail -n 40 | sed 's/^/#   /'
		tap_bad=1
	fi
}

ok() {
	local name=$1 out rc
	shift
	out=$("$@" 2>&1 </dev/null) && rc=0 || rc=1
	tap_result $rc "$name" "$out"
}

not_ok() {
	local name=$1 out rc
	shift
	out=$("$@" 2>&1 </dev/null) && rc=1 || rc=0
	tap_result $rc "$name" "$out"
}

like() {
	local name=$1 pattern=$2 out rc
	shift 2
	out=$("$@" 2>&1 </dev/null) || true
	printf '%s\n' "$out" | grep -Eq -- "$pattern" && rc=0 || rc=1
	tap_result $rc "$name" "wanted: $pattern
found: $out"
}

eventually() {
	local limit=$1 end
	shift
	end=$(($(date +%s%N) + limit * 1000000000))
	while ! "$@" >/dev/null 2>&1 </dev/null; do
		if [ "$(date +%s%N)" -ge "$end" ]; then
			"$@" </dev/null
			return
		fi
		sleep 0.05
	done
}

until_line() {
	local pattern=$1 line rc=1 fd pid
	shift
	exec {fd}< <(exec timeout 30 "$@" 2>&1 </dev/null)
	pid=$!
	while IFS= read -r line <&"$fd"; do
		printf '%s\n' "$line"
		printf '%s\n' "$line" | grep -Eq -- "$pattern" && rc=0 && break
	done
	kill "$pid" 2>/dev/null
	exec {fd}<&-
	return $rc
}

done_testing() {
	echo "1..$tap_n"
	exit $tap_bad
}
