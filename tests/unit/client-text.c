/* SPDX-License-Identifier: MIT */
#include <glib/gstdio.h>
#include <unistd.h>

#include "client/blockers-filter.h"
#include "client/blockers-text.h"
#include "client/duration.h"
#include "client/exit-status.h"
#include "client/failure.h"
#include "client/json.h"
#include "client/listener.h"
#include "client/place.h"
#include "common/error.h"

static void
test_parse_msec (void)
{
  static const struct
  {
    const char *text;
    gint64 msec; /* -1: refused */
  } cases[] = {
    { "0", 0 },     { "2", 2000 },        { "0.5", 500 }, { "1.2345", 1235 }, { ".5", 500 },
    { "5.", 5000 }, { "", -1 },           { "x", -1 },    { "-1", -1 },       { "1s", -1 },
    { " 1", -1 },   { "1 ", -1 },         { "0x1", -1 },  { "nan", -1 },      { "inf", -1 },
    { "1,5", -1 },  { "9999999999", -1 }, { ".", -1 },    { "1.2.3", -1 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      gint64 msec = -1;

      g_test_message ("“%s”", cases[i].text);
      g_assert_true (agl_duration_parse_msec (cases[i].text, &msec) == (cases[i].msec >= 0));
      if (cases[i].msec >= 0)
        g_assert_cmpint (msec, ==, cases[i].msec);
    }
}

static void
test_parse_sec (void)
{
  static const struct
  {
    const char *text;
    guint32 sec; /* 0: refused */
  } cases[] = {
    { "90", 90 },        { "90s", 90 },     { "15m", 900 },      { "2h", 7200 },
    { "1d", 86400 },     { "1h30m", 5400 }, { "1d12h", 129600 }, { "4294967295", G_MAXUINT32 },
    { "4294967296", 0 }, { "99999d", 0 },   { "0", 0 },          { "", 0 },
    { "m", 0 },          { "-5", 0 },       { "1.5h", 0 },       { "5y", 0 },
    { "1h30", 0 },       { " 5", 0 },       { "5 m", 0 },        { "99999999999999999999s", 0 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      guint32 sec = 0;

      g_test_message ("“%s”", cases[i].text);
      g_assert_true (agl_duration_parse_sec (cases[i].text, &sec) == (cases[i].sec > 0));
      if (cases[i].sec > 0)
        g_assert_cmpuint (sec, ==, cases[i].sec);
    }
}

static void
test_duration_to_string (void)
{
  static const struct
  {
    gint64 sec;
    const char *out;
  } cases[] = {
    { -5, "0s" },      { 0, "0s" },        { 59, "59s" },       { 60, "1min" },
    { 3599, "59min" }, { 3600, "1h" },     { 3661, "1h 1min" }, { 86399, "23h 59min" },
    { 86400, "1d" },   { 90000, "1d 1h" }, { 86460, "1d" },     { 8640000, "100d" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *out = agl_duration_to_string (cases[i].sec * G_USEC_PER_SEC);

      g_assert_cmpstr (out, ==, cases[i].out);
    }
}

static void
test_place_absolute (void)
{
  g_autofree char *cwd = g_get_current_dir ();
  g_autofree char *here = agl_place_absolute (NULL, NULL);
  g_autofree char *dot = agl_place_absolute (".", NULL);
  g_autofree char *below = agl_place_absolute ("a/b", NULL);
  g_autofree char *expected = g_build_filename (cwd, "a/b", NULL);
  g_autofree char *absolute = agl_place_absolute ("/x/../y", NULL);
  g_autofree char *empty = agl_place_absolute ("", NULL);

  g_assert_cmpstr (here, ==, cwd);
  g_assert_cmpstr (dot, ==, cwd);
  g_assert_cmpstr (below, ==, expected);
  g_assert_cmpstr (absolute, ==, "/x/../y");
  g_assert_cmpstr (empty, ==, "");
}

static void
test_place_display (void)
{
  static const struct
  {
    const char *path, *home, *out;
  } cases[] = {
    { "/home/u/src", "/home/u", "~/src" },
    { "/home/u", "/home/u", "~" },
    { "/home/user2", "/home/u", "/home/user2" },
    { "/home/u/src", NULL, "/home/u/src" },
    { "/x", "/", "/x" },
    { "/a\nb", "/home/u", "/a\\nb" },
    { "/home/u/\xff", "/home/u", "~/\\xff" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *out = agl_place_display (cases[i].path, cases[i].home);

      g_assert_cmpstr (out, ==, cases[i].out);
    }
}

static void
test_place_to_bus (void)
{
  g_autofree char *folder = g_dir_make_tmp ("agl-client-XXXXXX", NULL);
  g_autofree char *odd = g_build_filename (folder, "odd\xff", NULL);
  g_autoptr (GUnixFDList) fds = NULL;
  g_autoptr (GVariant) dict = NULL;
  g_autoptr (GError) error = NULL;
  GVariantBuilder options;
  gint32 handle = -1;

  g_assert_cmpint (g_mkdir (odd, 0700), ==, 0);
  g_variant_builder_init (&options, G_VARIANT_TYPE_VARDICT);
  g_assert_cmpstr (agl_place_to_bus (folder, &options, &fds, &error), ==, folder);
  g_assert_null (fds);
  g_assert_cmpstr (agl_place_to_bus (odd, &options, &fds, &error), ==, "");
  g_assert_no_error (error);
  g_assert_cmpint (g_unix_fd_list_get_length (fds), ==, 1);
  dict = g_variant_ref_sink (g_variant_builder_end (&options));
  g_assert_true (g_variant_lookup (dict, "directory-fd", "h", &handle));
  g_assert_cmpint (handle, ==, 0);
  g_assert_cmpint (g_rmdir (odd), ==, 0);
  g_assert_cmpint (g_rmdir (folder), ==, 0);

  g_variant_builder_init (&options, G_VARIANT_TYPE_VARDICT);
  g_assert_null (agl_place_to_bus (odd, &options, &fds, &error));
  g_assert_error (error, AGL_EXIT_ERROR, AGL_EXIT_FAILED);
  g_variant_builder_clear (&options);
}

static void
test_json (void)
{
  g_autoptr (GVariant) value = g_variant_ref_sink (g_variant_new_parsed (
      "[{'id': <uint64 9007199254740993>, 'shared': <false>, 'reason': <'größe \"x\" \\n'>,"
      "  'bytes': <@ay [0x2f, 0xff]>, 'nested': <{'waiters': <uint32 3>}>}]"));
  g_autofree char *text = agl_json_from_variant (value, FALSE);

  g_assert_cmpstr (text, ==,
                   "[{\"id\":9007199254740993,\"shared\":false,\"reason\":\"größe \\\"x\\\" \\n\","
                   "\"bytes\":[47,255],\"nested\":{\"waiters\":3}}]");
}

static void
test_respell (void)
{
  g_autofree char *out = agl_failure_respell ("\"/x\" is held, reason \"conflict=wait\"; wait with "
                                              "conflict=wait, or with conflict=join; release with force");

  g_assert_cmpstr (out, ==,
                   "\"/x\" is held, reason \"conflict=wait\"; wait with --wait, or with --join; release with "
                   "--force");
}

static void
test_wait_display (void)
{
  g_autoptr (GVariant) one = g_variant_ref_sink (g_variant_new_parsed (
      "[{'pid': <uint32 12>, 'command': <'sh'>, 'agent': <'claude'>, 'acquired-at': <uint64 1000000>,"
      "  'waiters': <uint32 1>}]"));
  g_autoptr (GVariant) several = g_variant_ref_sink (g_variant_new_parsed (
      "[{'pid': <uint32 12>, 'command': <'sh'>, 'acquired-at': <uint64 1000000>, 'waiters': <uint32 3>},"
      " {'pid': <uint32 13>}, {'pid': <uint32 14>}]"));
  g_autoptr (GVariant) unregistered = g_variant_ref_sink (g_variant_new_parsed (
      "[{'kind': <'unregistered'>, 'pid': <uint32 12>, 'command': <'node'>, 'agent': <'codex'>}]"));
  g_autoptr (GVariant) claim = g_variant_ref_sink (
      g_variant_new_parsed ("[{'kind': <'manual'>, 'pid': <uint32 0>, 'uid': <uint32 0>, 'command': <''>}]"));
  g_autoptr (GVariant) none = g_variant_ref_sink (g_variant_new_parsed ("@aa{sv} []"));
  const struct
  {
    GVariant *blockers;
    const char *out;
    gboolean others_first;
  } cases[] = {
    { one, "waiting for claude (pid 12): ~/app (there for 2min)" },
    { several, "waiting for sh (pid 12): ~/app (there for 2min, 2 others in the way, 3 in line)" },
    { unregistered, "waiting for codex (pid 12, unregistered): ~/app" },
    { claim, "waiting for a claim of root: ~/app" },
    { none, "waiting for my turn: ~/app" },
    { none, "waiting for my turn: ~/app (others came first)", TRUE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *out = agl_blockers_describe_wait (cases[i].blockers, cases[i].others_first,
                                                         "/home/u/app", "/home/u", 121 * G_USEC_PER_SEC);

      g_assert_cmpstr (out, ==, cases[i].out);
    }
}

static char *
pids_of (GVariant *blockers)
{
  GString *text = g_string_new (NULL);

  for (gsize i = 0; i < g_variant_n_children (blockers); i++)
    {
      g_autoptr (GVariant) blocker = g_variant_get_child_value (blockers, i);
      guint32 pid = 0;

      g_assert_true (g_variant_lookup (blocker, "pid", "u", &pid));
      g_string_append_printf (text, "%u ", pid);
    }
  return g_string_free (text, FALSE);
}

static void
test_filter (void)
{
  g_autoptr (GVariant) sharers = g_variant_ref_sink (g_variant_new_parsed (
      "[{'pid': <uint32 12>, 'shared': <true>}, {'pid': <uint32 13>, 'shared': <true>},"
      " {'pid': <uint32 0>, 'shared': <true>}, {'pid': <uint32 14>, 'kind': <'unregistered'>}]"));
  g_autoptr (GVariant) mixed = g_variant_ref_sink (g_variant_new_parsed (
      "[{'pid': <uint32 12>, 'shared': <true>}, {'pid': <uint32 13>, 'shared': <false>}]"));
  g_autoptr (GVariant) own =
      g_variant_ref_sink (g_variant_new_parsed ("[{'pid': <uint32 12>, 'shared': <true>}]"));
  g_autoptr (GVariant) none = g_variant_ref_sink (g_variant_new_parsed ("@aa{sv} []"));
  const struct
  {
    GVariant *blockers;
    pid_t holder;
    gboolean shared;
    const char *pids;
    gboolean others_first;
  } cases[] = {
    { sharers, 0, FALSE, "12 13 0 14 " },
    { sharers, 13, FALSE, "12 0 14 " },
    { sharers, 12, TRUE, "", TRUE }, /* behind one who waits for them */
    { sharers, 0, TRUE, "", TRUE },
    { own, 12, TRUE, "" },
    { none, 0, TRUE, "" },
    { mixed, 0, TRUE, "13 " },
    { mixed, 13, TRUE, "", TRUE },
    { mixed, 13, FALSE, "12 " },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      gboolean others_first = 2;
      g_autoptr (GVariant) found =
          agl_blockers_filter (cases[i].blockers, cases[i].holder, cases[i].shared, &others_first);
      g_autofree char *pids = pids_of (found);

      g_assert_cmpstr (pids, ==, cases[i].pids);
      g_assert_cmpint (others_first, ==, cases[i].others_first);
    }
}

static void
test_refusal (void)
{
  g_autoptr (GVariant) one = g_variant_ref_sink (g_variant_new_parsed (
      "[{'pid': <uint32 12>, 'command': <'sh'>, 'agent': <'claude'>, 'acquired-at': <uint64 1000000>,"
      "  'waiters': <uint32 4>, 'reason': <'a\\nb'>}, {'pid': <uint32 13>, 'uid': <uint32 1000>}]"));
  g_autoptr (GVariant) unregistered = g_variant_ref_sink (g_variant_new_parsed (
      "[{'kind': <'unregistered'>, 'pid': <uint32 12>, 'uid': <uint32 1>, 'command': <'node'>,"
      "  'agent': <'codex'>}]"));
  g_autoptr (GVariant) none = g_variant_ref_sink (g_variant_new_parsed ("@aa{sv} []"));
  const struct
  {
    GVariant *blockers;
    gboolean timed_out;
    const char *out;
    uid_t asker;
  } cases[] = {
    { one, FALSE,
      "~/app is in use by claude (pid 12): there for 2min, reason “a\\nb”, 1 other in the way; wait with "
      "--wait, work beside it with --join, or see agentctl-locks list",
      1000 },
    { one, FALSE,
      "~/app is in use by claude (pid 12): there for 2min, reason “a\\nb”, 1 other in the way; wait with "
      "--wait, or see agentctl-locks list",
      1001 },
    { one, FALSE,
      "~/app is in use by claude (pid 12): there for 2min, reason “a\\nb”, 1 other in the way; wait with "
      "--wait, work beside it with --join, or see agentctl-locks list",
      0 },
    { one, TRUE,
      "the time ran out, and ~/app is still in use by claude (pid 12): there for 2min, reason “a\\nb”, 1 "
      "other in the way" },
    { unregistered, FALSE,
      "~/app is in use by codex (pid 12, unregistered); wait with --wait, work beside it with --join, or see "
      "agentctl-locks check \"/home/u/app\"",
      1000 },
    { unregistered, TRUE, "the time ran out, and ~/app is still in use by codex (pid 12, unregistered)" },
    { none, FALSE, NULL },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *out =
          agl_blockers_describe_refusal (cases[i].blockers, "/home/u/app", "/home/u", 121 * G_USEC_PER_SEC,
                                         cases[i].asker, cases[i].timed_out);

      g_assert_cmpstr (out, ==, cases[i].out);
    }
}

static void
test_failure_words (void)
{
  g_autoptr (GError) error =
      g_error_new_literal (AGL_ERROR, AGL_ERROR_HELD, "\"/x\" is held; wait with conflict=wait");
  g_autofree char *english = NULL;
  g_autofree char *both = NULL;

  agl_failure_translate (error); /* no catalogue here: English, said once */
  english = agl_failure_in_one_line (error);
  g_assert_cmpstr (english, ==, "\"/x\" is held; wait with --wait");
  agl_failure_reword (error, "in use");
  g_assert_cmpstr (error->message, ==, "in use\n\"/x\" is held; wait with --wait");
  agl_failure_reword (error, "belegt");
  both = agl_failure_in_one_line (error);
  g_assert_cmpstr (both, ==, "belegt (\"/x\" is held; wait with --wait)");
}

static void
test_question (void)
{
  AglQuestion question = { 0 };

  g_assert_true (agl_question_begin (&question));
  g_assert_true (agl_question_end (&question)); /* nothing happened meanwhile */
  g_assert_false (question.is_outdated);

  g_assert_true (agl_question_begin (&question));
  g_assert_false (agl_question_begin (&question));
  g_assert_false (agl_question_end (&question)); /* outdated: asked again */
  g_assert_true (question.is_outdated);
  g_assert_true (agl_question_begin (&question));
  g_assert_true (agl_question_end (&question));

  for (guint round = 0; round < 3; round++)
    {
      guint n = 0;

      do
        {
          g_assert_true (agl_question_begin (&question));
          g_assert_false (agl_question_begin (&question));
          n++;
        }
      while (!agl_question_end (&question));
      g_assert_cmpuint (n, ==, 9); /* a stream of changes does not keep it silent */
      g_assert_true (question.is_outdated);
    }
}

static void
test_exit_status (void)
{
  static const struct
  {
    AglError code;
    int status;
  } cases[] = {
    { AGL_ERROR_HELD, 9 },           { AGL_ERROR_TIMED_OUT, 9 }, { AGL_ERROR_INVALID_OPTION, 64 },
    { AGL_ERROR_NOT_PERMITTED, 77 }, { AGL_ERROR_DEADLOCK, 70 }, { AGL_ERROR_NOT_FOUND, 70 },
    { AGL_ERROR_UNAVAILABLE, 70 },
  };
  g_autoptr (GError) gone = g_error_new_literal (G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN, "x");
  g_autoptr (GError) denied = g_error_new_literal (G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED, "x");
  g_autoptr (GError) silent = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "x");
  g_autoptr (GError) own = g_error_new_literal (AGL_EXIT_ERROR, AGL_EXIT_NOT_FOUND, "x");

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = g_error_new_literal (AGL_ERROR, cases[i].code, "x");

      g_assert_cmpint (agl_exit_status_of (error, 9), ==, cases[i].status);
      g_assert_false (agl_exit_is_service_gone (error));
    }
  g_assert_cmpint (agl_exit_status_of (gone, 75), ==, 69);
  g_assert_true (agl_exit_is_service_gone (gone));
  g_assert_cmpint (agl_exit_status_of (silent, 75), ==, 69);
  g_assert_false (agl_exit_is_service_gone (silent)); /* it is there, and asking again would not help */
  g_assert_cmpint (agl_exit_status_of (denied, 75), ==, 77);
  g_assert_cmpint (agl_exit_status_of (own, 75), ==, 127);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/client-text/parse-msec", test_parse_msec);
  g_test_add_func ("/client-text/parse-sec", test_parse_sec);
  g_test_add_func ("/client-text/duration-to-string", test_duration_to_string);
  g_test_add_func ("/client-text/place-absolute", test_place_absolute);
  g_test_add_func ("/client-text/place-display", test_place_display);
  g_test_add_func ("/client-text/place-to-bus", test_place_to_bus);
  g_test_add_func ("/client-text/json", test_json);
  g_test_add_func ("/client-text/respell", test_respell);
  g_test_add_func ("/client-text/wait-display", test_wait_display);
  g_test_add_func ("/client-text/filter", test_filter);
  g_test_add_func ("/client-text/refusal", test_refusal);
  g_test_add_func ("/client-text/failure-words", test_failure_words);
  g_test_add_func ("/client-text/question", test_question);
  g_test_add_func ("/client-text/exit-status", test_exit_status);
  return g_test_run ();
}
