/* Why: many programs are told by arguments: --flag=value, --flag value, NAME=value, or a line of
 * shell. Exec probes and hooks are commands as well. */
#include "analyse/value-priv.h"

#include <ctype.h>

#include "base/mem.h"

enum { WORDS_MAX = 4096 };

struct word {
	struct slice s;
	const struct val *node;
	const char *path;
	size_t at; /* byte in the node's text where the word stands; only when taken from a script
	            */
	bool by_text;
};

struct command {
	struct value_reader *r;
	VEC(struct word) words;
	enum value_source source;
	enum value_place place;
	enum value_scope scope; /* of --host and such */
	bool has_scope;
	size_t first_listening;
};

static struct value_text text_of(struct command *c, const struct word *w, const char *name)
{
	struct value_text t = value_text_of(c->r->workload, w->node, w->path);

	if (w->by_text && t.by_line) {
		value_text_position(&t, w->at, &t.where);
	}
	t.by_line = false;
	t.text = w->s;
	t.source = c->source;
	t.place = c->place;
	t.name = name;
	return t;
}

/* ---- words ---- */

static bool is_script(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (isspace((unsigned char)s.p[i])) {
			return true;
		}
	}
	return false;
}

/* As a shell would, as far as words go: quotes are taken off, operators end words. */
static void split_script(struct command *c, struct word from)
{
	struct slice s = from.s;
	size_t i = 0;

	while (i < s.len && c->words.n < WORDS_MAX) {
		scoped_strbuf struct strbuf word = { 0 };
		struct word w = from;
		char quote = 0;

		while (i < s.len &&
		       (isspace((unsigned char)s.p[i]) || char_is_one_of(s.p[i], ";|&()<>"))) {
			i++;
		}
		w.at = i;
		w.by_text = true;
		while (i < s.len && (quote || (!isspace((unsigned char)s.p[i]) &&
		                               !char_is_one_of(s.p[i], ";|&<>")))) {
			if (s.p[i] == quote) {
				quote = 0;
			} else if (!quote && (s.p[i] == '"' || s.p[i] == '\'')) {
				quote = s.p[i];
			} else {
				strbuf_addc(&word, s.p[i]);
			}
			i++;
		}
		if (word.size) {
			w.s = arena_slice(c->r->arena, strbuf_slice(&word));
			vec_push(&c->words, w);
		}
	}
}

static void add_list(struct command *c, const struct val *list, const char *path)
{
	size_t index = 0;
	bool after_c = false;

	val_for_each (list, it) {
		struct word w = { .s = val_str(it),
			          .node = it,
			          .path = arena_printf(c->r->arena, "%s[%zu]", path, index++) };

		/* the kubelet puts variables into command and args only */
		if (c->source == VALUE_ARGUMENT) {
			w.s = env_expand(&c->r->env, w.s);
		}
		w.s = slice_head(w.s, VALUE_TEXT_MAX);
		if (w.s.len && is_script(w.s) &&
		    (after_c || slice_find(w.s, '\n') >= 0 || w.s.p[0] != '{')) {
			split_script(c, w);
		} else if (w.s.len && c->words.n < WORDS_MAX) {
			vec_push(&c->words, w);
		}
		after_c = slice_is(val_str(it), "-c") || slice_is(val_str(it), "-lc") ||
		          slice_is(val_str(it), "-ec");
	}
}

/* ---- options ---- */

static struct slice option_name(struct slice s)
{
	while (s.len && s.p[0] == '-') {
		s = slice_from(s, 1);
	}
	return s;
}

static struct slice program(const struct command *c)
{
	for (size_t i = 0; i < c->words.n; i++) {
		struct slice s = c->words.at[i].s;
		ptrdiff_t slash = slice_rfind(s, '/');

		s = slice_from(s, (size_t)(slash + 1));
		if (s.len && s.p[0] != '-' && !slice_is(s, "sh") && !slice_is(s, "bash") &&
		    !slice_is(s, "exec") && !slice_is(s, "tini") && !slice_is(s, "dumb-init") &&
		    !slice_is(s, "until") && !slice_is(s, "while") && !slice_is(s, "timeout")) {
			return s;
		}
	}
	return (struct slice){ "", 0 };
}

static bool program_is(const struct command *c, const char *const *names)
{
	struct slice p = program(c);

	for (; *names; names++) {
		if (slice_is(p, *names)) {
			return true;
		}
	}
	return false;
}

/* Options of one letter mean what their program says. Null: nothing of ours. */
static const char *letter_key(const struct command *c, struct slice option)
{
	static const char *const servers[] = { "gunicorn", "hypercorn", "uwsgi", "puma",
		                               "rails",    "thin",      NULL };
	static const char *const clients[] = { "psql",          "pg_isready", "mysql",
		                               "mysqladmin",    "redis-cli",  "mariadb",
		                               "mariadb-admin", "mongosh",    "mongo",
		                               "pg_dump",       "mysqldump",  NULL };
	static const char *const ports[] = { "serve", "next",  "http-server", "ng",    "vite",
		                             "puma",  "rails", "nodemon",     "flask", NULL };

	if (slice_is(option, "-b") && program_is(c, servers)) {
		return "bind";
	}
	if (slice_is(option, "-h") && program_is(c, clients)) {
		return "database_host";
	}
	if ((slice_is(option, "-p") || slice_is(option, "-l")) && program_is(c, ports)) {
		return "listen_port";
	}
	return NULL;
}

static bool is_option(struct slice s)
{
	return s.len > 1 && s.p[0] == '-' && !isdigit((unsigned char)s.p[1]);
}

static struct slice port_option_after(const struct command *c, const char *names)
{
	for (size_t i = 0; i + 1 < c->words.n; i++) {
		struct slice s = c->words.at[i].s;

		if (slice_is(s, "-p") || slice_is(s, "-P") || slice_is(s, names)) {
			return c->words.at[i + 1].s;
		}
	}
	return (struct slice){ "", 0 };
}

static void read_value(struct command *c, const struct word *w, const char *shown, struct slice key)
{
	struct value_text t = text_of(c, w, shown);
	enum key_kind kind = key_judge(key);

	/* --host and --address of a server are its own; those of a client come with letters */
	if (c->source == VALUE_ARGUMENT &&
	    (slice_is(key, "host") || slice_is(key, "address") || slice_is(key, "ip") ||
	     slice_is(key, "hostname") || slice_is(key, "bind-ip"))) {
		value_add_listening(c->r, &t, w->s, PROTO_TCP, false, CONFIDENCE_MEDIUM);
		return;
	}
	value_read_text(c->r, &t, key,
	                kind == KEY_HOST ? port_option_after(c, "--port") : (struct slice){ "", 0 },
	                "");
}

static bool is_assignment(struct slice s, struct slice *name, struct slice *value)
{
	return slice_cut(s, '=', name, value) && name->len && env_name_is_valid(*name);
}

/* "nc -z db 3306": host and port are words of their own. */
static void read_probe_words(struct command *c, size_t i)
{
	size_t host = i + 1;
	struct value_text t;

	while (host < c->words.n && is_option(c->words.at[host].s)) {
		/* -w 2 takes a number */
		host += slice_is(c->words.at[host].s, "-w") ? 2 : 1;
	}
	if (host + 1 >= c->words.n || !address_is_host(c->words.at[host].s)) {
		return;
	}
	t = text_of(c, &c->words.at[host], arena_slice(c->r->arena, c->words.at[i].s).p);
	value_add_call(c->r, &t, t.text, c->words.at[host + 1].s, "", false, USE_CONNECT);
}

static void read_word(struct command *c, size_t i)
{
	const struct word *w = &c->words.at[i],
			  *next = i + 1 < c->words.n ? &c->words.at[i + 1] : NULL;
	struct slice name, value;
	struct word part = *w;

	if (is_option(w->s)) {
		const char *letter = letter_key(c, w->s);

		if (letter && next) {
			read_value(c, next, arena_slice(c->r->arena, w->s).p, slice_of(letter));
		} else if (slice_cut(w->s, '=', &name, &value)) {
			part.s = value;
			part.at += name.len + 1;
			/* -Dspring.datasource.url=..., --set-string=x.y=z */
			read_value(c, &part, arena_slice(c->r->arena, name).p,
			           slice_from(option_name(name),
			                      slice_has_prefix(w->s, SLICE("-D")) ? 1 : 0));
		} else if (next && !is_option(next->s) && w->s.len > 2 && w->s.p[1] == '-') {
			read_value(c, next, arena_slice(c->r->arena, w->s).p, option_name(w->s));
		}
		return;
	}
	if (slice_is(w->s, "nc") || slice_is(w->s, "ncat") || slice_is(w->s, "telnet")) {
		read_probe_words(c, i);
	} else if (slice_is(w->s, "http.server") && next) {
		struct value_text t = text_of(c, next, "http.server");

		value_add_listening(c->r, &t, next->s, PROTO_TCP, false, CONFIDENCE_MEDIUM);
	} else if (is_assignment(w->s, &name, &value)) {
		part.s = value;
		part.at += name.len + 1;
		read_value(c, &part, arena_slice(c->r->arena, name).p, name);
	} else if (!(i > 0 && is_option(c->words.at[i - 1].s) &&
	             slice_find(c->words.at[i - 1].s, '=') < 0 &&
	             key_judge(option_name(c->words.at[i - 1].s)) != KEY_PLAIN)) {
		struct value_text t = text_of(c, w, "argument");

		value_read_text(c->r, &t, SLICE(""), SLICE(""), "");
	}
}

/* "--host 127.0.0.1 --port 8000": the one says where the other listens. */
static void join_listenings(struct command *c)
{
	const struct listening *address = NULL;

	for (size_t i = c->first_listening; i < c->r->listenings.n; i++) {
		if (!c->r->listenings.at[i].port) {
			address = &c->r->listenings.at[i];
		}
	}
	for (size_t i = c->first_listening; address && i < c->r->listenings.n; i++) {
		struct listening *l = &c->r->listenings.at[i];

		if (l->port && l->scope == SCOPE_ANY) {
			l->scope = address->scope;
		}
	}
}

void value_read_command(struct value_reader *r, const struct val *const *lists,
                        const char *const *paths, size_t n_lists, enum value_source source,
                        enum value_place place)
{
	struct command c = {
		.r = r, .source = source, .place = place, .first_listening = r->listenings.n
	};

	for (size_t i = 0; i < n_lists; i++) {
		add_list(&c, lists[i], paths[i]);
	}
	for (size_t i = 0; i < c.words.n; i++) {
		read_word(&c, i);
	}
	if (source != VALUE_ARGUMENT) {
		/* a probe's or hook's command opens nothing that lasts */
		r->listenings.n = c.first_listening;
	}
	join_listenings(&c);
	vec_fini(&c.words);
}

void value_read_arguments(struct value_reader *r)
{
	const struct val *const lists[] = { val_get(r->container, "command"),
		                            val_get(r->container, "args") };
	const char *const paths[] = { arena_printf(r->arena, "%s.command", r->container_path),
		                      arena_printf(r->arena, "%s.args", r->container_path) };

	value_read_command(r, lists, paths, ARRAY_SIZE(lists), VALUE_ARGUMENT, PLACE_POD);
}
