/* SPDX-License-Identifier: MIT */
#include "client/table.h"

#include <string.h>

#include "client/exit-status.h"
#include "client/lock-columns.h"

static void
test_width (void)
{
  g_assert_cmpuint (agl_text_width (""), ==, 0);
  g_assert_cmpuint (agl_text_width ("abc"), ==, 3);
  g_assert_cmpuint (agl_text_width ("größe"), ==, 5);
  g_assert_cmpuint (agl_text_width ("日本語"), ==, 6);
  g_assert_cmpuint (agl_text_width ("e\xcc\x81"), ==, 1); /* e with a combining accent */
  g_assert_cmpuint (agl_text_width ("ｶﾅ"), ==, 2);        /* half-width */
  g_assert_cmpuint (agl_text_width ("Ａ！"), ==, 4);      /* full-width */
  g_assert_cmpuint (agl_text_width ("한국어"), ==, 6);
  g_assert_cmpuint (agl_text_width ("😀"), ==, 2);
  g_assert_cmpuint (agl_text_width ("a\u200bb\u200d"), ==, 2); /* nothing at all, and a joiner */
}

static void
test_cut (void)
{
  static const struct
  {
    const char *text;
    gsize width;
    AglCut cut;
    const char *out;
  } cases[] = {
    { "abcdef", 6, AGL_CUT_END, "abcdef" },
    { "abcdef", 5, AGL_CUT_END, "abcd…" },
    { "abcdef", 5, AGL_CUT_START, "…cdef" },
    { "abcdef", 1, AGL_CUT_END, "…" },
    { "abcdef", 2, AGL_CUT_NEVER, "abcdef" },
    { "日本語です", 5, AGL_CUT_END, "日本…" },
    { "日本語です", 6, AGL_CUT_END, "日本…" }, /* no half of a wide character */
    { "日本語です", 6, AGL_CUT_START, "…です" },
    /* what combines stays with its letter */
    { "e\xcc\x81"
      "ab",
      2, AGL_CUT_END, "e\xcc\x81…" },
    { "abe\xcc\x81", 2, AGL_CUT_START, "…e\xcc\x81" },
    /* and goes with it */
    { "e\xcc\x81"
      "ab",
      3, AGL_CUT_START,
      "e\xcc\x81"
      "ab" },
    { "xe\xcc\x81"
      "ab",
      3, AGL_CUT_START, "…ab" },
    { "ab\xcc\x81\xcc\xa3"
      "cd",
      2, AGL_CUT_END, "a…" },
    /* a flag is two letters, of which neither says anything alone */
    { "🇯🇵🇩🇪", 2, AGL_CUT_END, "…" },
    { "🇯🇵🇩🇪", 3, AGL_CUT_END, "🇯🇵…" },
    { "a🇩🇪", 2, AGL_CUT_START, "…" },
    { "a🇩🇪", 3, AGL_CUT_START, "a🇩🇪" },
    { "ab🇩🇪", 3, AGL_CUT_START, "…🇩🇪" },
    /* a family, held together by zero width joiners, and a skin tone */
    { "👨\u200d👩\u200d👧xyz", 7, AGL_CUT_END, "👨\u200d👩\u200d👧…" },
    { "👨\u200d👩\u200d👧xyz", 6, AGL_CUT_END, "…" },
    { "xyz👨\u200d👩\u200d👧", 6, AGL_CUT_START, "…" },
    { "xyz👨\u200d👩\u200d👧", 7, AGL_CUT_START, "…👨\u200d👩\u200d👧" },
    { "👋🏽xyz", 5, AGL_CUT_END, "👋🏽…" },
    { "👋🏽xyz", 4, AGL_CUT_END, "…" },
    /* a vowel sign that takes a cell of its own */
    { "काxyz", 3, AGL_CUT_END, "का…" },
    { "काxyz", 2, AGL_CUT_END, "…" },
    { "日本/プロジェクト", 9, AGL_CUT_START, "…ジェクト" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *out = agl_text_cut (cases[i].text, cases[i].width, cases[i].cut);

      g_assert_cmpstr (out, ==, cases[i].out);
    }
}

static void
test_fit (void)
{
  static const AglCut cuts[] = { AGL_CUT_NEVER, AGL_CUT_START, AGL_CUT_END };
  gsize roomy[] = { 5, 10, 10 };
  gsize tight[] = { 5, 30, 20 };
  gsize hopeless[] = { 50, 30, 20 };

  agl_table_fit (roomy, cuts, 3, 8, 25);
  g_assert_cmpmem (roomy, sizeof roomy, ((gsize[]){ 5, 10, 10 }), sizeof roomy);
  agl_table_fit (tight, cuts, 3, 8, 35); /* the widest first, until both are as wide */
  g_assert_cmpmem (tight, sizeof tight, ((gsize[]){ 5, 15, 15 }), sizeof tight);
  agl_table_fit (hopeless, cuts, 3, 8, 35); /* never below the least */
  g_assert_cmpmem (hopeless, sizeof hopeless, ((gsize[]){ 50, 8, 8 }), sizeof hopeless);
}

static char *
join_names (GPtrArray *chosen)
{
  GString *out = g_string_new (NULL);

  for (guint i = 0; i < chosen->len; i++)
    g_string_append_printf (out, "%s%s", i == 0 ? "" : ",",
                            ((const AglColumn *)g_ptr_array_index (chosen, i))->name);
  return g_string_free (out, FALSE);
}

static void
test_choose (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) usual = agl_columns_choose (agl_lock_columns, NULL, &error);
  g_autoptr (GPtrArray) named = agl_columns_choose (agl_lock_columns, "directory,id,PID", &error);
  g_autoptr (GPtrArray) more = agl_columns_choose (agl_lock_columns, "+session", &error);
  g_autoptr (GPtrArray) as_json = agl_columns_choose (agl_lock_columns, "acquired-at,Waiters", &error);
  g_autofree char *named_text = join_names (named);
  g_autofree char *usual_text = join_names (usual);
  g_autofree char *more_text = join_names (more);
  g_autofree char *json_text = join_names (as_json);
  g_autofree char *expected = g_strconcat (usual_text, ",SESSION", NULL);

  g_assert_no_error (error);
  g_assert_cmpstr (usual_text, ==, "ID,PID,USER,WHO,MODE,SINCE,CWD,WAIT,DIRECTORY,REASON");
  g_assert_cmpstr (named_text, ==, "DIRECTORY,ID,PID");
  g_assert_cmpstr (more_text, ==, expected);
  g_assert_cmpstr (json_text, ==, "ACQUIRED,WAIT");
  g_assert_null (agl_columns_choose (agl_lock_columns, "id,nope", &error));
  g_assert_error (error, AGL_EXIT_ERROR, AGL_EXIT_USAGE);
  g_clear_error (&error);
  g_assert_null (agl_columns_choose (agl_lock_columns, "", &error));
  g_assert_error (error, AGL_EXIT_ERROR, AGL_EXIT_USAGE);
}

static void
test_help_names_every_column (void)
{
  g_autofree char *help = agl_columns_help (agl_lock_columns);

  for (const AglColumn *column = agl_lock_columns; column->name != NULL; column++)
    g_assert_nonnull (strstr (help, column->name));
}

static GVariant *
make_locks (void)
{
  return g_variant_ref_sink (g_variant_new_parsed (
      "[{'id': <uint64 7>, 'directory': <'/home/u/src/app'>, 'kind': <'process'>, 'pid': <uint32 1234>,"
      "  'uid': <uint32 0>, 'command': <'claude'>, 'shared': <false>, 'subtree': <false>,"
      "  'cwd': <'inside'>, 'acquired-at': <uint64 1000000>, 'waiters': <uint32 2>,"
      "  'reason': <'bad \\u001b[31m text'>},"
      " {'id': <uint64 12>, 'directory': <'/home/u/日本'>, 'kind': <'manual'>, 'pid': <uint32 0>,"
      "  'uid': <uint32 0>, 'command': <''>, 'shared': <true>, 'subtree': <true>,"
      "  'cwd': <'ignored'>, 'acquired-at': <uint64 1000000>, 'waiters': <uint32 0>}]"));
}

static void
test_format_plain (void)
{
  g_autoptr (GVariant) locks = make_locks ();
  g_autoptr (GPtrArray) chosen =
      agl_columns_choose (agl_lock_columns, "id,pid,who,mode,wait,directory,reason", NULL);
  const AglScreen screen = { 0 };
  g_autofree char *table = agl_table_format (chosen, locks, TRUE, &screen);
  g_autofree char *bare = agl_table_format (chosen, locks, FALSE, &screen);

  g_assert_cmpstr (table, ==,
                   "ID  PID WHO    MODE      WAIT DIRECTORY       REASON\n"
                   " 7 1234 claude exclusive    2 /home/u/src/app bad \\x1b[31m text\n"
                   "12    - root   shared/**    0 /home/u/日本    -\n");
  g_assert_true (g_str_has_prefix (bare, " 7 1234 claude"));
}

static void
test_format_fitted (void)
{
  g_autoptr (GVariant) locks = make_locks ();
  g_autoptr (GPtrArray) chosen = agl_columns_choose (agl_lock_columns, "id,directory,since,reason", NULL);
  const AglScreen screen = {
    .is_terminal = TRUE, .width = 35, .home = "/home/u", .now_usec = 61 * G_USEC_PER_SEC
  };
  g_autofree char *table = agl_table_format (chosen, locks, TRUE, &screen);

  g_assert_cmpstr (table, ==,
                   "ID DIRECTORY SINCE    REASON\n"
                   " 7 ~/src/app 1min ago bad \\x1b[31m…\n"
                   "12 ~/日本    1min ago -\n");
}

/* What matters least goes first, what was asked for stays, and something is always left. */
static void
test_format_narrow (void)
{
  static const struct
  {
    gsize width;
    gboolean keeps_columns;
    const char *headings;
  } cases[] = {
    { 0, FALSE, "ID PID USER WHO MODE SINCE CWD WAIT DIRECTORY REASON" },
    { 200, FALSE, "ID PID USER WHO MODE SINCE CWD WAIT DIRECTORY REASON" },
    { 65, FALSE, "ID PID USER WHO MODE SINCE WAIT DIRECTORY REASON" },
    { 40, FALSE, "ID PID WHO MODE DIRECTORY" },
    { 25, FALSE, "PID WHO DIRECTORY" },
    { 10, FALSE, "DIRECTORY" },
    { 1, FALSE, "DIRECTO…" },
    { 10, TRUE, "ID PID USER WHO MODE SINCE CWD WAIT DIRECTO… REASON" },
  };
  g_autoptr (GVariant) locks = make_locks ();
  g_autoptr (GPtrArray) usual = agl_columns_choose (agl_lock_columns, NULL, NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      const AglScreen screen = { .is_terminal = TRUE,
                                 .width = cases[i].width,
                                 .keeps_columns = cases[i].keeps_columns,
                                 .home = "/home/u",
                                 .now_usec = 61 * G_USEC_PER_SEC };
      g_autofree char *table = agl_table_format (usual, locks, TRUE, &screen);
      g_auto (GStrv) lines = g_strsplit (table, "\n", -1);
      g_auto (GStrv) words = g_strsplit_set (lines[0], " ", -1);
      g_autoptr (GString) headings = g_string_new (NULL);

      for (char **word = words; *word != NULL; word++)
        if (**word != '\0')
          g_string_append_printf (headings, "%s%s", headings->len > 0 ? " " : "", *word);
      g_test_message ("%" G_GSIZE_FORMAT " columns:\n%s", cases[i].width, table);
      g_assert_cmpstr (headings->str, ==, cases[i].headings);
      for (char **line = lines; cases[i].width >= 10 && !cases[i].keeps_columns && *line != NULL; line++)
        g_assert_cmpuint (agl_text_width (*line), <=, cases[i].width);
    }
  g_assert_cmpuint (usual->len, ==, 10); /* the caller's own are as they were */
}

static void
test_format_colour (void)
{
  g_autoptr (GVariant) locks = make_locks ();
  g_autoptr (GPtrArray) chosen = agl_columns_choose (agl_lock_columns, "id", NULL);
  const AglScreen screen = { .is_terminal = TRUE, .has_colour = TRUE };
  g_autofree char *table = agl_table_format (chosen, locks, TRUE, &screen);

  g_assert_cmpstr (table, ==, "\033[4mID\033[0m\n 7\n12\n");
}

static void
test_format_empty (void)
{
  g_autoptr (GVariant) none = g_variant_ref_sink (g_variant_new_parsed ("@aa{sv} []"));
  g_autoptr (GPtrArray) chosen = agl_columns_choose (agl_lock_columns, NULL, NULL);
  const AglScreen screen = { 0 };
  g_autofree char *table = agl_table_format (chosen, none, TRUE, &screen);

  g_assert_cmpstr (table, ==, "");
}

/* A service of another version may leave things out or give them another type. */
static void
test_format_survives_odd_rows (void)
{
  g_autoptr (GVariant) rows =
      g_variant_ref_sink (g_variant_new_parsed ("[@a{sv} {}, {'id': <'text'>, 'directory': <true>}]"));
  g_autoptr (GPtrArray) chosen = agl_columns_choose (agl_lock_columns, "id,pid,directory,since,reason", NULL);
  const AglScreen screen = { 0 };
  g_autofree char *table = agl_table_format (chosen, rows, FALSE, &screen);

  g_assert_cmpstr (table, ==, "- - - - -\n- - - - -\n");
}

static void
test_directory_bytes (void)
{
  g_autoptr (GPtrArray) chosen = agl_columns_choose (agl_lock_columns, "directory", NULL);
  const AglScreen screen = { 0 };
  g_autofree char *table = NULL;
  g_autoptr (GVariant) rows = NULL;
  GVariantBuilder row;
  GVariant *only;

  g_variant_builder_init (&row, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&row, "{sv}", "directory", g_variant_new_string ("/bad\\xff"));
  g_variant_builder_add (&row, "{sv}", "directory-bytes",
                         g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, "/bad\xff", 5, 1));
  only = g_variant_builder_end (&row);
  rows = g_variant_ref_sink (g_variant_new_array (G_VARIANT_TYPE_VARDICT, &only, 1));
  table = agl_table_format (chosen, rows, FALSE, &screen);
  g_assert_cmpstr (table, ==, "/bad\\xff\n");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/client-table/width", test_width);
  g_test_add_func ("/client-table/cut", test_cut);
  g_test_add_func ("/client-table/fit", test_fit);
  g_test_add_func ("/client-table/choose", test_choose);
  g_test_add_func ("/client-table/help-names-every-column", test_help_names_every_column);
  g_test_add_func ("/client-table/format-plain", test_format_plain);
  g_test_add_func ("/client-table/format-fitted", test_format_fitted);
  g_test_add_func ("/client-table/format-narrow", test_format_narrow);
  g_test_add_func ("/client-table/format-colour", test_format_colour);
  g_test_add_func ("/client-table/format-empty", test_format_empty);
  g_test_add_func ("/client-table/format-survives-odd-rows", test_format_survives_odd_rows);
  g_test_add_func ("/client-table/directory-bytes", test_directory_bytes);
  return g_test_run ();
}
