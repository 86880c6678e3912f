/* What: the numbers that bound this room, each with its reason. */
#pragma once

#define MODEL_KEY_SIZE     320u  /* bytes: a namespace (63) and a name (253) */
#define MODEL_TOMBSTONES   4096u /* gone services the change log names; beyond: "look at all" */
#define MODEL_CLASS_MAX    0xfffffff0u /* class ids; a kernel mark has 32 bits */
#define MODEL_DIRTY_MAX    65536u      /* addresses remembered between two tables */
#define MODEL_MEMO_MAX     65536u      /* kinds of pods whose class is remembered */
#define NAME_TTL_S         30u         /* seconds; as CoreDNS ships (networking.md 5.2) */
#define NAME_HOST_TTL_S    5u          /* seconds; Amazon's own for database endpoints */
#define NAME_PUBLIC_TTL_S  60u         /* seconds; Amazon's own for aliases of load balancers */
#define NAME_VERSION_TTL_S 28800u      /* seconds; dns-version in the specification's example */
