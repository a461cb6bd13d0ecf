/* SPDX-License-Identifier: MIT */
#include "core/lock-store.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/error.h"
#include "sample-lock.h"
#include "shim.h"
#include "store-fixture.h"

static void
test_save_and_load (StoreFixture *self, gconstpointer unused)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (g_test_rand_int ());
  g_autoptr (GPtrArray) locks = g_ptr_array_new_with_free_func ((GDestroyNotify)agl_lock_unref);
  g_autoptr (GPtrArray) found = NULL;

  for (guint i = 0; i < 200; i++)
    {
      AglLock *lock = sample_lock_new_random (rand);

      lock->id = i + 1;
      g_ptr_array_add (locks, lock);
    }
  for (guint i = 200; i-- > 0;)
    store_fixture_save (self, locks->pdata[i]);
  store_fixture_crash (self);
  found = store_fixture_load (self);
  g_assert_cmpuint (found->len, ==, 200);
  for (guint i = 0; i < 200; i++)
    {
      const AglSavedLock *saved = found->pdata[i];

      sample_lock_assert_equal (locks->pdata[i], saved->lock);
      g_assert_false (saved->over);
      g_assert_true (saved->same_world);
      g_assert_true (saved->same_boot);
    }
  g_assert_cmpuint (agl_lock_store_count_bad (self->store), ==, 0);
  g_assert_cmpuint (sample_log_take (NULL), ==, 0);
}

static void
test_where (StoreFixture *self, gconstpointer unused)
{
  g_autoptr (AglLock) lock = sample_lock_new (7, "/a");
  g_autoptr (AglLock) claim = sample_manual_lock_new (8, "/a");

  store_fixture_save (self, lock);
  store_fixture_save (self, claim);
  g_assert_true (sample_file_exists (self->locks, "7.json"));
  g_assert_true (sample_file_exists (self->claims, "8.json"));
  g_assert_cmpuint (sample_folder_count (self->locks), ==, 1);
  g_assert_cmpuint (sample_folder_count (self->claims), ==, 1);
}

static void
test_rewrite (StoreFixture *self, gconstpointer unused)
{
  g_autoptr (AglLock) lock = sample_lock_new (7, "/a");
  g_autoptr (GPtrArray) found = NULL;

  store_fixture_save (self, lock);
  lock->mode = AGL_MODE_SHARED | AGL_MODE_SUBTREE;
  lock->token.pid++;
  store_fixture_save (self, lock);
  store_fixture_crash (self);
  found = store_fixture_load (self);
  g_assert_cmpuint (found->len, ==, 1);
  sample_lock_assert_equal (lock, ((AglSavedLock *)found->pdata[0])->lock);
}

static void
test_forget (StoreFixture *self, gconstpointer unused)
{
  for (guint reason = 0; reason < AGL_N_RELEASE_REASONS; reason++)
    for (guint manual = 0; manual < 2; manual++)
      {
        g_autoptr (AglLock) lock = manual ? sample_manual_lock_new (7, "/a") : sample_lock_new (7, "/a");
        g_autofree char *expected = g_strconcat ("7over-", agl_release_reason_to_string (reason), NULL);
        g_autoptr (GError) error = NULL;

        store_fixture_save (self, lock);
        g_assert_true (agl_lock_store_forget (self->store, lock, reason, &error));
        store_fixture_crash (self);
        store_fixture_assert_loaded (self, expected);
        store_fixture_crash (self);
        store_fixture_assert_loaded (self, expected);
        agl_lock_store_announced (self->store, 7);
        store_fixture_crash (self);
        store_fixture_assert_loaded (self, "");
        g_assert_cmpuint (sample_folder_count (self->locks), ==, 0);
        g_assert_cmpuint (sample_folder_count (self->claims), ==, 0);
      }
}

static void
test_forget_fails (StoreFixture *self, gconstpointer unused)
{
  static const char *const rules[] = { "renameat * * EROFS", "renameat * * ENOSPC", "fsync */claims * EIO" };

  for (guint i = 0; i < 2 * G_N_ELEMENTS (rules); i++)
    {
      g_autoptr (AglLock) lock = i % 2 == 0 ? sample_manual_lock_new (7, "/a") : sample_lock_new (7, "/a");
      g_autoptr (GError) error = NULL;

      if (i == 5)
        break; /* nothing is synced for a process */
      store_fixture_save (self, lock);
      agl_faults_set (rules[i / 2]);
      for (guint n = 0; n < 2; n++)
        {
          g_assert_false (agl_lock_store_forget (self->store, lock, AGL_RELEASE_EXITED, &error));
          g_assert_error (error, AGL_ERROR, AGL_ERROR_UNAVAILABLE);
          g_clear_error (&error);
        }
      store_fixture_crash (self);
      store_fixture_assert_loaded (self, "7");
      g_assert_true (agl_lock_store_forget (self->store, lock, AGL_RELEASE_EXITED, &error));
      g_assert_no_error (error);
      agl_lock_store_announced (self->store, 7);
      store_fixture_crash (self);
      store_fixture_assert_loaded (self, "");
    }
}

/* Somebody tidied up in our folder. */
static void
test_forget_what_vanished (StoreFixture *self, gconstpointer unused)
{
  g_autoptr (AglLock) lock = sample_lock_new (7, "/a");
  g_autofree char *path = g_build_filename (self->locks, "7.json", NULL);

  store_fixture_save (self, lock);
  g_assert_no_errno (unlink (path));
  g_assert_true (agl_lock_store_forget (self->store, lock, AGL_RELEASE_LEFT, NULL));
  g_assert_cmpuint (sample_log_take (NULL), ==, 1);
  store_fixture_crash (self);
  store_fixture_assert_loaded (self, "7over-left");
}

static void
test_removal_is_made_up_for (StoreFixture *self, gconstpointer unused)
{
  g_autoptr (AglLock) lock = sample_lock_new (7, "/a");
  g_autoptr (AglLock) other = sample_lock_new (8, "/a");

  store_fixture_save (self, lock);
  agl_lock_store_forget (self->store, lock, AGL_RELEASE_LEFT, NULL);
  agl_faults_set ("unlinkat * * EIO");
  agl_lock_store_announced (self->store, 7);
  agl_lock_store_announced (self->store, 7);
  g_assert_cmpuint (sample_log_take (NULL), ==, 1);
  g_assert_true (sample_file_exists (self->locks, "7.over-left"));
  agl_faults_set (NULL);
  store_fixture_save (self, other);
  g_assert_false (sample_file_exists (self->locks, "7.over-left"));

  store_fixture_save (self, lock);
  agl_lock_store_forget (self->store, lock, AGL_RELEASE_LEFT, NULL);
  agl_faults_set ("unlinkat * * EIO");
  agl_lock_store_announced (self->store, 7);
  agl_faults_set (NULL);
  agl_lock_store_announced (self->store, 12345);
  g_assert_false (sample_file_exists (self->locks, "7.over-left"));
}

static void
test_failed_saves_change_nothing (StoreFixture *self, gconstpointer unused)
{
  static const char *const rules[] = { "openat */7.json.tmp * EMFILE", "openat */7.json.tmp * EROFS",
                                       "write */7.json.tmp * ENOSPC",  "close */7.json.tmp * EDQUOT",
                                       "renameat */7.json * ENOSPC",   "fsync */7.json.tmp * EIO",
                                       "fsync */claims * EIO" };

  for (guint i = 0; i < 2 * G_N_ELEMENTS (rules); i++)
    {
      g_autoptr (AglLock) lock = i % 2 == 0 ? sample_manual_lock_new (7, "/a") : sample_lock_new (7, "/a");
      g_autoptr (AglLock) loser = i % 4 < 2 ? sample_manual_lock_new (5, "/a") : sample_lock_new (5, "/a");
      g_autoptr (GPtrArray) losers = store_fixture_pointers (loser, NULL);
      g_autoptr (GError) error = NULL;

      if (i % 2 == 1 && g_str_has_prefix (rules[i / 2], "fsync"))
        continue; /* nothing is synced for a process */
      store_fixture_save (self, loser);
      agl_faults_set (rules[i / 2]);
      g_assert_false (agl_lock_store_save (self->store, lock, losers, &error));
      g_assert_error (error, AGL_ERROR, AGL_ERROR_UNAVAILABLE);
      store_fixture_crash (self);
      g_assert_cmpuint (sample_folder_count (self->locks) + sample_folder_count (self->claims), ==, 1);
      store_fixture_assert_loaded (self, "5");
      g_assert_true (agl_lock_store_save (self->store, lock, losers, NULL));
      store_fixture_crash (self);
      store_fixture_assert_loaded (self, "5over-stolen 7");
      agl_lock_store_announced (self->store, 5);
      agl_lock_store_forget (self->store, lock, AGL_RELEASE_EXITED, NULL);
      agl_lock_store_announced (self->store, 7);
      store_fixture_crash (self);
      store_fixture_assert_loaded (self, "");
    }
}

static guint64
next_id (StoreFixture *self)
{
  g_autoptr (GError) error = NULL;
  guint64 id = agl_lock_store_next_id (self->store, &error);

  g_assert_no_error (error);
  return id;
}

static void
restart (StoreFixture *self)
{
  agl_lock_store_free (self->store);
  self->store = store_fixture_open (self);
  store_fixture_assert_loaded (self, "");
}

static void
test_ids (StoreFixture *self, gconstpointer unused)
{
  guint64 last;

  g_assert_cmpuint (next_id (self), ==, 1);
  restart (self);
  g_assert_cmpuint (next_id (self), ==, 2);
  store_fixture_crash (self);
  last = next_id (self);
  g_assert_cmpuint (last, >, 2);
  g_assert_cmpuint (last, <=, 2 + 256);

  /* a reboot empties the runtime folder */
  agl_lock_store_free (self->store);
  sample_folder_remove (g_strdup (self->runtime));
  self->store = store_fixture_open (self);
  g_assert_cmpuint (next_id (self), ==, last + 1);
}

static void
test_ids_after_loss (StoreFixture *self, gconstpointer unused)
{
  guint64 now = g_get_real_time ();
  guint64 first;
  g_autofree char *path = g_build_filename (self->state, "last-id", NULL);

  next_id (self);
  agl_lock_store_free (self->store);
  g_assert_no_errno (unlink (path));
  self->store = store_fixture_open (self);
  first = next_id (self);
  g_assert_cmpuint (first, >, now);
  restart (self);
  g_assert_cmpuint (next_id (self), ==, first + 1);

  /* the whole state folder */
  agl_lock_store_free (self->store);
  sample_folder_remove (g_strdup (self->state));
  self->store = store_fixture_open (self);
  g_assert_cmpuint (next_id (self), >, first);
}

static void
test_ids_above_every_file (StoreFixture *self, gconstpointer unused)
{
  g_autoptr (AglLock) lock = sample_lock_new (5000, "/a");

  store_fixture_save (self, lock);
  store_fixture_assert_loaded (self, "5000");
  g_assert_cmpuint (next_id (self), ==, 5001);
  sample_file_write (self->locks, "6000.over-exited", "damaged");
  store_fixture_assert_loaded (self, "5000");
  g_assert_cmpuint (next_id (self), ==, 6001);
  sample_file_write (self->claims, "7000.json.bad.3", "set aside earlier");
  store_fixture_assert_loaded (self, "5000");
  g_assert_cmpuint (next_id (self), ==, 7001);
}

static void
test_unsafe_folders (StoreFixture *self, gconstpointer unused)
{
  const char *const folders[] = { self->locks, self->claims, self->runtime, self->state };

  for (gsize i = 0; i < G_N_ELEMENTS (folders); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_no_errno (chmod (folders[i], 0777));
      g_assert_null (agl_lock_store_new (self->runtime, self->state, &error));
      g_assert_error (error, AGL_ERROR, AGL_ERROR_UNAVAILABLE);
      g_assert_nonnull (strstr (error->message, folders[i]));
      g_assert_no_errno (chmod (folders[i], 0700));
    }
}

/* A disk that is really full: saves until there is no room, then forgets, then saves again. */
static void
fill_a_disk (StoreFixture *self)
{
  g_autoptr (GPtrArray) locks = g_ptr_array_new_with_free_func ((GDestroyNotify)agl_lock_unref);
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) found = NULL;
  guint n_saved = 0;

  while (error == NULL)
    {
      AglLock *lock =
          n_saved % 2 == 0 ? sample_lock_new (n_saved + 1, "/a") : sample_manual_lock_new (n_saved + 1, "/a");

      g_ptr_array_add (locks, lock);
      if (agl_lock_store_save (self->store, lock, NULL, &error))
        n_saved++;
    }
  g_assert_error (error, AGL_ERROR, AGL_ERROR_UNAVAILABLE);
  g_assert_nonnull (strstr (error->message, g_strerror (ENOSPC)));
  g_assert_cmpuint (n_saved, >, 4);
  g_clear_error (&error);

  store_fixture_crash (self);
  found = store_fixture_load (self);
  g_assert_cmpuint (found->len, ==, n_saved);
  g_assert_cmpuint (agl_lock_store_count_bad (self->store), ==, 0);

  for (guint i = 0; i < 4; i++)
    {
      g_assert_true (agl_lock_store_forget (self->store, locks->pdata[i], AGL_RELEASE_EXITED, &error));
      agl_lock_store_announced (self->store, i + 1);
    }
  g_assert_true (agl_lock_store_save (self->store, locks->pdata[n_saved], NULL, &error));
  g_assert_no_error (error);
}

static void
write_map (const char *path, const char *text)
{
  int fd = open (path, O_WRONLY | O_CLOEXEC);

  g_assert_no_errno (fd);
  g_assert_cmpint (write (fd, text, strlen (text)), ==, strlen (text));
  close (fd);
}

/* In a mount namespace of its own; for an ordinary user in a user namespace too. */
static void
run_on_a_small_disk (void)
{
  StoreFixture self = { 0 };
  g_autofree char *uid_map = g_strdup_printf ("0 %u 1", geteuid ());
  g_autofree char *gid_map = g_strdup_printf ("0 %u 1", getegid ());
  gboolean is_root = geteuid () == 0;

  g_assert_no_errno (unshare (CLONE_NEWNS | (is_root ? 0 : CLONE_NEWUSER)));
  if (!is_root)
    {
      write_map ("/proc/self/setgroups", "deny");
      write_map ("/proc/self/uid_map", uid_map);
      write_map ("/proc/self/gid_map", gid_map);
    }
  g_assert_no_errno (mount ("none", "/", "none", MS_REC | MS_PRIVATE, NULL));
  self.base = sample_folder_new ();
  g_assert_no_errno (mount ("tmpfs", self.base, "tmpfs", 0, "size=128k,mode=0700"));
  self.runtime = g_build_filename (self.base, "run", NULL);
  self.state = g_build_filename (self.base, "state", NULL);
  self.crashed = g_ptr_array_new_with_free_func ((GDestroyNotify)agl_lock_store_free);
  self.store = store_fixture_open (&self);
  fill_a_disk (&self);
  agl_lock_store_free (self.store);
  g_ptr_array_unref (self.crashed);
  g_assert_no_errno (umount2 (self.base, MNT_DETACH));
  g_assert_no_errno (rmdir (self.base));
}

static void
test_full_disk (void)
{
  int status;
  pid_t child = fork ();

  g_assert_no_errno (child);
  if (child == 0)
    {
      run_on_a_small_disk ();
      _exit (0);
    }
  g_assert_cmpint (waitpid (child, &status, 0), ==, child);
  g_assert_cmpint (status, ==, 0);
}

static void
test_many (StoreFixture *self, gconstpointer unused)
{
  const guint n = g_test_perf () ? 10000 : 500;
  g_autoptr (GPtrArray) found = NULL;
  gint64 start = g_get_monotonic_time ();

  for (guint i = 0; i < n; i++)
    {
      g_autoptr (AglLock) lock = sample_lock_new (i + 1, "/home/user/projects/some/directory");

      store_fixture_save (self, lock);
    }
  g_test_message ("save: %.1f us each", (double)(g_get_monotonic_time () - start) / n);
  store_fixture_crash (self);
  start = g_get_monotonic_time ();
  found = store_fixture_load (self);
  g_test_message ("load of %u: %.1f ms", n, (double)(g_get_monotonic_time () - start) / 1000);
  g_assert_cmpuint (found->len, ==, n);
  start = g_get_monotonic_time ();
  for (guint i = 0; i < n; i++)
    g_assert_true (agl_lock_store_forget (self->store, ((AglSavedLock *)found->pdata[i])->lock,
                                          AGL_RELEASE_EXITED, NULL));
  g_test_message ("forget: %.1f us each", (double)(g_get_monotonic_time () - start) / n);
  start = g_get_monotonic_time ();
  for (guint i = 0; i < n; i++)
    agl_lock_store_announced (self->store, i + 1);
  g_test_message ("announced: %.1f us each", (double)(g_get_monotonic_time () - start) / n);
  store_fixture_crash (self);
  store_fixture_assert_loaded (self, "");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  sample_log_catch ();
  store_fixture_add ("/lock-store/save-and-load", test_save_and_load);
  store_fixture_add ("/lock-store/where", test_where);
  store_fixture_add ("/lock-store/rewrite", test_rewrite);
  store_fixture_add ("/lock-store/forget", test_forget);
  store_fixture_add ("/lock-store/forget-fails", test_forget_fails);
  store_fixture_add ("/lock-store/forget-what-vanished", test_forget_what_vanished);
  store_fixture_add ("/lock-store/removal-is-made-up-for", test_removal_is_made_up_for);
  store_fixture_add ("/lock-store/failed-saves-change-nothing", test_failed_saves_change_nothing);
  store_fixture_add ("/lock-store/ids", test_ids);
  store_fixture_add ("/lock-store/ids-after-loss", test_ids_after_loss);
  store_fixture_add ("/lock-store/ids-above-every-file", test_ids_above_every_file);
  store_fixture_add ("/lock-store/unsafe-folders", test_unsafe_folders);
  store_fixture_add ("/lock-store/many", test_many);
  g_test_add_func ("/lock-store/full-disk", test_full_disk);
  return g_test_run ();
}
