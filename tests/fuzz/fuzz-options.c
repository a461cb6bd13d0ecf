/* SPDX-License-Identifier: MIT */

/* The a{sv} of Acquire, which anybody on the bus sends. An input is such a dictionary as GVariant text, which
 * is what the corpus and the dictionary are made of, or else as GVariant bytes. */
#include "fuzz.h"

#include "common/error.h"
#include "common/names.h"
#include "service/acquire-options.h"

#include <string.h>

static GVariant *
read_dictionary (const guint8 *data, size_t n_bytes)
{
  const char *text = (const char *)data;
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GVariant) raw = NULL;
  /* GLib's parser of texts wants UTF-8. */
  GVariant *parsed = g_utf8_validate (text, n_bytes, NULL)
                         ? g_variant_parse (G_VARIANT_TYPE_VARDICT, text, text + n_bytes, NULL, NULL)
                         : NULL;

  if (parsed != NULL)
    return parsed;
  bytes = g_bytes_new (data, n_bytes);
  raw = g_variant_ref_sink (g_variant_new_from_bytes (G_VARIANT_TYPE_VARDICT, bytes, FALSE));
  return g_variant_get_normal_form (raw);
}

static void
assert_short (const char *text)
{
  g_assert_true (text == NULL || strlen (text) <= AGL_MAX_TEXT_BYTES);
}

/* What the parser lets through is what the rest of the service relies on. */
static void
assert_sound (const AglAcquireOptions *options)
{
  const AglRequest *request = options->request;

  g_assert_cmpuint (options->pid, <=, G_MAXINT32);
  g_assert_false (options->pid != 0 && options->pidfd >= 0);
  g_assert_false (options->manual && (options->pid != 0 || options->pidfd >= 0 || request->follow_cwd));
  g_assert_false (request->ttl_sec != 0 && !options->manual);
  g_assert_false (request->timeout_msec >= 0 && request->conflict != AGL_CONFLICT_WAIT);
  assert_short (request->ticket);
  assert_short (request->texts.agent);
  assert_short (request->texts.session);
  assert_short (request->texts.reason);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, size_t n_bytes)
{
  g_autoptr (GVariant) dictionary = read_dictionary (data, n_bytes);
  g_auto (AglAcquireOptions) options = { 0 };
  g_autoptr (GError) error = NULL;

  if (agl_acquire_options_parse (dictionary, TRUE, &options, &error))
    assert_sound (&options);
  else
    {
      g_assert_error (error, AGL_ERROR, AGL_ERROR_INVALID_OPTION);
      g_assert_true (g_utf8_validate (error->message, -1, NULL));
    }
  return 0;
}
