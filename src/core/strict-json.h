/* SPDX-License-Identifier: MIT */
#pragma once
#include <gio/gio.h>
#include <json-glib/json-glib.h>

/* JSON as this service writes it for itself, and nothing wider. json-glib reads more than JSON (comments,
 * single quotes, hexadecimal), and 1.6 overflows the stack on a megabyte of "[" and leaks the first of two
 * roots, so what came from a disk passes agl_strict_json_check() first.
 * Every error here is G_IO_ERROR_INVALID_DATA. */

/* One object and nothing beside it, in printable ASCII and white space alone; strings closed and escaped as
 * RFC 8259 says, without \u0000 and without lone surrogates; at most AGL_STRICT_JSON_MAX_DEPTH levels. That
 * commas separate and brackets pair is left to json-glib, and so is a text that is blank. */
#define AGL_STRICT_JSON_MAX_DEPTH 4
gboolean agl_strict_json_check (const char *data, gsize n_bytes, GError **error);

/* Compact, on one line that ends in a newline, everything outside printable ASCII as \uHHHH, so that no text
 * in it can play tricks on a terminal. Caller frees. */
char *agl_strict_json_to_string (JsonNode *node);

/* The member @key, which must be there, of that type, and in that range. */
gboolean agl_strict_json_get_int (
    JsonObject *object, const char *key, gint64 min, gint64 max, gint64 *value, GError **error);
gboolean agl_strict_json_get_boolean (JsonObject *object, const char *key, gboolean *value, GError **error);
/* The three pointers are owned by @object. */
const char *agl_strict_json_get_string (JsonObject *object, const char *key, GError **error);
JsonArray *agl_strict_json_get_array (JsonObject *object, const char *key, guint max_length, GError **error);
JsonObject *agl_strict_json_get_object (JsonObject *object, const char *key, GError **error);
