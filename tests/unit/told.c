/* SPDX-License-Identifier: MIT */
#include "core/told.h"

#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sample-lock.h"
#include "shim.h"
#include "store-fixture.h"

/* More than a socket takes at once. */
#define LARGE (8 * 1024 * 1024)

static char *
told_path (const StoreFixture *self)
{
  return g_build_filename (self->base, "a-page", NULL);
}

static void
assert_acquired (const char *path, gboolean known, guint64 expected)
{
  g_autoptr (AglTold) told = agl_told_open (path);
  guint64 id;

  g_assert_cmpint (agl_told_get_acquired (told, &id), ==, known);
  g_assert_cmpuint (id, ==, expected);
}

static void
test_from_one_to_the_next (StoreFixture *self, gconstpointer unused)
{
  g_autofree char *path = told_path (self);
  g_autoptr (AglTold) told = agl_told_open (path);
  guint64 id;

  g_assert_false (agl_told_get_acquired (told, &id));
  g_assert_cmpuint (id, ==, 0);
  agl_told_set_acquired (told, 7);
  agl_told_set_acquired (told, 5);
  assert_acquired (path, TRUE, 7);
  g_assert_cmpuint (agl_told_get_last_released (told), ==, 0);
}

static void
test_what_cannot_be_used (StoreFixture *self, gconstpointer unused)
{
  g_autofree char *path = told_path (self);
  g_autofree char *other = g_build_filename (self->base, "other", NULL);
  g_autofree char *good = NULL;
  gsize length;

  agl_told_unref (agl_told_open (path));
  g_assert_true (g_file_get_contents (path, &good, &length, NULL));

  g_assert_true (g_file_set_contents (path, good, (gssize)length - 1, NULL));
  assert_acquired (path, FALSE, 0);
  g_assert_true (g_file_set_contents (path, "", 0, NULL));
  assert_acquired (path, FALSE, 0);
  good[0] ^= 1;
  g_assert_true (g_file_set_contents (path, good, (gssize)length, NULL));
  assert_acquired (path, FALSE, 0);
  good[0] ^= 1;

  g_assert_true (g_file_set_contents (path, good, (gssize)length, NULL));
  g_assert_cmpint (chmod (path, 0666), ==, 0);
  assert_acquired (path, FALSE, 0);
  g_assert_cmpint (rename (path, other), ==, 0);
  g_assert_cmpint (symlink (other, path), ==, 0);
  assert_acquired (path, FALSE, 0);
  /* Each of them has been replaced by a good one. */
  assert_acquired (path, TRUE, 0);

  g_assert_cmpint (unlink (path), ==, 0);
  g_assert_cmpint (mkdir (path, 0700), ==, 0);
  assert_acquired (path, FALSE, 0);
  assert_acquired (path, FALSE, 0);
  agl_faults_set ("open */a-page * EMFILE");
  assert_acquired (path, FALSE, 0);
  g_assert_cmpuint (agl_faults_count (), >, 0);
  agl_faults_set (NULL);
  g_assert_cmpint (rmdir (path), ==, 0);
  unlink (other);
}

static void
make_sockets (int sockets[2])
{
  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), ==, 0);
}

static guint64
get_acquired (AglTold *told)
{
  guint64 id;

  agl_told_get_acquired (told, &id);
  return id;
}

static void
test_sent (StoreFixture *self, gconstpointer unused)
{
  g_autofree char *path = told_path (self);
  g_autoptr (AglTold) told = agl_told_open (path);
  AglNews *news = agl_news_new_acquired (told, 3, 1), *none = NULL;
  int sockets[2];

  make_sockets (sockets);
  g_assert_cmpint (agl_told_send (sockets[0], "abc", 3, 0, &none), ==, 3);
  g_assert_cmpuint (get_acquired (told), ==, 0);
  g_assert_cmpint (agl_told_send (sockets[0], "abc", 3, 0, &news), ==, 3);
  g_assert_null (news);
  g_assert_cmpuint (get_acquired (told), ==, 3);
  close (sockets[0]);
  close (sockets[1]);
}

static void
test_sent_in_parts (StoreFixture *self, gconstpointer unused)
{
  g_autofree char *path = told_path (self), *data = g_malloc0 (LARGE), *drain = g_malloc (LARGE);
  g_autoptr (AglTold) told = agl_told_open (path);
  AglNews *news = agl_news_new_acquired (told, 3, 1);
  gsize n_sent = 0;
  guint n_parts = 0;
  int sockets[2];

  make_sockets (sockets);
  while (n_sent < LARGE)
    {
      gssize n = agl_told_send (sockets[0], data + n_sent, LARGE - n_sent, n_sent, &news);

      g_assert_cmpint (n, >, 0);
      n_sent += (gsize)n;
      n_parts++;
      g_assert_cmpuint (get_acquired (told), ==, n_sent == LARGE ? 3 : 0);
      for (gsize n_left = n; n_left > 0;)
        n_left -= (gsize)read (sockets[1], drain, n_left);
    }
  g_assert_cmpuint (n_parts, >, 1);
  close (sockets[0]);
  close (sockets[1]);
}

static void
test_the_last_one_counts (StoreFixture *self, gconstpointer unused)
{
  g_autofree char *path = told_path (self);
  g_autoptr (AglTold) told = agl_told_open (path);
  AglNews *news = agl_news_new_acquired (told, 3, 3);
  AglNews *first = news, *last = news;
  int sockets[2];

  make_sockets (sockets);
  g_assert_cmpint (agl_told_send (sockets[0], "abc", 3, 0, &first), ==, 3);
  agl_news_unref (news); /* hung up */
  g_assert_cmpuint (get_acquired (told), ==, 0);
  g_assert_cmpint (agl_told_send (sockets[0], "abc", 3, 0, &last), ==, 3);
  g_assert_cmpuint (get_acquired (told), ==, 3);

  agl_news_unref (agl_news_new_acquired (told, 4, 1));
  g_assert_cmpuint (get_acquired (told), ==, 4);
  agl_told_stop (told);
  agl_news_unref (agl_news_new_acquired (told, 5, 1));
  g_assert_cmpuint (get_acquired (told), ==, 4);
  close (sockets[0]);
  close (sockets[1]);
}

/* A service that is killed at its next sendmmsg: "kill": before it, "kill-after": at its return. */
static void
send_and_be_killed (const char *path, const char *how, guint64 released, gsize n_bytes)
{
  pid_t child = fork ();
  int status;

  g_assert_cmpint (child, >=, 0);
  if (child == 0)
    {
      g_autoptr (AglTold) told = agl_told_open (path);
      g_autofree char *data = g_malloc0 (n_bytes);
      AglNews *news = released == 0 ? agl_news_new_acquired (told, 9, 1)
                                    : agl_news_new_released (told, released, NULL, 1);
      int sockets[2];

      make_sockets (sockets);
      agl_faults_set (how);
      agl_told_send (sockets[0], data, n_bytes, 0, &news);
      _exit (0);
    }
  g_assert_cmpint (waitpid (child, &status, 0), ==, child);
  g_assert_true (WIFSIGNALED (status) && WTERMSIG (status) == SIGKILL);
}

static void
test_killed (StoreFixture *self, gconstpointer unused)
{
  g_autofree char *path = told_path (self);
  g_autoptr (AglTold) before = NULL, after = NULL;

  agl_told_unref (agl_told_open (path));
  send_and_be_killed (path, "sendmmsg * 1 kill", 0, 100);
  assert_acquired (path, TRUE, 0);
  send_and_be_killed (path, "sendmmsg * 1 kill-after", 0, LARGE); /* a part of it */
  assert_acquired (path, TRUE, 0);
  send_and_be_killed (path, "sendmmsg * 1 kill-after", 0, 100);
  assert_acquired (path, TRUE, 9);

  send_and_be_killed (path, "sendmmsg * 1 kill", 6, 100);
  before = agl_told_open (path);
  g_assert_cmpuint (agl_told_get_last_released (before), ==, 0);
  send_and_be_killed (path, "sendmmsg * 1 kill-after", 6, 100);
  after = agl_told_open (path);
  g_assert_cmpuint (agl_told_get_last_released (after), ==, 6);
  /* Not for ever: ids are looked at once. */
  assert_acquired (path, TRUE, 9);
}

static char *
untold_of (StoreFixture *self)
{
  g_autoptr (GPtrArray) found = store_fixture_load (self);
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < found->len; i++)
    {
      const AglSavedLock *saved = found->pdata[i];

      if (saved->untold)
        g_string_append_printf (text, "%" G_GUINT64_FORMAT "%s ", saved->lock->id,
                                saved->over ? " over" : "");
    }
  return g_string_free (text, FALSE);
}

static void
assert_untold (StoreFixture *self, const char *expected)
{
  g_autofree char *untold = untold_of (self);

  g_assert_cmpstr (untold, ==, expected);
}

static void
test_what_the_store_says (StoreFixture *self, gconstpointer unused)
{
  g_autoptr (AglLock) first = sample_lock_new (7, "/a");
  g_autoptr (AglLock) second = sample_manual_lock_new (8, "/b");
  g_autoptr (AglLock) third = sample_lock_new (9, "/c");
  g_autofree char *page = g_build_filename (self->runtime, "told", NULL);

  /* Nothing is known yet of those that were there before. */
  store_fixture_save (self, first);
  store_fixture_crash (self);
  g_assert_cmpint (unlink (page), ==, 0);
  store_fixture_crash (self);
  assert_untold (self, "");

  store_fixture_save (self, second);
  store_fixture_save (self, third);
  agl_lock_store_forget (self->store, third, AGL_RELEASE_EXITED, NULL);
  store_fixture_crash (self);
  assert_untold (self, "8 9 over ");
  agl_told_set_acquired (agl_lock_store_get_told (self->store), 8);
  store_fixture_crash (self);
  assert_untold (self, "9 over ");

  send_and_be_killed (page, "sendmmsg * 1 kill-after", 9, 100);
  store_fixture_crash (self);
  store_fixture_assert_loaded (self, "7 8");
  g_assert_false (sample_file_exists (self->locks, "9.over-exited"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  store_fixture_add ("/told/from-one-to-the-next", test_from_one_to_the_next);
  store_fixture_add ("/told/what-cannot-be-used", test_what_cannot_be_used);
  store_fixture_add ("/told/sent", test_sent);
  store_fixture_add ("/told/sent-in-parts", test_sent_in_parts);
  store_fixture_add ("/told/the-last-one-counts", test_the_last_one_counts);
  store_fixture_add ("/told/killed", test_killed);
  store_fixture_add ("/told/what-the-store-says", test_what_the_store_says);
  return g_test_run ();
}
