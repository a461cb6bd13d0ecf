/* SPDX-License-Identifier: MIT */
#include "client/agentctl-file.h"

#include <string.h>

static GPtrArray *
parse (const char *text, guint n, gboolean whole)
{
  gboolean is_whole = !whole;
  GPtrArray *entries = agl_agentctl_file_parse (text, strlen (text), &is_whole);

  g_assert_nonnull (entries);
  g_assert_cmpuint (entries->len, ==, n);
  g_assert_cmpint (is_whole, ==, whole);
  return entries;
}

static const AglAgentctlEntry *
get (GPtrArray *entries, guint index, AglAgentctlKind kind)
{
  const AglAgentctlEntry *entry = g_ptr_array_index (entries, index);

  g_assert_cmpint (entry->kind, ==, kind);
  return entry;
}

static void
test_well_formed (void)
{
  g_autoptr (GPtrArray) entries = parse (
      "[\n  {\"directory\": \"/a\", \"type\": \"auto\", \"pid\": 12, \"sessionId\": \"s\",\n"
      "   \"lockedAt\": \"1970-01-01T00:00:01.500Z\"},\n"
      "  {\"directory\": \"/b\", \"type\": \"manual\", \"lockedBy\": \"me\", \"reason\": \"}]\\\"{\"}\n]\n",
      2, TRUE);
  const AglAgentctlEntry *one = get (entries, 0, AGL_AGENTCTL_AUTO);
  const AglAgentctlEntry *two = get (entries, 1, AGL_AGENTCTL_MANUAL);

  g_assert_cmpstr (one->directory, ==, "/a");
  g_assert_cmpint (one->pid, ==, 12);
  g_assert_cmpstr (one->session, ==, "s");
  g_assert_cmpint (one->locked_at_usec, ==, 1500000);
  g_assert_cmpuint (one->line, ==, 2);
  g_assert_cmpstr (two->by, ==, "me");
  g_assert_cmpstr (two->why, ==, "}]\"{");
  g_assert_cmpint (two->locked_at_usec, ==, -1);
  g_assert_cmpuint (two->line, ==, 4);
}

static void
test_older_forms (void)
{
  g_autoptr (GPtrArray) entries =
      parse ("{\"version\": 1, \"locks\" : [{\"directory\":\"/a\",\"type\":\"auto\",\"sessionId\":\"s\"},"
             "{\"directory\":\"/b\",\"by\":\"me\"},{\"directory\":\"/c\"}]}",
             3, TRUE);

  get (entries, 0, AGL_AGENTCTL_SESSION);
  g_assert_cmpstr (get (entries, 1, AGL_AGENTCTL_MANUAL)->by, ==, "me");
  get (entries, 2, AGL_AGENTCTL_SESSION);
  g_clear_pointer (&entries, g_ptr_array_unref);
  entries = parse ("[]", 0, TRUE);
}

static void
test_no_locks (void)
{
  static const char *const strange[] = {
    "[{}]",
    "[{\"directory\": 7}]",
    "[{\"directory\": \"a\", \"type\": \"manual\"}]",
    "[{\"directory\": \"/a\", \"type\": \"other\"}]",
    "[{\"directory\": \"/a\", \"type\": 1}]",
    "[{\"directory\": \"/a\" \"type\": \"manual\"}]",
    "[{\"directory\": \"/\xff\", \"type\": \"manual\"}]",
  };
  static const char *const none[] = { "",          "  \n",       "hello",      "{}", "{\"sessions\": {}}",
                                      "\"locks\"", "{\"locks\"", "{\"locks\":" };

  for (gsize i = 0; i < G_N_ELEMENTS (strange); i++)
    {
      g_autoptr (GPtrArray) entries = parse (strange[i], 1, TRUE);

      get (entries, 0, AGL_AGENTCTL_UNREADABLE);
    }
  for (gsize i = 0; i < G_N_ELEMENTS (none); i++)
    {
      gboolean is_whole;

      g_assert_null (agl_agentctl_file_parse (none[i], strlen (none[i]), &is_whole));
    }
}

static void
test_odd_pids (void)
{
  static const char *const pids[] = { "0", "-1", "1.5", "\"12\"", "99999999999", "null" };

  for (gsize i = 0; i < G_N_ELEMENTS (pids); i++)
    {
      g_autofree char *text =
          g_strdup_printf ("[{\"directory\": \"/a\", \"type\": \"auto\", \"pid\": %s}]", pids[i]);
      g_autoptr (GPtrArray) entries = parse (text, 1, TRUE);

      get (entries, 0, AGL_AGENTCTL_SESSION);
    }
}

/* What is damaged costs itself, and not what stands around it. */
static void
test_damaged (void)
{
  g_autoptr (GPtrArray) entries =
      parse ("[{\"directory\": \"/a, \"type\": \"manual\"},\n{\"directory\": \"/b\", \"type\": \"manual\"},\n"
             "{\"directory\": \"/c\", \"ty",
             3, FALSE);

  get (entries, 0, AGL_AGENTCTL_UNREADABLE);
  g_assert_cmpstr (get (entries, 1, AGL_AGENTCTL_MANUAL)->directory, ==, "/b");
  g_assert_cmpuint (get (entries, 2, AGL_AGENTCTL_UNREADABLE)->line, ==, 3);
}

static void
test_nested_and_long (void)
{
  g_autofree char *deep = g_strnfill (100000, '[');
  g_autofree char *text =
      g_strconcat ("[{\"x\": ", deep, "},\n{\"directory\": \"/b\", \"type\": \"manual\"}]", NULL);
  g_autofree char *long_text = g_strnfill (2000, 'x');
  g_autofree char *cut = g_strconcat ("[{\"directory\": \"/b\", \"type\": \"manual\", \"reason\": \"",
                                      long_text + 977, "\xc3\xa9\xc3\xa9\"}]", NULL);
  g_autoptr (GPtrArray) entries = parse (text, 2, TRUE);
  const AglAgentctlEntry *entry;

  get (entries, 0, AGL_AGENTCTL_UNREADABLE);
  get (entries, 1, AGL_AGENTCTL_MANUAL);
  g_clear_pointer (&entries, g_ptr_array_unref);
  entries = parse (cut, 1, TRUE);
  entry = get (entries, 0, AGL_AGENTCTL_MANUAL);
  /* 1023 letters and half of the next: that one does not fit. */
  g_assert_cmpuint (strlen (entry->why), ==, 1023);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/agentctl-file/well-formed", test_well_formed);
  g_test_add_func ("/agentctl-file/older-forms", test_older_forms);
  g_test_add_func ("/agentctl-file/no-locks", test_no_locks);
  g_test_add_func ("/agentctl-file/odd-pids", test_odd_pids);
  g_test_add_func ("/agentctl-file/damaged", test_damaged);
  g_test_add_func ("/agentctl-file/nested-and-long", test_nested_and_long);
  return g_test_run ();
}
