/* Why: no Ingress, however strange, may break out of its place in nginx.conf: the rendered text
 * keeps nginx's shape (words, blocks, no directive but those we write), and rendering is
 * repeatable. */
#include <stdint.h>
#include <string.h>

#include "base/must.h"
#include "codec/json.h"
#include "edge/nginx.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct doc *no_secret(void *arg, struct slice ns, struct slice name)
{
	(void)arg;
	(void)ns;
	(void)name;
	return NULL;
}

static void no_warning(void *arg, const char *text)
{
	(void)arg;
	(void)text;
}

/* Walks the text as nginx's reader does: quotes, escapes, comments, blocks. Ends with every block
 * closed and in no quote; Lua blocks of ours are balanced by braces as well. */
static void must_be_whole(struct slice s)
{
	int depth = 0;
	char quote = 0;
	bool word_starts = true;

	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];

		if (quote) {
			if (c == '\\') {
				i++;
			} else if (c == quote) {
				quote = 0;
			}
			continue;
		}
		if (c == '#' && word_starts) {
			while (i < s.len && s.p[i] != '\n') {
				i++;
			}
			continue;
		}
		if ((c == '"' || c == '\'') && word_starts) {
			quote = c;
		}
		depth += (c == '{') - (c == '}');
		must(depth >= 0);
		word_starts = strchr(" \t\n;{}(", c) != NULL;
	}
	must(depth == 0 && !quote);
}

static void render(struct arena *a, const struct doc *d, struct strbuf *out)
{
	const struct doc *const docs[] = { d };
	struct nginx_settings g =
		nginx_settings_read(a, val_get(d->root, "config"), no_warning, NULL);
	const struct routes_input in = { .ingresses = docs,
		                         .n_ingresses = 1,
		                         .global = &g,
		                         .class_name = "nginx",
		                         .controller = "k8s.io/ingress-nginx",
		                         .without_class = true,
		                         .secret = no_secret };
	struct routes r = routes_make(a, &in);

	nginx_render(out, &r, &g,
	             &(struct nginx_layout){ .dir = "/tmp/nginx",
	                                     .http_port = 80,
	                                     .https_port = 443,
	                                     .default_cert = "d.pem" });
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	scoped_arena struct arena a = { .max = 64 << 20 };
	scoped_strbuf struct strbuf one = { 0 }, two = { 0 };
	scoped_doc struct doc *d = NULL;

	if (json_parse_doc((struct slice){ (const char *)data, size }, 0, &d, NULL) < 0) {
		return 0;
	}
	render(&a, d, &one);
	render(&a, d, &two);
	must(slice_eq(strbuf_slice(&one), strbuf_slice(&two)));
	must_be_whole(strbuf_slice(&one));
	return 0;
}
