/* SPDX-License-Identifier: MIT */
#pragma once
#include <glib.h>

/* The a{sv} of a method, checked: every key is known, given once, and of its type. */
typedef struct
{
  const char *key;
  const char *type; /* a D-Bus signature */
} AglOptionSpec;

/* A checked a{sv}. The getters want a key of their type that the specs have. */
typedef GHashTable AglOptions;

/* @specs: terminated by a NULL key. Errors: AGL_ERROR_INVALID_OPTION naming the key. */
AglOptions *agl_options_parse (GVariant *options, const AglOptionSpec *specs, GError **error);

gboolean agl_options_has (AglOptions *self, const char *key);
gboolean agl_options_get_boolean (AglOptions *self, const char *key, gboolean fallback);
guint32 agl_options_get_uint32 (AglOptions *self, const char *key, guint32 fallback);
guint64 agl_options_get_uint64 (AglOptions *self, const char *key, guint64 fallback);
const char *agl_options_get_string (AglOptions *self,
                                    const char *key);              /* NULL: not given; lives with @self */
gint32 agl_options_get_handle (AglOptions *self, const char *key); /* -1: not given */

/* A PID: NULL-safe about range. 0 when not given. Errors: AGL_ERROR_INVALID_OPTION for what is no PID. */
gboolean agl_options_get_pid (AglOptions *self, const char *key, guint32 *pid, GError **error);
/* A free text: at most AGL_MAX_TEXT_BYTES. *text: copied, NULL when not given. */
gboolean agl_options_get_text (AglOptions *self, const char *key, char **text, GError **error);
/* FALSE and AGL_ERROR_INVALID_OPTION when both are given. */
gboolean agl_options_exclude (AglOptions *self, const char *one, const char *other, GError **error);
