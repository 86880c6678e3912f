/* What: a small pod-like kind, so that patches and apply can be tried without the real tables. */
#pragma once

#include "base/mem.h"
#include "schema/kind.h"
#include "schema/type.h"

#define FIELDS(f) .form = TYPE_OBJECT, .fields = (f), .n_fields = ARRAY_SIZE(f)

static const struct type t_string = { .form = TYPE_STRING };
static const struct type t_int = { .form = TYPE_INT32 };
static const struct type t_strings = { .form = TYPE_LIST, .of = &t_string };
static const struct type t_map = { .form = TYPE_MAP, .of = &t_string };
static const struct type t_selector = { .form = TYPE_MAP, .of = &t_string, .is_atomic = true };

static const struct field f_port[] = {
	{ "containerPort", &t_int },
	{ "protocol", &t_string },
	{ "name", &t_string },
};
static const struct type t_port = { FIELDS(f_port) };
static const struct type t_ports = { .form = TYPE_LIST, .of = &t_port };
static const struct field f_env[] = { { "name", &t_string }, { "value", &t_string } };
static const struct type t_env = { FIELDS(f_env) };
static const struct type t_envs = { .form = TYPE_LIST, .of = &t_env };
static const struct field f_container[] = {
	{ "name", &t_string },
	{ "image", &t_string },
	{ "args", &t_strings },
	{ "ports", &t_ports, FIELD_PATCH_MERGE | FIELD_LIST_MAP, "containerPort",
	  "containerPort,protocol" },
	{ "env", &t_envs, FIELD_PATCH_MERGE | FIELD_LIST_MAP, "name", "name" },
};
static const struct type t_container = { FIELDS(f_container) };
static const struct type t_containers = { .form = TYPE_LIST, .of = &t_container };
static const struct field f_strategy[] = { { "type", &t_string }, { "rolling", &t_map } };
static const struct type t_strategy = { FIELDS(f_strategy) };
static const struct field f_spec[] = {
	{ "replicas", &t_int },
	{ "containers", &t_containers, FIELD_PATCH_MERGE | FIELD_LIST_MAP, "name", "name" },
	{ "strategy", &t_strategy, FIELD_PATCH_RETAIN_KEYS },
	{ "selector", &t_selector, FIELD_PATCH_REPLACE },
};
static const struct type t_spec = { FIELDS(f_spec) };
static const struct field f_meta[] = {
	{ "name", &t_string },
	{ "labels", &t_map },
	{ "annotations", &t_map },
	{ "finalizers", &t_strings, FIELD_PATCH_MERGE | FIELD_LIST_SET },
};
static const struct type t_meta = { FIELDS(f_meta) };
static const struct field f_thing[] = { { "metadata", &t_meta }, { "spec", &t_spec } };
static const struct type t_thing = { FIELDS(f_thing) };
static const struct kind thing = {
	.group = "apps", .version = "v1", .kind = "Thing", .plural = "things", .type = &t_thing
};
