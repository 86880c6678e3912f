/* What: the numbers that bound this room, each with its reason. */
#pragma once

#define MODEL_KEY_SIZE                                                                             \
	320u /* bytes: namespace (63) and name (253) of an object, Kubernetes' own limits */
#define MODEL_TOMBSTONES                                                                           \
	4096u /* services gone that the change log still names; beyond: "look at all" */
#define MODEL_CLASS_MAX 0xfffffff0u /* class ids; a kernel mark has 32 bits */
#define MODEL_DIRTY_MAX 65536u      /* addresses remembered between two tables */
#define NAME_TTL_S                                                                                 \
	30u /* seconds; what the shipped Corefile of CoreDNS writes (networking.md 5.2) */
#define NAME_HOST_TTL_S    5u     /* seconds; Amazon's own for database endpoints */
#define NAME_VERSION_TTL_S 28800u /* seconds; dns-version in the DNS specification's example */
