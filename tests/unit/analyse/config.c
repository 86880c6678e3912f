#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "analyse/config.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "codec/yaml.h"

static void write_down(void *arg, const struct config_fact *f)
{
	static const char *const kinds[] = { "value", "call", "listen", "resolver", "self" };
	struct strbuf *out = arg;

	strbuf_addf(out, "%u:%u %s " SLICE_FMT "=" SLICE_FMT, f->line, f->col, kinds[f->kind],
	            SLICE_ARG(f->name), SLICE_ARG(f->value));
	if (f->port.len) {
		strbuf_addf(out, " port " SLICE_FMT, SLICE_ARG(f->port));
	}
	strbuf_addf(out, "%s%s%s%s\n", f->scheme[0] ? " " : "", f->scheme, f->tls ? " tls" : "",
	            f->udp ? " udp" : "");
}

static struct slice find(void *arg, struct slice name)
{
	(void)arg;
	return slice_is(name, "BACKEND") ? SLICE("http://backend:5000") : (struct slice){ 0 };
}

static void nginx_names_its_upstreams_and_doors(void **state)
{
	static const char text[] =
		"# proxy_pass http://remark;\n"
		"http {\n"
		"  resolver kube-dns.kube-system valid=5s;\n"
		"  upstream api { server api-1:8080 weight=2; server api-2; }\n"
		"  server {\n"
		"    listen 8080 default_server; listen [::]:8443 ssl;\n"
		"    server_name app.example.com _ ~^x;\n"
		"    set $host_of \"users\";\n"
		"    location /a { proxy_pass http://api/; }\n"
		"    location /b { proxy_pass http://$host_of:9000; }\n"
		"    location /c { fastcgi_pass unix:/run/php.sock; }\n"
		"    location /d { grpc_pass grpc://g:50051; }\n"
		"    location /e { content_by_lua_block { local x = \"proxy_pass y;\" } }\n"
		"    location /f { proxy_pass ${BACKEND}/f; }\n"
		"  }\n"
		"}\n"
		"stream { server { listen 53 udp; proxy_pass dns:53; } }\n";
	static const char want[] = "3:12 resolver resolver=kube-dns.kube-system udp\n"
				   "4:25 call server=api-1:8080 http\n"
				   "4:53 call server=api-2 http\n"
				   "6:12 listen listen=8080 http\n"
				   "6:40 listen listen=[::]:8443 http tls\n"
				   "7:17 self server_name=app.example.com\n"
				   "10:30 call proxy_pass=http://users:9000 http\n"
				   "12:29 call grpc_pass=grpc://g:50051 grpc\n"
				   "14:30 call proxy_pass=http://backend:5000/f http\n"
				   "17:26 listen listen=53 udp\n"
				   "17:45 call proxy_pass=dns:53\n";
	scoped_arena struct arena a = { 0 };
	scoped_strbuf struct strbuf out = { 0 };
	const struct config_vars vars = { find, NULL };

	(void)state;
	config_nginx(&a, slice_of(text), &vars, write_down, &out);
	/* a pass to an upstream is no address of its own: its servers are */
	assert_null(strstr(strbuf_str(&out), "http://api/"));
	for (const char *line = want; *line;) {
		size_t len = strcspn(line, "\n") + 1;
		scoped_free char *one = mem_printf("%.*s", (int)len, line);

		if (!strstr(strbuf_str(&out), one)) {
			fail_msg("no %s in:\n%s", one, strbuf_str(&out));
		}
		line += len;
	}
	assert_null(strstr(strbuf_str(&out), "remark"));
	assert_null(strstr(strbuf_str(&out), "php"));
	assert_null(strstr(strbuf_str(&out), "=y"));
}

static void haproxy_names_its_servers_and_doors(void **state)
{
	static const char text[] = "defaults\n"
				   "  mode http\n"
				   "frontend f\n"
				   "  bind *:80,:8443 ssl crt /x # bind :1\n"
				   "backend b\n"
				   "  server s1 web:8080 check\n"
				   "  server s2 ipv4@10.0.0.1:443 ssl\n"
				   "  server s3 /run/x.sock\n"
				   "  server-template t 3 db.shop:3306\n"
				   "listen raw\n"
				   "  mode tcp\n"
				   "  server d db:5432\n"
				   "resolvers r\n"
				   "  nameserver n 10.0.0.10:53\n";
	static const char want[] = "4:8 listen bind=:80 https tls\n"
				   "4:13 listen bind=:8443 https tls\n"
				   "6:13 call server=web:8080 http\n"
				   "7:13 call server=10.0.0.1:443 https tls\n"
				   "9:23 call server-template=db.shop:3306 http\n"
				   "12:12 call server=db:5432\n"
				   "14:16 resolver nameserver=10.0.0.10:53 http\n";
	scoped_arena struct arena a = { 0 };
	scoped_strbuf struct strbuf out = { 0 };

	(void)state;
	config_haproxy(&a, slice_of(text), write_down, &out);
	assert_string_equal(strbuf_str(&out), want);
}

static void lines_hold_names_and_values(void **state)
{
	static const char text[] = "# remark\n"
				   "A_URL=http://a\n"
				   "export B = 'b c' # x\n"
				   "spring.datasource.url: jdbc:mysql://db/x\n"
				   "[database]\n"
				   "host = \"db\"\n"
				   "bind 127.0.0.1 -::1\n"
				   "port 6379\n"
				   "replicaof main 6379\n"
				   "prose without meaning\n"
				   "http://not/a/key\n";
	static const char want[] = "2:7 value A_URL=http://a\n"
				   "3:13 value B=b c\n"
				   "4:24 value spring.datasource.url=jdbc:mysql://db/x\n"
				   "6:9 value database.host=db\n"
				   "7:6 listen database.bind=127.0.0.1\n"
				   "7:6 listen database.bind=::1\n"
				   "8:6 value database.port=6379\n"
				   "9:11 call database.replicaof=main port 6379 redis\n";
	scoped_arena struct arena a = { 0 };
	scoped_strbuf struct strbuf out = { 0 };

	(void)state;
	config_lines(&a, slice_of(text), write_down, &out);
	assert_string_equal(strbuf_str(&out), want);
}

static void trees_join_host_and_port(void **state)
{
	static const char text[] =
		"redis: {host: cache, port: 6379}\n"
		"urls: [http://a]\n"
		"static_resources:\n"
		"  listeners:\n"
		"  - address: {socket_address: {address: 0.0.0.0, port_value: 8080}}\n"
		"  clusters:\n"
		"  - name: x\n"
		"    transport_socket: {name: envoy.transport_sockets.tls}\n"
		"    load_assignment: {endpoints: [{lb_endpoints: [{endpoint: {address: "
		"{socket_address: {address: users, port_value: 443}}}}]}]}\n";
	scoped_arena struct arena a = { 0 };
	scoped_strbuf struct strbuf out = { 0 };
	struct val *v;

	(void)state;
	assert_int_equal(yaml_parse(&a, slice_of(text), &v, NULL), 0);
	config_tree(&a, v, write_down, &out);
	assert_non_null(strstr(strbuf_str(&out), "1:9 value redis.host=cache port 6379\n"));
	assert_non_null(strstr(strbuf_str(&out), "value urls=http://a\n"));
	assert_non_null(strstr(strbuf_str(&out), "socket_address=0.0.0.0 port 8080\n"));
	assert_non_null(strstr(strbuf_str(&out),
	                       "listen static_resources.listeners.address.socket_address"));
	assert_non_null(strstr(strbuf_str(&out), "socket_address=users port 443 tls\n"));
}

static void files_are_known_by_name_and_words(void **state)
{
	(void)state;
	assert_int_equal(
		config_format_of(SLICE("default.conf.template"), SLICE("server {\n listen 80;\n}")),
		CONFIG_NGINX);
	assert_int_equal(config_format_of(SLICE("haproxy.cfg"),
	                                  SLICE("defaults\n mode tcp\nfrontend x\n bind :1\n")),
	                 CONFIG_HAPROXY);
	assert_int_equal(config_format_of(SLICE("/x/application.yml"), SLICE("a: b")), CONFIG_YAML);
	assert_int_equal(config_format_of(SLICE("settings"), SLICE("{\"a\": 1}")), CONFIG_JSON);
	assert_int_equal(config_format_of(SLICE("redis.conf"), SLICE("bind 127.0.0.1")),
	                 CONFIG_LINES);
	assert_int_equal(config_format_of(SLICE("start.sh"), SLICE("listen x; {")), CONFIG_NONE);
	assert_int_equal(config_format_of(SLICE("x"), SLICE("")), CONFIG_NONE);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(nginx_names_its_upstreams_and_doors),
		cmocka_unit_test(haproxy_names_its_servers_and_doors),
		cmocka_unit_test(lines_hold_names_and_values),
		cmocka_unit_test(trees_join_host_and_port),
		cmocka_unit_test(files_are_known_by_name_and_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
