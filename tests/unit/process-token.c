/* SPDX-License-Identifier: MIT */
#include "core/process.h"

#include <string.h>
#include <sys/stat.h>

static void
test_tokens_as_text (void)
{
  static const char *const bad[] = {
    "",         "pidfs",     "pidfs:",   "pidfs:-1",  "pidfs: 1",
    "pidfs:1 ", "start:0x1", "PIDFS:1",  "start:1\n", "start:18446744073709551616",
    "pidfs:+1", "x:1",       "spidfs:1", "start:1.0"
  };
  AglProcessToken token = { AGL_TOKEN_PIDFS, 7, G_MAXUINT64 };
  AglProcessToken parsed;
  g_autofree char *pidfs = agl_process_token_to_string (&token);
  g_autofree char *start = NULL;
  g_autofree char *none = NULL;

  g_assert_cmpstr (pidfs, ==, "pidfs:18446744073709551615");
  g_assert_true (agl_process_token_parse (pidfs, 7, &parsed));
  g_assert_true (agl_process_token_equal (&token, &parsed));
  g_assert_true (agl_process_token_parse (pidfs, 8, &parsed));
  g_assert_false (agl_process_token_equal (&token, &parsed));

  token.kind = AGL_TOKEN_START_TIME;
  start = agl_process_token_to_string (&token);
  g_assert_cmpstr (start, ==, "start:18446744073709551615");
  g_assert_true (agl_process_token_parse (start, 7, &parsed));
  g_assert_true (agl_process_token_equal (&token, &parsed));

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    g_assert_false (agl_process_token_parse (bad[i], 7, &parsed));
  g_assert_false (agl_process_token_parse (start, 0, &parsed));
  g_assert_false (agl_process_token_parse (start, -1, &parsed));
  g_assert_true (agl_process_token_equal (&token, &parsed)); /* as it was */

  token.kind = AGL_TOKEN_NONE;
  none = agl_process_token_to_string (&token);
  g_assert_cmpstr (none, ==, "");
  g_assert_false (agl_process_token_equal (&token, &token));
}

#define STAT_TAIL "4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 1000 2000\n"

static void
test_stat_is_parsed (void)
{
  static const struct
  {
    const char *text;
    gboolean ok;
    pid_t parent;
  } cases[] = {
    { "5 (cat) R 42 5 5 0 -1 " STAT_TAIL, TRUE, 42 },
    { "5 (a b) S 42 5 5 0 -1 " STAT_TAIL, TRUE, 42 },
    { "5 (x) R 1 2 (y)) Z 42 5 5 0 -1 " STAT_TAIL, TRUE, 42 },
    { "5 (\n) S 0 5 5 0 -1 " STAT_TAIL, TRUE, 0 },
    { "5 (cat) R 42 5 5 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654", TRUE, 42 },
    { "5 (cat) R 42 5 5 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 ", FALSE, 0 },
    { "5 (cat) R 42 5 5 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 -987654 1", FALSE, 0 },
    { "5 (cat) R 42 5 5 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98x654 1", FALSE, 0 },
    { "5 (cat) R 42 5 5 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 99999999999999999999 1", FALSE, 0 },
    { "5 (cat) R 99999999999 5 5 0 -1 " STAT_TAIL, FALSE, 0 },
    { "5 (cat) R -1 5 5 0 -1 " STAT_TAIL, FALSE, 0 },
    { "5 cat R 42 5 5 0 -1 " STAT_TAIL, FALSE, 0 },
    { "5 (cat)", FALSE, 0 },
    { "5 (cat) ", FALSE, 0 },
    { "5 (cat) R", FALSE, 0 },
    { "", FALSE, 0 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      gsize length = strlen (cases[i].text);
      /* Not terminated, so that a read beyond the end shows. */
      g_autofree char *exact = g_memdup2 (cases[i].text, length);
      pid_t parent = -7;
      guint64 start_time = 7;

      g_assert_cmpint (agl_process_parse_stat (exact != NULL ? exact : "", length, &parent, &start_time), ==,
                       cases[i].ok);
      g_assert_cmpint (parent, ==, cases[i].ok ? cases[i].parent : -7);
      g_assert_cmpuint (start_time, ==, cases[i].ok ? 987654 : 7);
    }
}

static void
test_the_world (void)
{
  const char *world = agl_process_world ();
  g_auto (GStrv) parts = g_strsplit (world, "/", -1);
  g_autofree char *boot_id = NULL;
  struct stat st;

  g_assert_true (world == agl_process_world ());
  g_assert_cmpuint (g_strv_length (parts), ==, 2);
  g_assert_true (g_uuid_string_is_valid (parts[0]));
  g_assert_true (g_file_get_contents ("/proc/sys/kernel/random/boot_id", &boot_id, NULL, NULL));
  g_assert_true (g_str_has_prefix (boot_id, parts[0]));
  g_assert_cmpint (stat ("/proc/self/ns/pid", &st), ==, 0);
  g_assert_cmpuint (g_ascii_strtoull (parts[1], NULL, 10), ==, st.st_ino);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/process-token/as-text", test_tokens_as_text);
  g_test_add_func ("/process-token/stat", test_stat_is_parsed);
  g_test_add_func ("/process-token/world", test_the_world);
  return g_test_run ();
}
