/* What: the only way text from objects gets into nginx.conf: what each place may hold, and the one
 * encoder that writes it.
 *
 * nginx reads a configuration language, so every string of an object is data that could become code
 * there: quotes, braces, semicolons, line ends and '$' decide where a word ends and what is a
 * variable. Each place has an alphabet; what is outside of it refuses the route. The encoder quotes
 * always. Source: ingress-nginx CVE-2021-25742, 25745, 25748, 2023-5043, 2025-1974, 24514: all of
 * one kind. */
#pragma once

#include <stdbool.h>

#include "base/slice.h"
#include "base/strbuf.h"

/* A name of a namespace, Service, Secret or port: [a-z0-9.-], 1 to 253. */
bool nginx_name_is_valid(struct slice name);
/* The new path of rewrite-target: '/' or a URL without variables but "$1" to "$9". */
bool nginx_target_is_valid(struct slice target);
/* A redirect: "http://", "https://" or '/' first, URL characters, and of variables only
 * $request_uri, $escaped_request_uri, $host, $scheme, $args and $is_args ($uri is decoded, and
 * would let line ends into the header). */
bool nginx_url_is_valid(struct slice url);
/* Host[:port] for the Host header. */
bool nginx_authority_is_valid(struct slice authority);
/* An RFC 9110 token: a header's or cookie's name, 1 to 128. */
bool nginx_token_is_valid(struct slice token);
/* Text for a header or realm: printable ASCII without quotes, '\', '$', ';', '{', '}', '#'; may be
 * empty. */
bool nginx_value_is_valid(struct slice value);
/* A list of words such as ssl-ciphers or ssl-protocols: [A-Za-z0-9 .:_+!@-]. */
bool nginx_words_are_valid(struct slice words);
/* "8", "8k", "1m", "2G". */
bool nginx_size_is_valid(struct slice size);
/* "60", "60s", "5m", "1h", "1d". */
bool nginx_time_is_valid(struct slice time);
/* An origin of cors-allow-origin: "*", or scheme "://" host [":" port], whose first label may be
 * '*'. */
bool nginx_origin_is_valid(struct slice origin);

/* Appends s as one quoted word. Bytes that no valid text has (controls) are left out. Variables
 * stay variables: only texts that were validated as above come here. */
void nginx_quote(struct strbuf *out, struct slice s);
/* Appends s as a part of a quoted regular expression that matches just s; no quotes are written. */
void nginx_quote_literal_regex(struct strbuf *out, struct slice s);
