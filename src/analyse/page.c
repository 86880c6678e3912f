/* Why: see page.h. */
#include "analyse/page.h"

#include "analyse/markup.h"

static const char common[] =
	":root{color-scheme:light dark;--ink:#1f2328;--pale:#59636e;--line:#d1d9e0;--card:#f6f8fa;"
	"--good:#1a7f37;--doubt:#9a6700;--bad:#cf222e;--back:#fff}"
	"@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--pale:#9198a1;--line:#3d444d;"
	"--card:#151b23;--good:#3fb950;--doubt:#d29922;--bad:#f85149;--back:#0d1117}}"
	"body{margin:0;font:14px/1.5 ui-sans-serif,system-ui,sans-serif;color:var(--ink);"
	"background:var(--back)}"
	"main{max-width:1000px;margin:0 auto;padding:24px 16px 48px}"
	"h1{font-size:20px;margin:0 0 4px}h2{font-size:16px;margin:28px 0 8px}"
	"code,pre{font:12px/1.5 ui-monospace,monospace}"
	"pre{background:var(--card);border:1px solid var(--line);border-radius:6px;padding:8px "
	"12px;"
	"margin:6px 0;white-space:pre-wrap;overflow-wrap:anywhere}"
	".pale{color:var(--pale)}.good{color:var(--good)}.doubt{color:var(--doubt)}.bad{color:var(-"
	"-"
	"bad)}"
	"input[type=search]{padding:5px 9px;font:inherit;width:260px;margin:12px 0}"
	"table{border-collapse:collapse;width:100%}"
	"th,td{text-align:left;padding:4px 10px;border-bottom:1px solid var(--line);"
	"vertical-align:top;overflow-wrap:anywhere}\n";

void page_begin(struct strbuf *out, const char *title, const char *style)
{
	strbuf_adds(out, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
	                 "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
	                 "<title>");
	markup_add(out, slice_of(title));
	strbuf_addf(out, "</title>\n<style>%s%s</style></head><body>\n", common, style);
}

void page_search(struct strbuf *out)
{
	strbuf_adds(
		out,
		"<input id=\"q\" type=\"search\" placeholder=\"search\" aria-label=\"search\">\n"
		"<script>\n"
		"document.getElementById('q').addEventListener('input',function(){\n"
		"var s=this.value.toLowerCase();\n"
		"document.querySelectorAll('.row').forEach(function(r){\n"
		"r.hidden=r.textContent.toLowerCase().indexOf(s)<0})});\n"
		"</script>\n");
}

void page_end(struct strbuf *out)
{
	strbuf_adds(out, "</body></html>\n");
}
