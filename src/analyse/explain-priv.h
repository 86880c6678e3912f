/* What: what the writers of explanations share. */
#pragma once

#include "analyse/explain.h"

const char *explain_verdict_text(enum explain_verdict v);   /* "ok", "?", "broken" */
const char *explain_note_word(enum explain_note_type type); /* "by" */
/* Where a note's object stands, with ": " behind it; nothing for a note without one. */
void explain_note_place(struct strbuf *out, const struct explain_note *n);
/* Is the note one that the style shows? *n_near counts those of its step that nearly matched. */
bool explain_note_is_shown(const struct explain_step *s, const struct explain_note *n,
                           const struct explain_style *style, size_t *n_near);
/* The path that decides the answer: the first that breaks; null: none does. */
const struct explain_path *explain_first_broken(const struct explanation *x);
