/* SPDX-License-Identifier: MIT */
#pragma once
#include <gio/gio.h>

/* @value as JSON: dictionaries become objects, variants what is in them, arrays of bytes arrays of numbers.
 * Always UTF-8, in no language. @pretty: indented, over several lines. Without a final newline; caller frees.
 */
char *agl_json_from_variant (GVariant *value, gboolean pretty);

/* The same on standard output, with a newline, at once. @value is consumed when floating. */
void agl_json_print (GVariant *value, gboolean pretty);
