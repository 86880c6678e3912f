/* What: the peer: services as kube-proxy's iptables mode lays them out, a chain per service and per
 * endpoint behind one list of rules, written for and loaded by the nft program. */
#pragma once

/* n services at 10.1.x.y port 80 (box_service_ip), two endpoints each. Returns the microseconds that
 * loading took. Ends the program when it fails. */
double kubeproxy_load(int node_ns, int n);
const char *box_service_ip(int i, char *buf); /* buf of 16; returns it */
