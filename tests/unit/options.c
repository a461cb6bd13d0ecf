/* SPDX-License-Identifier: MIT */
#include "service/options.h"

#include "common/error.h"
#include "common/names.h"
#include "service/acquire-options.h"

static GVariant *
dictionary (const char *text)
{
  g_autoptr (GError) error = NULL;
  GVariant *value = g_variant_parse (G_VARIANT_TYPE_VARDICT, text, NULL, NULL, &error);

  g_assert_no_error (error);
  return value;
}

/* Whether Acquire's options are taken; on refusal the message must hold @names. */
static void
assert_refused (const char *text, const char *names)
{
  g_autoptr (GVariant) value = dictionary (text);
  g_auto (AglAcquireOptions) options = { 0 };
  g_autoptr (GError) error = NULL;

  g_assert_false (agl_acquire_options_parse (value, TRUE, &options, &error));
  g_assert_error (error, AGL_ERROR, AGL_ERROR_INVALID_OPTION);
  g_assert_nonnull (strstr (error->message, names));
  g_assert_null (options.request);
}

static void
assert_taken (const char *text, AglAcquireOptions *options)
{
  g_autoptr (GVariant) value = dictionary (text);
  g_autoptr (GError) error = NULL;

  g_assert_true (agl_acquire_options_parse (value, TRUE, options, &error));
  g_assert_no_error (error);
}

static void
test_none (void)
{
  g_auto (AglAcquireOptions) options = { 0 };
  const AglRequest *request;

  assert_taken ("{}", &options);
  request = options.request;
  g_assert_cmpuint (options.pid, ==, 0);
  g_assert_cmpint (options.pidfd, ==, -1);
  g_assert_cmpint (options.directory_fd, ==, -1);
  g_assert_false (options.manual);
  g_assert_cmpint (request->mode, ==, AGL_MODE_EXCLUSIVE);
  g_assert_true (request->follow_cwd);
  g_assert_cmpint (request->conflict, ==, AGL_CONFLICT_FAIL);
  g_assert_cmpint (request->timeout_msec, ==, -1);
  g_assert_cmpint (request->ttl_sec, ==, 0);
  g_assert_true (request->detect_agents);
  g_assert_null (request->texts.reason);
}

static void
test_all (void)
{
  g_auto (AglAcquireOptions) process = { 0 }, claim = { 0 };

  assert_taken ("{'pid': <uint32 7>, 'directory-fd': <handle 3>, 'follow-cwd': <false>, 'shared': <true>, "
                "'subtree': <true>, 'conflict': <'wait'>, 'timeout': <uint32 0>, 'ticket': <'t'>, "
                "'detect-agents': <false>, 'agent': <'a'>, 'session': <'s'>, 'reason': <'r'>}",
                &process);
  g_assert_cmpuint (process.pid, ==, 7);
  g_assert_cmpint (process.directory_fd, ==, 3);
  g_assert_false (process.request->follow_cwd);
  g_assert_cmpint (process.request->mode, ==, AGL_MODE_SHARED | AGL_MODE_SUBTREE);
  g_assert_cmpint (process.request->conflict, ==, AGL_CONFLICT_WAIT);
  g_assert_cmpint (process.request->timeout_msec, ==, 0);
  g_assert_cmpstr (process.request->ticket, ==, "t");
  g_assert_false (process.request->detect_agents);
  g_assert_cmpstr (process.request->texts.agent, ==, "a");
  g_assert_cmpstr (process.request->texts.session, ==, "s");
  g_assert_cmpstr (process.request->texts.reason, ==, "r");

  assert_taken ("{'manual': <true>, 'ttl': <uint32 4294967295>, 'conflict': <'steal'>}", &claim);
  g_assert_true (claim.manual);
  g_assert_false (claim.request->follow_cwd);
  g_assert_cmpint (claim.request->ttl_sec, ==, G_MAXUINT32);
}

static void
test_refused (void)
{
  static const struct
  {
    const char *text, *names;
  } cases[] = {
    { "{'nonsense': <1>}", "'nonsense'" },
    { "{'Pid': <uint32 1>}", "'Pid'" },
    { "{'a\\nb': <1>}", "'a\\nb'" },
    { "{'pid': <1>}", "'pid'" },
    { "{'pid': <uint64 1>}", "'pid'" },
    { "{'pid': <uint32 0>}", "'pid'" },
    { "{'pid': <uint32 2147483648>}", "'pid'" },
    { "{'pidfd': <1>}", "'pidfd'" },
    { "{'pidfd': <handle -1>}", "'pidfd'" },
    { "{'directory-fd': <handle -1>}", "'directory-fd'" },
    { "{'pid': <uint32 1>, 'pidfd': <handle 0>}", "'pidfd'" },
    { "{'manual': <true>, 'pid': <uint32 1>}", "'manual'" },
    { "{'manual': <true>, 'pidfd': <handle 0>}", "'manual'" },
    { "{'manual': <true>, 'follow-cwd': <true>}", "'follow-cwd'" },
    { "{'ttl': <uint32 1>}", "'ttl'" },
    { "{'manual': <false>, 'ttl': <uint32 1>}", "'ttl'" },
    { "{'manual': <true>, 'ttl': <uint32 0>}", "'ttl'" },
    { "{'timeout': <uint32 1>}", "'timeout'" },
    { "{'conflict': <'steal'>, 'timeout': <uint32 1>}", "'timeout'" },
    { "{'conflict': <'Wait'>}", "'conflict'" },
    { "{'conflict': <true>}", "'conflict'" },
    { "{'shared': <'yes'>}", "'shared'" },
    { "{'reason': <'a'>, 'reason': <'b'>}", "'reason'" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    assert_refused (cases[i].text, cases[i].names);
}

static void
test_texts_of_every_length (void)
{
  static const char *const keys[] = { "agent", "session", "reason", "ticket" };
  g_autofree char *longest = g_strnfill (AGL_MAX_TEXT_BYTES, 'x');

  for (gsize i = 0; i < G_N_ELEMENTS (keys); i++)
    {
      g_autofree char *taken = g_strdup_printf ("{'%s': <'%s'>}", keys[i], longest);
      g_autofree char *refused = g_strdup_printf ("{'%s': <'%sx'>}", keys[i], longest);
      g_auto (AglAcquireOptions) options = { 0 };

      assert_taken (taken, &options);
      assert_refused (refused, keys[i]);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/options/none", test_none);
  g_test_add_func ("/options/all", test_all);
  g_test_add_func ("/options/refused", test_refused);
  g_test_add_func ("/options/texts-of-every-length", test_texts_of_every_length);
  return g_test_run ();
}
