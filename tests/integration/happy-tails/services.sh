# What: what the tests of Happy Tails stand on: a real MariaDB and a real Redis with TLS on loopback, all in one
# temporary folder, and the back end built with sanitizers. Source it after tap.sh.
#
#   $dir              the folder; gone at the end, with everything that was started
#   db_start db_stop redis_start redis_stop        stop is kill -9; data stays
#   backend_start NAME [VAR=VALUE...]              on port ${port[NAME]}, log in $dir/NAME.log
#   backend_stop NAME                              SIGTERM, and waits; its exit status
#   call NAME METHOD PATH [curl options...]        the body in the output
#   code NAME METHOD PATH [curl options...]        the status code only
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
example=$here/../../../examples/happy-tails
build=${KENNEL_BUILD:-$here/../../../build}/happy-tails-san
dir=$(mktemp -d)
chmod 755 "$dir"
declare -A port pid

end() {
	local p
	for p in "${pid[@]}"; do
		kill -9 "$p" 2>/dev/null || true
	done
	wait 2>/dev/null || true
	rm -rf "$dir"
}
trap end EXIT
trap 'exit 1' INT TERM

free_port() {
	python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

certificates() {
	openssl ecparam -name prime256v1 -genkey -noout -out "$dir/ca.key"
	openssl req -x509 -new -key "$dir/ca.key" -subj "/CN=test ca" -days 2 -out "$dir/ca.crt"
	openssl ecparam -name prime256v1 -genkey -noout -out "$dir/server.key"
	openssl req -new -key "$dir/server.key" -subj "/CN=localhost" -out "$dir/server.csr"
	printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\n' >"$dir/san"
	openssl x509 -req -in "$dir/server.csr" -CA "$dir/ca.crt" -CAkey "$dir/ca.key" -CAcreateserial -days 2 \
		-extfile "$dir/san" -out "$dir/server.crt"
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$dir/other.key" \
		-subj "/CN=another ca" -days 2 -out "$dir/other.crt"
}

# The system tables only, as mariadb-install-db makes them: no help texts, no anonymous user.
db_prepare() {
	mkdir "$dir/db"
	{
		printf '%s;\n' 'CREATE DATABASE mysql' 'USE mysql' 'SET @auth_root_socket = NULL'
		cat /usr/share/mysql/mysql_system_tables.sql /usr/share/mysql/mysql_performance_tables.sql \
			/usr/share/mysql/mysql_system_tables_data.sql
	} | mariadbd --no-defaults --bootstrap --datadir="$dir/db" --user=root --skip-log-bin \
		--innodb-log-file-size=4M --innodb-flush-log-at-trx-commit=0 || return 1
	cat >"$dir/init.sql" <<-'SQL'
		CREATE DATABASE IF NOT EXISTS happytails;
		CREATE USER IF NOT EXISTS 'tails'@'%' IDENTIFIED BY 'wag/the?tail#1';
		GRANT ALL ON happytails.* TO 'tails'@'%';
	SQL
}

# db_start [more options]; comes back when it listens
db_start() {
	[ -d "$dir/db" ] || db_prepare >"$dir/install.log" 2>&1 || { cat "$dir/install.log" >&2; return 1; }
	mariadbd --no-defaults --datadir="$dir/db" --user=root --bind-address=127.0.0.1 --port="${port[db]}" \
		--socket="$dir/db.sock" --pid-file="$dir/db.pid" --skip-name-resolve --skip-log-bin \
		--innodb-log-file-size=4M --innodb-buffer-pool-size=16M --innodb-flush-log-at-trx-commit=0 \
		--innodb-fast-shutdown=1 --ssl-cert="$dir/server.crt" --ssl-key="$dir/server.key" \
		--init-file="$dir/init.sql" "$@" >"$dir/db.log" 2>&1 &
	pid[db]=$!
	eventually 20 listens "${port[db]}"
}

redis_start() {
	redis-server --port 0 --tls-port "${port[redis]}" --bind 127.0.0.1 --dir "$dir" --save "" \
		--tls-cert-file "$dir/server.crt" --tls-key-file "$dir/server.key" --tls-ca-cert-file "$dir/ca.crt" \
		--tls-auth-clients no --requirepass fetch >"$dir/redis.log" 2>&1 &
	pid[redis]=$!
	eventually 10 listens "${port[redis]}"
}

listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

stop_hard() {
	kill -9 "${pid[$1]}"
	wait "${pid[$1]}" 2>/dev/null || true
	unset "pid[$1]"
}
db_stop() { stop_hard db; }
redis_stop() { stop_hard redis; }

backend_start() {
	local name=$1
	shift
	port[$name]=${port[$name]:-$(free_port)}
	env -i PATH="$PATH" ASAN_OPTIONS="${ASAN_OPTIONS:-}" UBSAN_OPTIONS="${UBSAN_OPTIONS:-halt_on_error=1}" \
		NODE_ENV=production LOG_LEVEL=info SERVER_PORT="${port[$name]}" DRAIN_SECONDS=1 \
		JWT_SECRET=a-secret-for-tests-only API_KEY=staff-key-for-tests CORS_ORIGIN=https://app.happy-tails.com \
		DATABASE_URL="mysql://tails:wag/the?tail#1@localhost:${port[db]}/happytails?ssl-ca=$dir/ca.crt" \
		REDIS_URL="rediss://:fetch@localhost:${port[redis]}/0?ssl-ca=$dir/ca.crt" \
		"$@" "$build/backend" >>"$dir/$name.log" 2>&1 &
	pid[$name]=$!
}

backend_stop() {
	local p=${pid[$1]}
	unset "pid[$1]"
	kill -TERM "$p" && wait "$p"
}

call() {
	local name=$1 method=$2 path=$3
	shift 3
	curl -sS -m 20 -X "$method" "$@" "http://127.0.0.1:${port[$name]}$path"
}
code() { call "$@" -o /dev/null -w '%{http_code}\n'; }
is_ready() { [ "$(code "$1" GET /api/ready)" = 200 ]; }
# json FILTER NAME METHOD PATH...: one value of the answer
json() {
	local filter=$1
	shift
	call "$@" | jq -r "$filter"
}

flock "$(dirname "$build")" make -s -C "$example/backend" BUILD="$build" SANITIZE=address,undefined CFLAGS="-O1 -g" \
	CC="$(command -v ccache >/dev/null && echo ccache) gcc" || exit 1
certificates >"$dir/openssl.log" 2>&1 || { cat "$dir/openssl.log"; exit 1; }
port[db]=$(free_port)
port[redis]=$(free_port)
