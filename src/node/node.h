/* What: the node role: pods, their network, services and policies in the kernel, the kubelet's
 * server.
 *
 *   kennel node --name N --home H --kubeconfig F --api-uid U
 *
 * Started by the supervisor as root, in the node's network namespace and the instance's mount
 * namespace. */
#pragma once

int node_main(int argc, char **argv);
