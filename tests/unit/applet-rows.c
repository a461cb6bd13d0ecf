/* SPDX-License-Identifier: MIT */
#include <glib/gstdio.h>
#include <locale.h>
#include <string.h>

#include "applet/lock-groups.h"
#include "applet/lock-search.h"
#include "applet/lock-words.h"
#include "applet/repository.h"
#include "applet/ticker.h"

/* What a row is made of: the entry, its words, its repository and its group, and the clock. */

#define FULL                                                                                                 \
  "{'id': <uint64 7>, 'directory': <'/work/a'>, 'kind': <'process'>, 'pid': <uint32 42>, 'uid': <uint32 0>," \
  " 'command': <'node'>, 'agent': <'claude'>, 'session': <'s1'>, 'reason': <'fix it'>, 'shared': <false>,"   \
  " 'subtree': <true>, 'follow-cwd': <true>, 'cwd': <'inside'>, 'acquired-at': <uint64 1000000>,"            \
  " 'waiters': <uint32 2>, 'from-the-future': <[1, 2]>}"

static AglLockEntry *
entry_of (guint64 id, const char *facts)
{
  return agl_lock_entry_new (id, g_variant_new_parsed (facts));
}

/* --- entry --- */

static void
count_notify (AglLockEntry *entry, GParamSpec *pspec, gpointer user_data)
{
  g_string_append_printf (user_data, "%s ", pspec->name);
}

static void
test_entry (void)
{
  g_autoptr (AglLockEntry) entry = entry_of (7, FULL);
  g_autofree char *agent = NULL;
  guint pid;

  g_assert_cmpuint (agl_lock_entry_get_id (entry), ==, 7);
  g_assert_cmpstr (agl_lock_entry_get_directory (entry), ==, "/work/a");
  g_assert_cmpstr (agl_lock_entry_get_path (entry), ==, "/work/a");
  g_assert_cmpuint (agl_lock_entry_get_waiters (entry), ==, 2);
  g_assert_true (agl_lock_entry_get_subtree (entry));
  g_assert_false (agl_lock_entry_is_claim (entry));
  g_assert_cmpuint (agl_lock_entry_get_expires_at (entry), ==, 0);
  g_object_get (entry, "agent", &agent, "pid", &pid, NULL);
  g_assert_cmpstr (agent, ==, "claude");
  g_assert_cmpuint (pid, ==, 42);
}

static void
test_entry_of_another_service (void)
{
  /* Numbers in another width are numbers; other types are not said; what is missing is empty. */
  g_autoptr (AglLockEntry) entry = entry_of (
      1, "{'pid': <uint64 9>, 'directory': <7>, 'shared': <'yes'>, 'waiters': <uint64 9999999999>}");

  g_assert_cmpuint (agl_lock_entry_get_pid (entry), ==, 9);
  g_assert_cmpstr (agl_lock_entry_get_directory (entry), ==, "");
  g_assert_false (agl_lock_entry_get_shared (entry));
  g_assert_cmpuint (agl_lock_entry_get_waiters (entry), ==, G_MAXUINT);
  g_assert_cmpstr (agl_lock_entry_get_cwd (entry), ==, "");
  g_assert_false (agl_lock_entry_is_outside (entry));
}

static void
test_entry_update (void)
{
  g_autoptr (AglLockEntry) entry = entry_of (7, FULL);
  GString *notified = g_string_new (NULL);
  AglLockChanges changes;

  g_signal_connect (entry, "notify", G_CALLBACK (count_notify), notified);
  changes = agl_lock_entry_update (
      entry, g_variant_new_parsed (
                 "{'id': <uint64 8>, 'cwd': <'outside'>, 'waiters': <uint32 2>, 'pid': <uint32 43>}"));
  g_assert_cmpuint (changes, ==, AGL_LOCK_CHANGED_CWD | AGL_LOCK_CHANGED_HOLDER);
  g_assert_cmpuint (agl_lock_entry_get_id (entry), ==, 7);
  g_assert_true (agl_lock_entry_is_outside (entry));
  /* Once each; in which order is GObject's. */
  g_assert_cmpuint (notified->len, ==, strlen ("pid cwd "));
  g_assert_nonnull (strstr (notified->str, "pid "));
  g_assert_nonnull (strstr (notified->str, "cwd "));
  g_string_truncate (notified, 0);
  agl_lock_entry_set_trouble (entry, "no");
  agl_lock_entry_set_trouble (entry, "no");
  g_assert_cmpstr (notified->str, ==, "trouble ");
  g_string_free (notified, TRUE);
}

static void
test_entry_bytes (void)
{
  g_autoptr (AglLockEntry) entry =
      entry_of (1, "{'directory': <'/work/\\\\xff'>, 'directory-bytes': <[byte 0x2f, 0x77, 0xff]>}");

  g_assert_cmpstr (agl_lock_entry_get_path (entry), ==, "/w\xff");
  agl_lock_entry_update (entry, g_variant_new_parsed ("{'directory': <'/elsewhere'>}"));
  g_assert_cmpstr (agl_lock_entry_get_path (entry), ==, "/elsewhere");
}

/* --- words --- */

static void
assert_spoken (const char *facts, gint64 now_usec, const char *expected)
{
  g_autoptr (AglLockEntry) entry = entry_of (1, facts);
  g_autofree char *spoken = agl_words_spoken (entry, now_usec);

  g_assert_cmpstr (spoken, ==, expected);
}

static void
test_words (void)
{
  assert_spoken (
      FULL, 1000000 + 65 * G_USEC_PER_SEC,
      "/work/a, claude · node · process 42 · fix it, Exclusive · with everything below, since 00:00, 2 wait");
  assert_spoken (
      "{'directory': <'/work/a\nb'>, 'kind': <'manual'>, 'uid': <uint32 0>, 'acquired-at': <uint64 0>,"
      " 'expires-at': <uint64 7200000000>, 'reason': <'mine'>}",
      0, "/work/a\\nb, root · mine, Claim, since 00:00, until 02:00");
  assert_spoken (
      "{'directory': <'/a'>, 'kind': <'process'>, 'command': <'sh'>, 'shared': <true>, 'pid': <uint32 3>,"
      " 'cwd': <'outside'>, 'waiters': <uint32 1>}",
      0,
      "/a, sh · process 3, Shared, since 00:00, 1 waits, It has left the directory; if it stays away, the "
      "lock "
      "ends.");
}

static void
test_words_home (void)
{
  g_autofree char *facts = g_strdup_printf ("{'directory': <'%s/src/x'>}", g_get_home_dir ());
  g_autoptr (AglLockEntry) entry = entry_of (1, facts);
  g_autofree char *shown = agl_words_directory (entry);
  g_autofree char *name = agl_words_directory_name (entry);

  g_assert_cmpstr (shown, ==, "~/src/x");
  g_assert_cmpstr (name, ==, "x");
}

/* A text that is not rewritten before the time it names is never wrong. */
static void
test_words_age (void)
{
  const gint64 ages[] = { 0,
                          1,
                          999999,
                          59 * G_USEC_PER_SEC,
                          60 * G_USEC_PER_SEC,
                          61 * G_USEC_PER_SEC + 5,
                          3599 * (gint64)G_USEC_PER_SEC,
                          G_TIME_SPAN_DAY - 1,
                          G_TIME_SPAN_DAY + 1 };
  g_autoptr (AglLockEntry) endless = entry_of (1, "{'acquired-at': <uint64 5>}");
  g_autofree char *facts = g_strdup_printf (
      "{'acquired-at': <uint64 5>, 'expires-at': <uint64 %" G_GINT64_FORMAT ">}", 2 * G_TIME_SPAN_DAY);
  g_autoptr (AglLockEntry) ending = entry_of (1, facts);

  for (gsize i = 0; i < 2 * G_N_ELEMENTS (ages); i++)
    {
      AglLockEntry *entry = i % 2 == 0 ? endless : ending;
      gint64 now = 5 + ages[i / 2];
      gint64 next, ignored;
      g_autofree char *text = agl_words_age (entry, now, &next);
      g_autofree char *before = NULL;
      g_autofree char *then = NULL;

      g_assert_cmpint (next, >, now);
      before = agl_words_age (entry, next - 1, &ignored);
      then = agl_words_age (entry, next, &ignored);
      g_assert_cmpstr (before, ==, text);
      g_assert_cmpstr (then, !=, text);
    }
}

static void
test_search (void)
{
  g_autoptr (AglLockEntry) entry = entry_of (7, FULL);
  static const struct
  {
    const char *text;
    gboolean found;
  } searches[] = { { "", TRUE },          { "CLAUDE", TRUE },    { "work claude", TRUE },
                   { "fix  work", TRUE }, { "claude b", FALSE }, { "nothing", FALSE },
                   { "42", TRUE } };

  for (gsize i = 0; i < G_N_ELEMENTS (searches); i++)
    {
      g_auto (GStrv) words = agl_lock_search_new (searches[i].text);

      g_assert_true (agl_lock_search_matches (words, entry) == searches[i].found);
    }
}

/* --- repositories --- */

static void
write_at (const char *root, const char *path, const char *text)
{
  g_autofree char *file = g_build_filename (root, path, NULL);
  g_autofree char *folder = g_path_get_dirname (file);

  g_assert_no_errno (g_mkdir_with_parents (folder, 0700));
  g_assert_true (g_file_set_contents (file, text, -1, NULL));
}

static void
assert_repository (const char *root, const char *path, const char *expected)
{
  g_autofree char *directory = g_build_filename (root, path, NULL);
  g_autofree char *found = agl_repository_find (directory);
  g_autofree char *wanted = expected == NULL ? NULL : g_build_filename (root, expected, NULL);

  g_assert_cmpstr (found, ==, wanted);
}

static void
test_repository (void)
{
  g_autofree char *root = g_dir_make_tmp ("agl-repository-XXXXXX", NULL);
  g_autofree char *remove = g_strdup_printf ("rm -rf %s", root);

  write_at (root, "app/.git/HEAD", "x");
  write_at (root, "app/src/deep/file", "x");
  write_at (root, "app/.git/worktrees/two/commondir", "../..\n");
  write_at (root, "two/.git", "gitdir: ../app/.git/worktrees/two\n");
  write_at (root, "two/src/file", "x");
  write_at (root, "store/bare.git/worktrees/three/commondir", "../..\n");
  write_at (root, "three/.git", "gitdir: ../store/bare.git/worktrees/three\n");
  write_at (root, "app/.git/modules/sub/HEAD", "x");
  write_at (root, "app/sub/.git", "gitdir: ../.git/modules/sub\n");
  write_at (root, "broken/.git", "gitdir: ../nowhere\n");
  write_at (root, "strange/.git", "what?");
  write_at (root, "none/file", "x");
  assert_repository (root, "app", "app");
  assert_repository (root, "app/src/deep", "app");
  assert_repository (root, "two/src", "app");
  assert_repository (root, "three", "store/bare.git");
  assert_repository (root, "app/sub", "app/sub");
  assert_repository (root, "broken", NULL);
  assert_repository (root, "strange", NULL);
  assert_repository (root, "none", NULL);
  assert_repository (root, "missing", NULL);
  g_assert_true (g_spawn_command_line_sync (remove, NULL, NULL, NULL, NULL));
}

static void
on_found (AglRepositoryFinder *finder, gpointer user_data)
{
  (*(guint *)user_data)++;
}

static void
test_repository_finder (void)
{
  g_autofree char *root = g_dir_make_tmp ("agl-repository-XXXXXX", NULL);
  g_autofree char *remove = g_strdup_printf ("rm -rf %s", root);
  g_autofree char *facts = g_strdup_printf ("{'directory': <'%s/app'>}", root);
  g_autofree char *wanted = g_build_filename (root, "app", NULL);
  g_autoptr (AglLockModel) model = agl_lock_model_new ();
  g_autoptr (AglRepositoryFinder) finder = agl_repository_finder_new (model);
  AglLockEntry *entry;
  guint n = 0;

  write_at (root, "app/.git/HEAD", "x");
  g_signal_connect (finder, "found", G_CALLBACK (on_found), &n);
  agl_lock_model_take_acquired (model, 1, g_variant_new_parsed (facts));
  while (n == 0)
    g_main_context_iteration (NULL, TRUE);
  entry = agl_lock_model_lookup (model, 1);
  g_assert_cmpstr (agl_lock_entry_get_repository (entry), ==, wanted);
  /* It moved: what it belonged to it belongs to no more. */
  agl_lock_model_take_changed (model, 1, g_variant_new_parsed ("{'directory': <'/'>}"));
  while (n == 1)
    g_main_context_iteration (NULL, TRUE);
  g_assert_null (agl_lock_entry_get_repository (entry));
  g_assert_true (g_spawn_command_line_sync (remove, NULL, NULL, NULL, NULL));
}

/* --- groups --- */

/* "1:/a:/r" is a lock of that id, directory and repository. */
static GListStore *
locks_of (const char *text)
{
  GListStore *locks = g_list_store_new (AGL_TYPE_LOCK_ENTRY);
  g_auto (GStrv) words = g_strsplit (text, " ", -1);

  for (char **word = words; *word != NULL; word++)
    {
      g_auto (GStrv) parts = g_strsplit (*word, ":", 3);
      g_autofree char *facts = g_strdup_printf ("{'directory': <'%s'>}", parts[1]);
      g_autoptr (AglLockEntry) entry = entry_of (g_ascii_strtoull (parts[0], NULL, 10), facts);

      if (*parts[2] != '\0')
        agl_lock_entry_set_repository (entry, parts[2]);
      g_list_store_append (locks, entry);
    }
  return locks;
}

static void
assert_groups (AglLockGroups *groups, const char *expected)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < g_list_model_get_n_items (G_LIST_MODEL (groups)); i++)
    {
      g_autoptr (GObject) item = g_list_model_get_item (G_LIST_MODEL (groups), i);

      if (i > 0)
        g_string_append_c (text, ' ');
      if (AGL_IS_LOCK_GROUP (item))
        g_string_append (text, agl_lock_group_get_repository (AGL_LOCK_GROUP (item)));
      else
        g_string_append_printf (text, "%s%u", agl_lock_entry_is_grouped (AGL_LOCK_ENTRY (item)) ? "." : "",
                                (guint)agl_lock_entry_get_id (AGL_LOCK_ENTRY (item)));
    }
  g_assert_cmpstr (text->str, ==, expected);
  g_string_free (text, TRUE);
}

static void
on_groups_changed (GListModel *groups, guint position, guint removed, guint added, gpointer user_data)
{
  g_string_append_printf (user_data, "%u-%u+%u ", position, removed, added);
}

static void
test_groups (void)
{
  g_autoptr (GListStore) locks = locks_of ("1:/x: 2:/a:/r 3:/y:/s 4:/b:/r 5:/z: 6:/y:/s");
  g_autoptr (AglLockGroups) groups = agl_lock_groups_new (G_LIST_MODEL (locks));
  GString *changes = g_string_new (NULL);
  g_autoptr (AglLockEntry) fifth = g_list_model_get_item (G_LIST_MODEL (locks), 4);

  g_signal_connect (groups, "items-changed", G_CALLBACK (on_groups_changed), changes);
  /* Two locks in one directory of a repository need no heading. Those below one have a dot here. */
  assert_groups (groups, "1 /r .2 .4 3 6 5");
  g_list_store_remove (locks, 0);
  assert_groups (groups, "/r .2 .4 3 6 5");
  agl_lock_entry_set_repository (fifth, "/s");
  agl_lock_groups_regroup (groups);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  assert_groups (groups, "/r .2 .4 /s .3 .5 .6");
  g_list_store_remove (locks, 0);
  assert_groups (groups, "/s .3 .5 .6 4");
  g_assert_cmpstr (changes->str, ==, "0-1+0 5-1+0 3-0+1 5-0+1 3-4+0 0-2+0 0-0+4 ");
  g_string_free (changes, TRUE);
}

/* --- the clock --- */

static guint n_ticks;

static gint64
tick (gpointer text, gint64 now_usec)
{
  n_ticks++;
  return now_usec + (*(gboolean *)text ? 1000 : G_TIME_SPAN_HOUR);
}

static void
test_ticker (void)
{
  AglTicker *ticker = agl_ticker_new (tick);
  gboolean often = TRUE, seldom = FALSE;

  agl_ticker_add (ticker, &often);
  agl_ticker_add (ticker, &seldom);
  g_assert_cmpuint (n_ticks, ==, 2);
  /* Nobody looks: there is nothing to wait for. */
  g_assert_false (g_main_context_pending (NULL));
  agl_ticker_set_running (ticker, TRUE);
  while (n_ticks < 4)
    g_main_context_iteration (NULL, TRUE);
  agl_ticker_remove (ticker, &often);
  agl_ticker_set_running (ticker, FALSE);
  n_ticks = 0;
  agl_ticker_set_running (ticker, TRUE);
  g_assert_cmpuint (n_ticks, ==, 0);
  agl_ticker_free (ticker);
  g_assert_false (g_main_context_pending (NULL));
}

int
main (int argc, char **argv)
{
  setlocale (LC_ALL, "C.UTF-8");
  g_setenv ("TZ", "UTC", TRUE);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/applet-rows/entry", test_entry);
  g_test_add_func ("/applet-rows/entry-of-another-service", test_entry_of_another_service);
  g_test_add_func ("/applet-rows/entry-update", test_entry_update);
  g_test_add_func ("/applet-rows/entry-bytes", test_entry_bytes);
  g_test_add_func ("/applet-rows/words", test_words);
  g_test_add_func ("/applet-rows/words-home", test_words_home);
  g_test_add_func ("/applet-rows/words-age", test_words_age);
  g_test_add_func ("/applet-rows/search", test_search);
  g_test_add_func ("/applet-rows/repository", test_repository);
  g_test_add_func ("/applet-rows/repository-finder", test_repository_finder);
  g_test_add_func ("/applet-rows/groups", test_groups);
  g_test_add_func ("/applet-rows/ticker", test_ticker);
  return g_test_run ();
}
