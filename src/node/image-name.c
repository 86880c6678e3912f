/* Why: every image is stored under one spelling, so a name loaded from an archive and a name in a
 * pod meet whatever short form either used. */
#include "node/image-name.h"

#include <ctype.h>

#include "base/mem.h"

static bool copy_part(struct slice s, char *to, size_t room)
{
	if (s.len == 0 || s.len >= room) {
		return false;
	}
	memcpy(to, s.p, s.len);
	to[s.len] = '\0';
	return true;
}

static bool is_alnum_lower(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* path-component ['/' path-component]*: alphanumerics joined by '.', '_', '__' or dashes. */
static bool path_is_valid(struct slice path)
{
	struct slice rest = path, part;

	while (slice_next(&rest, '/', &part)) {
		if (part.len == 0 || !is_alnum_lower(part.p[0]) ||
		    !is_alnum_lower(part.p[part.len - 1])) {
			return false;
		}
		for (size_t i = 0; i < part.len; i++) {
			char c = part.p[i];

			if (!is_alnum_lower(c) && c != '.' && c != '_' && c != '-') {
				return false;
			}
			if (c == '.' && part.p[i + 1] == '.') {
				return false;
			}
		}
	}
	return path.len > 0 && path.p[path.len - 1] != '/';
}

static bool tag_is_valid(struct slice tag)
{
	if (tag.len == 0 || tag.len > 128 || tag.p[0] == '.' || tag.p[0] == '-') {
		return false;
	}
	for (size_t i = 0; i < tag.len; i++) {
		if (!isalnum((unsigned char)tag.p[i]) && !char_is_one_of(tag.p[i], "._-")) {
			return false;
		}
	}
	return true;
}

static bool digest_is_valid(struct slice digest)
{
	if (!slice_has_prefix(digest, SLICE("sha256:")) || digest.len != 7 + 64) {
		return false;
	}
	for (size_t i = 7; i < digest.len; i++) {
		if (!char_is_one_of(digest.p[i], "0123456789abcdef")) {
			return false;
		}
	}
	return true;
}

static bool domain_is_valid(struct slice domain)
{
	for (size_t i = 0; i < domain.len; i++) {
		if (!isalnum((unsigned char)domain.p[i]) && !char_is_one_of(domain.p[i], ".-:[]")) {
			return false;
		}
	}
	return domain.len > 0;
}

/* The part before the first '/' is a registry when it could not be a path: has '.' or ':', or is
 * "localhost". */
static bool is_domain(struct slice head)
{
	return slice_find(head, '.') >= 0 || slice_find(head, ':') >= 0 ||
	       slice_is(head, "localhost");
}

int image_name_parse(struct slice text, struct image_name *ret, struct err *err)
{
	struct image_name n = { 0 };
	struct slice rest = text, name, digest, head, tail, tag = { 0 };
	scoped_strbuf struct strbuf path = { 0 };

	if (slice_cut(rest, '@', &name, &digest) &&
	    (!digest_is_valid(digest) || !copy_part(digest, n.digest, sizeof(n.digest)))) {
		goto bad;
	}
	if (slice_cut(name, '/', &head, &tail) && is_domain(head)) {
		if (!domain_is_valid(head) || !copy_part(head, n.domain, sizeof(n.domain))) {
			goto bad;
		}
		name = tail;
		if (strcmp(n.domain, "index.docker.io") == 0) {
			copy_part(SLICE("docker.io"), n.domain, sizeof(n.domain));
		}
	} else {
		copy_part(SLICE("docker.io"), n.domain, sizeof(n.domain));
	}
	if (slice_rfind(name, ':') >= 0) {
		ptrdiff_t at = slice_rfind(name, ':');

		tag = slice_from(name, (size_t)at + 1);
		name = slice_head(name, (size_t)at);
		if (!tag_is_valid(tag) || !copy_part(tag, n.tag, sizeof(n.tag))) {
			goto bad;
		}
	}
	if (!path_is_valid(name)) {
		goto bad;
	}
	if (strcmp(n.domain, "docker.io") == 0 && slice_find(name, '/') < 0) {
		strbuf_adds(&path, "library/");
	}
	strbuf_add_slice(&path, name);
	if (!copy_part(strbuf_slice(&path), n.path, sizeof(n.path))) {
		goto bad;
	}
	if (!n.tag[0] && !n.digest[0]) {
		copy_part(SLICE("latest"), n.tag, sizeof(n.tag));
	}
	*ret = n;
	return 0;
bad:
	return err_raise(err, ERR_INVALID,
	                 "couldn't parse image name \"" SLICE_FMT "\": invalid reference format",
	                 SLICE_ARG(text));
}

void image_name_format(const struct image_name *n, struct strbuf *out)
{
	strbuf_addf(out, "%s/%s", n->domain, n->path);
	if (n->digest[0]) {
		strbuf_addf(out, "@%s", n->digest);
	} else {
		strbuf_addf(out, ":%s", n->tag);
	}
}

bool image_name_is_latest(const struct image_name *n)
{
	return !n->digest[0] && strcmp(n->tag, "latest") == 0;
}
