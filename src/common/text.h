/* SPDX-License-Identifier: MIT */
#pragma once
#include <glib.h>

/* Text that came from outside, made harmless for a log line, a message or a terminal: control characters,
 * newlines, bidirectional and invisible format characters, line separators, backslashes and bytes that are
 * not UTF-8 become \n, \t, \\, \xHH or \u{HHHH}; everything else stays as it is. Never fails; caller frees.
 * @n_bytes: -1 when zero-terminated. */
char *agl_text_escape (const char *bytes, gssize n_bytes);

/* @text in double quotes, as one word of a command line that a person may copy. NULL where a shell would make
 * something else of it, or it cannot be shown as it is. Caller frees. */
char *agl_text_shell_word (const char *text);

/* TRUE for what @text may be as a free text on the bus: UTF-8 of at most AGL_MAX_TEXT_BYTES.
 * (D-Bus strings are UTF-8 already; state files need not be.) */
gboolean agl_text_is_acceptable (const char *text);
