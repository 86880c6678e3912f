/* What: the subresources pods/proxy and services/proxy: a request passed on to a port of a pod, or of
 * one of a Service's ready pods, and its answer passed back as it is.
 *
 *   {pods,services}/[SCHEME:]NAME[:PORT]/proxy/PATH     SCHEME http (default) or https, unverified
 *
 * PORT is a number or name, of the container or of the Service. Endpoints that are no pods are not
 * proxied to: the API server is no open relay. Links and redirects in answers are not rewritten.
 * Source: k8s/api#proxy, networking.md 1.2 */
#pragma once

#include "api/call.h"

int proxy_pod(struct call *c);
int proxy_service(struct call *c);
/* Takes "[SCHEME:]NAME[:PORT]" apart; what is absent is empty. False: another scheme, or no name. */
bool proxy_name_split(struct slice text, struct slice *scheme, struct slice *name,
                      struct slice *port);
/* What follows ".../proxy" in a target as it was sent, without its query. */
struct slice proxy_path(struct slice raw_target);
