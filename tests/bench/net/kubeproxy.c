/* Why: what the figures are compared with; see kubeproxy.h. Source of the layout: kube-proxy's
 * iptables mode (KUBE-SERVICES, KUBE-SVC-*, KUBE-SEP-*). */
#include "kubeproxy.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "host/netns.h"
#include "line.h"

const char *box_service_ip(int i, char *buf)
{
	snprintf(buf, 16, "10.1.%u.%u", (uint8_t)(i / 250), (uint8_t)(1 + i % 250));
	return buf;
}

static void write_service(FILE *f, int i)
{
	for (int e = 0; e < 2; e++) {
		fprintf(f,
		        " chain sep-%d-%d {\n  ip saddr 10.244.0.2 meta mark set 0x4000\n"
		        "  meta l4proto tcp dnat to 10.244.0.2:8080\n }\n",
		        i, e);
	}
	fprintf(f,
	        " chain svc-%d {\n  numgen random mod 2 == 0 jump sep-%d-0\n  jump sep-%d-1\n }\n",
	        i, i, i);
}

static void write_rules(FILE *f, int n)
{
	char ip[16];

	fprintf(f, "flush ruleset\ntable ip kube-proxy {\n");
	for (int i = 0; i < n; i++) {
		write_service(f, i);
	}
	fprintf(f, " chain services {\n");
	for (int i = n; i-- > 0;) {
		fprintf(f, "  ip daddr %s tcp dport 80 jump svc-%d\n", box_service_ip(i, ip), i);
	}
	fprintf(f, " }\n"
	           " chain prerouting {\n  type nat hook prerouting priority -100\n"
	           "  jump services\n }\n"
	           " chain postrouting {\n  type nat hook postrouting priority 100\n"
	           "  mark & 0x4000 != 0 masquerade\n }\n"
	           " chain forward {\n  type filter hook forward priority 0\n"
	           "  ct state invalid drop\n  ct state established accept\n }\n}\n");
}

double kubeproxy_load(int node_ns, int n)
{
	const char *folder = getenv("BENCH_DIR");
	scoped_free char *path = mem_printf("%s/kube-proxy.nft", folder ? folder : "/tmp");
	FILE *f = fopen(path, "we");
	double from = wall_us();
	int status;
	pid_t pid;

	if (!f) {
		perror(path);
		exit(1);
	}
	write_rules(f, n);
	fclose(f);
	pid = fork();
	if (pid == 0) {
		struct netns_visit v = { -1 };

		if (netns_enter(&v, node_ns, NULL) == 0) {
			execlp("nft", "nft", "-f", path, (char *)NULL);
		}
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
		fprintf(stderr, "net: nft did not load %s\n", path);
		exit(1);
	}
	(void)unlink(path);
	return wall_us() - from;
}
