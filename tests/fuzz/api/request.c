/* Why: paths, queries, Accept headers and tokens are anybody's bytes. The input is up to four
 * lines: method and path, query, Accept, a page's or a login's token. */
#include <stdint.h>

#include "api/accept.h"
#include "api/authenticate.h"
#include "api/options.h"
#include "api/proxy.h"
#include "api/route.h"
#include "api/snapshot.h"
#include "api/token.h"
#include "base/must.h"
#include "codec/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_inside(struct slice part, struct slice whole)
{
	return !part.len || (part.p >= whole.p && part.p + part.len <= whole.p + whole.len);
}

static void try_route(struct slice line)
{
	struct slice method, path, scheme, name, port;
	struct route r;

	slice_cut(line, ' ', &method, &path);
	must(is_inside(proxy_path(path), path));
	if (route_parse(method, path, false, &r) && r.is_resource) {
		must(r.resource.len && is_inside(r.resource, path) && is_inside(r.name, path));
		must(is_inside(r.rest, path) && is_inside(r.ns, path));
		if (proxy_name_split(r.name, &scheme, &name, &port)) {
			must(name.len && is_inside(name, path) && is_inside(port, path));
		}
	}
	must(verb_name(r.verb) != NULL);
}

static void try_token(struct arena *a, struct slice line)
{
	scoped_strbuf struct strbuf again = { 0 };
	struct token_claims claims;
	struct page page, twice;
	struct val *v;

	if (page_parse(a, line, &page)) {
		page_format(&again, &page);
		must(page_parse(a, strbuf_slice(&again), &twice) && twice.at == page.at);
	}
	(void)token_of_protocols(a, line);
	if (json_parse(a, line, 0, &v, NULL) == 0) {
		must(token_claims_read(v, 0, &claims, NULL) <= 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	scoped_arena struct arena a = { .max = 16 << 20 };
	struct slice rest = { (const char *)data, size }, line = SLICE("");
	struct options options;
	struct wanted wanted;

	slice_next(&rest, '\n', &line);
	try_route(line);
	line = SLICE("");
	slice_next(&rest, '\n', &line);
	must(options_parse(&a, line, &options, NULL) <= 0);
	line = SLICE("");
	slice_next(&rest, '\n', &line);
	(void)accept_choose(line, true, &wanted);
	(void)accept_discovery(line);
	(void)accept_has(line, "application/json", true);
	line = SLICE("");
	slice_next(&rest, '\n', &line);
	try_token(&a, line);
	return 0;
}
