/* Why: a ConfigMap does not say what its files are; their names and their first words do. */
#include "analyse/config.h"

#include "base/mem.h"

static bool has_text(struct slice s, const char *what)
{
	return memmem(s.p ? s.p : "", s.len, what, strlen(what)) != NULL;
}

/* "x.conf.template" is a "x.conf". */
static struct slice without_template(struct slice name)
{
	static const char *const ends[] = { ".template", ".tmpl", ".tpl", ".j2", ".in" };

	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		if (slice_has_suffix(name, slice_of(ends[i]))) {
			return slice_head(name, name.len - strlen(ends[i]));
		}
	}
	return name;
}

static bool ends_in(struct slice name, const char *const *ends)
{
	for (; *ends; ends++) {
		if (slice_has_suffix(name, slice_of(*ends))) {
			return true;
		}
	}
	return false;
}

static bool looks_like_nginx(struct slice text)
{
	return has_text(text, "{") && has_text(text, ";") &&
	       (has_text(text, "_pass ") || has_text(text, "listen ") ||
	        has_text(text, "upstream ") || has_text(text, "location ") ||
	        has_text(text, "server {"));
}

static bool looks_like_haproxy(struct slice text)
{
	return (has_text(text, "\nfrontend ") || has_text(text, "\nbackend ") ||
	        has_text(text, "\nlisten ") || slice_has_prefix(text, SLICE("frontend ")) ||
	        slice_has_prefix(text, SLICE("backend ")) ||
	        slice_has_prefix(text, SLICE("listen ")) ||
	        slice_has_prefix(text, SLICE("global"))) &&
	       (has_text(text, "bind ") || has_text(text, "server ")) && !has_text(text, "{\n");
}

enum config_format config_format_of(struct slice name, struct slice text)
{
	static const char *const yaml[] = { ".yaml", ".yml", NULL };
	static const char *const json[] = { ".json", NULL };
	static const char *const lines[] = { ".env",  ".properties", ".ini", ".toml",   ".cnf",
		                             ".conf", ".cfg",        "env",  ".config", NULL };
	static const char *const code[] = { ".sh",   ".js",  ".ts", ".py",  ".lua", ".sql",
		                            ".html", ".css", ".md", ".pem", ".crt", ".key",
		                            ".xml",  ".php", ".rb", ".txt", NULL };

	name = without_template(name);
	text = slice_trim(text);
	if (text.len == 0 || ends_in(name, code)) {
		return CONFIG_NONE;
	}
	if (ends_in(name, json) ||
	    (text.p[0] == '{' && text.p[text.len - 1] == '}' && has_text(text, "\":"))) {
		return CONFIG_JSON;
	}
	if (ends_in(name, yaml)) {
		return CONFIG_YAML;
	}
	if (looks_like_haproxy(text)) {
		return CONFIG_HAPROXY;
	}
	if (looks_like_nginx(text)) {
		return CONFIG_NGINX;
	}
	return ends_in(name, lines) ? CONFIG_LINES : CONFIG_NONE;
}
