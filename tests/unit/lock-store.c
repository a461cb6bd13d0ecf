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

typedef struct
{
  char *base, *runtime, *state, *locks, *claims;
  AglLockStore *store;
  GPtrArray *crashed; /* stores that were left as a crash leaves them */
} Fixture;

static AglLockStore *
open_store (Fixture *self)
{
  g_autoptr (GError) error = NULL;
  AglLockStore *store = agl_lock_store_new (self->runtime, self->state, &error);

  g_assert_no_error (error);
  return store;
}

static void
set_up (Fixture *self, gconstpointer unused)
{
  self->base = sample_folder_new ();
  self->runtime = g_build_filename (self->base, "run", "agentctl-locks", NULL);
  self->state = g_build_filename (self->base, "state", NULL);
  self->locks = g_build_filename (self->runtime, "locks", NULL);
  self->claims = g_build_filename (self->state, "claims", NULL);
  self->store = open_store (self);
  self->crashed = g_ptr_array_new_with_free_func ((GDestroyNotify)agl_lock_store_free);
}

static void
tear_down (Fixture *self, gconstpointer unused)
{
  agl_faults_set (NULL);
  sample_log_take (NULL);
  agl_lock_store_free (self->store);
  g_ptr_array_unref (self->crashed);
  g_free (self->runtime);
  g_free (self->state);
  g_free (self->locks);
  g_free (self->claims);
  sample_folder_remove (self->base);
}

/* What stands in memory is lost; what stands on disk is not. */
static void
crash (Fixture *self)
{
  agl_faults_set (NULL);
  g_ptr_array_add (self->crashed, self->store);
  self->store = open_store (self);
}

static GPtrArray *
load (Fixture *self)
{
  g_autoptr (GError) error = NULL;
  GPtrArray *found = agl_lock_store_load (self->store, &error);

  g_assert_no_error (error);
  return found;
}

/* Loads and compares: "7 9over-exited", by id. */
static void
assert_loaded (Fixture *self, const char *expected)
{
  g_autoptr (GPtrArray) found = load (self);
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < found->len; i++)
    {
      const AglSavedLock *saved = found->pdata[i];

      g_string_append_printf (text, "%s%" G_GUINT64_FORMAT "%s%s", i > 0 ? " " : "", saved->lock->id,
                              saved->over ? "over-" : "",
                              saved->over ? agl_release_reason_to_string (saved->reason) : "");
    }
  g_assert_cmpstr (text->str, ==, expected);
}

static void
save (Fixture *self, const AglLock *lock)
{
  g_autoptr (GError) error = NULL;

  agl_lock_store_save (self->store, lock, NULL, &error);
  g_assert_no_error (error);
}

static GPtrArray *
pointers (AglLock *first, AglLock *second)
{
  GPtrArray *array = g_ptr_array_new ();

  g_ptr_array_add (array, first);
  if (second != NULL)
    g_ptr_array_add (array, second);
  return array;
}

static void
test_save_and_load (Fixture *self, gconstpointer unused)
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
    save (self, locks->pdata[i]);
  crash (self);
  found = load (self);
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
test_where (Fixture *self, gconstpointer unused)
{
  g_autoptr (AglLock) lock = sample_lock_new (7, "/a");
  g_autoptr (AglLock) claim = sample_manual_lock_new (8, "/a");

  save (self, lock);
  save (self, claim);
  g_assert_true (sample_file_exists (self->locks, "7.json"));
  g_assert_true (sample_file_exists (self->claims, "8.json"));
  g_assert_cmpuint (sample_folder_count (self->locks), ==, 1);
  g_assert_cmpuint (sample_folder_count (self->claims), ==, 1);
}

static void
test_rewrite (Fixture *self, gconstpointer unused)
{
  g_autoptr (AglLock) lock = sample_lock_new (7, "/a");
  g_autoptr (GPtrArray) found = NULL;

  save (self, lock);
  lock->mode = AGL_MODE_SHARED | AGL_MODE_SUBTREE;
  lock->token.pid++;
  save (self, lock);
  crash (self);
  found = load (self);
  g_assert_cmpuint (found->len, ==, 1);
  sample_lock_assert_equal (lock, ((AglSavedLock *)found->pdata[0])->lock);
}

static void
test_forget (Fixture *self, gconstpointer unused)
{
  for (guint reason = 0; reason < AGL_N_RELEASE_REASONS; reason++)
    for (guint manual = 0; manual < 2; manual++)
      {
        g_autoptr (AglLock) lock = manual ? sample_manual_lock_new (7, "/a") : sample_lock_new (7, "/a");
        g_autofree char *expected = g_strconcat ("7over-", agl_release_reason_to_string (reason), NULL);
        g_autoptr (GError) error = NULL;

        save (self, lock);
        g_assert_true (agl_lock_store_forget (self->store, lock, reason, &error));
        crash (self);
        assert_loaded (self, expected);
        crash (self);
        assert_loaded (self, expected);
        agl_lock_store_announced (self->store, 7);
        crash (self);
        assert_loaded (self, "");
        g_assert_cmpuint (sample_folder_count (self->locks), ==, 0);
        g_assert_cmpuint (sample_folder_count (self->claims), ==, 0);
      }
}

static void
test_forget_fails (Fixture *self, gconstpointer unused)
{
  static const char *const rules[] = { "renameat * * EROFS", "renameat * * ENOSPC", "fsync */claims * EIO" };

  for (guint i = 0; i < 2 * G_N_ELEMENTS (rules); i++)
    {
      g_autoptr (AglLock) lock = i % 2 == 0 ? sample_manual_lock_new (7, "/a") : sample_lock_new (7, "/a");
      g_autoptr (GError) error = NULL;

      if (i == 5)
        break; /* nothing is synced for a process */
      save (self, lock);
      agl_faults_set (rules[i / 2]);
      for (guint n = 0; n < 2; n++)
        {
          g_assert_false (agl_lock_store_forget (self->store, lock, AGL_RELEASE_EXITED, &error));
          g_assert_error (error, AGL_ERROR, AGL_ERROR_UNAVAILABLE);
          g_clear_error (&error);
        }
      crash (self);
      assert_loaded (self, "7");
      g_assert_true (agl_lock_store_forget (self->store, lock, AGL_RELEASE_EXITED, &error));
      g_assert_no_error (error);
      agl_lock_store_announced (self->store, 7);
      crash (self);
      assert_loaded (self, "");
    }
}

/* Somebody tidied up in our folder. */
static void
test_forget_what_vanished (Fixture *self, gconstpointer unused)
{
  g_autoptr (AglLock) lock = sample_lock_new (7, "/a");
  g_autofree char *path = g_build_filename (self->locks, "7.json", NULL);

  save (self, lock);
  g_assert_no_errno (unlink (path));
  g_assert_true (agl_lock_store_forget (self->store, lock, AGL_RELEASE_LEFT, NULL));
  g_assert_cmpuint (sample_log_take (NULL), ==, 1);
  crash (self);
  assert_loaded (self, "7over-left");
}

static void
test_removal_is_made_up_for (Fixture *self, gconstpointer unused)
{
  g_autoptr (AglLock) lock = sample_lock_new (7, "/a");
  g_autoptr (AglLock) other = sample_lock_new (8, "/a");

  save (self, lock);
  agl_lock_store_forget (self->store, lock, AGL_RELEASE_LEFT, NULL);
  agl_faults_set ("unlinkat * * EIO");
  agl_lock_store_announced (self->store, 7);
  agl_lock_store_announced (self->store, 7);
  g_assert_cmpuint (sample_log_take (NULL), ==, 1);
  g_assert_true (sample_file_exists (self->locks, "7.over-left"));
  agl_faults_set (NULL);
  save (self, other);
  g_assert_false (sample_file_exists (self->locks, "7.over-left"));
  agl_lock_store_announced (self->store, 12345);
}

static void
test_failed_saves_change_nothing (Fixture *self, gconstpointer unused)
{
  static const char *const rules[] = { "openat */7.json.tmp * EMFILE", "openat */7.json.tmp * EROFS",
                                       "write */7.json.tmp * ENOSPC",  "close */7.json.tmp * EDQUOT",
                                       "renameat */7.json * ENOSPC",   "fsync */7.json.tmp * EIO",
                                       "fsync */claims * EIO" };

  for (guint i = 0; i < 2 * G_N_ELEMENTS (rules); i++)
    {
      g_autoptr (AglLock) lock = i % 2 == 0 ? sample_manual_lock_new (7, "/a") : sample_lock_new (7, "/a");
      g_autoptr (AglLock) loser = i % 4 < 2 ? sample_manual_lock_new (5, "/a") : sample_lock_new (5, "/a");
      g_autoptr (GPtrArray) losers = pointers (loser, NULL);
      g_autoptr (GError) error = NULL;

      if (i % 2 == 1 && g_str_has_prefix (rules[i / 2], "fsync"))
        continue; /* nothing is synced for a process */
      save (self, loser);
      agl_faults_set (rules[i / 2]);
      g_assert_false (agl_lock_store_save (self->store, lock, losers, &error));
      g_assert_error (error, AGL_ERROR, AGL_ERROR_UNAVAILABLE);
      crash (self);
      g_assert_cmpuint (sample_folder_count (self->locks) + sample_folder_count (self->claims), ==, 1);
      assert_loaded (self, "5");
      g_assert_true (agl_lock_store_save (self->store, lock, losers, NULL));
      crash (self);
      assert_loaded (self, "5over-stolen 7");
      agl_lock_store_announced (self->store, 5);
      agl_lock_store_forget (self->store, lock, AGL_RELEASE_EXITED, NULL);
      agl_lock_store_announced (self->store, 7);
      crash (self);
      assert_loaded (self, "");
    }
}

/* A steal, broken off after each step. Odd: the winner is manual; from the third on: the loser is. */
static void
test_steal_at_each_crash_point (Fixture *self, gconstpointer unused)
{
  for (guint i = 0; i < 4; i++)
    {
      g_autoptr (AglLock) winner = i % 2 == 1 ? sample_manual_lock_new (7, "/a") : sample_lock_new (7, "/a");
      g_autoptr (AglLock) loser = i >= 2 ? sample_manual_lock_new (9, "/a") : sample_lock_new (9, "/a");
      g_autoptr (AglLock) also = sample_lock_new (10, "/a/b");
      g_autoptr (GPtrArray) losers = pointers (loser, also);

      save (self, loser);
      save (self, also);

      /* written, not renamed */
      sample_file_write (i % 2 == 1 ? self->claims : self->locks, "7.json.tmp", "{\"version\":1,");
      crash (self);
      assert_loaded (self, "9 10");

      /* renamed, the losers' files untouched */
      agl_faults_set ("renameat *.over-stolen * EIO");
      g_assert_true (agl_lock_store_save (self->store, winner, losers, NULL));
      g_assert_cmpuint (sample_log_take (NULL), ==, 2);
      g_assert_true (sample_file_exists (self->locks, "10.json"));
      crash (self);
      assert_loaded (self, "7 9over-stolen 10over-stolen");

      /* one announced, the other not */
      agl_lock_store_announced (self->store, 9);
      crash (self);
      assert_loaded (self, "7 10over-stolen");
      agl_lock_store_announced (self->store, 10);
      crash (self);
      assert_loaded (self, "7");

      agl_lock_store_forget (self->store, winner, AGL_RELEASE_RELEASED, NULL);
      crash (self);
      assert_loaded (self, "7over-released");
      agl_lock_store_announced (self->store, 7);
    }
}

/* While the loser's own file cannot be touched its end must not be lost with the winner's file: neither when
 * that is rewritten, nor when the winner is over too. */
static void
test_unmarked_losers_stay_over (Fixture *self, gconstpointer unused)
{
  g_autoptr (AglLock) winner = sample_lock_new (7, "/a");
  g_autoptr (AglLock) loser = sample_lock_new (5, "/a");
  g_autoptr (GPtrArray) losers = pointers (loser, NULL);
  g_autoptr (GError) error = NULL;

  save (self, loser);
  agl_faults_set ("renameat */5.over-stolen * EIO");
  g_assert_true (agl_lock_store_save (self->store, winner, losers, NULL));
  winner->mode = AGL_MODE_SHARED;
  g_assert_true (agl_lock_store_save (self->store, winner, NULL, NULL));
  crash (self);
  agl_faults_set ("renameat */5.over-stolen * EIO");
  assert_loaded (self, "5over-stolen 7");
  g_assert_true (sample_file_exists (self->locks, "5.json"));

  agl_faults_set ("renameat */5.over-stolen * EIO;unlinkat */5.json * EIO");
  agl_lock_store_announced (self->store, 5);
  g_assert_true (agl_lock_store_save (self->store, winner, NULL, NULL));
  g_assert_true (agl_lock_store_forget (self->store, winner, AGL_RELEASE_EXITED, &error));
  agl_lock_store_announced (self->store, 7);
  g_assert_true (sample_file_exists (self->locks, "7.over-exited"));
  crash (self);
  assert_loaded (self, "5over-stolen 7over-exited");

  /* the cause is gone */
  agl_lock_store_announced (self->store, 7);
  agl_lock_store_announced (self->store, 5);
  g_assert_cmpuint (sample_folder_count (self->locks), ==, 0);
}

static void
test_chain_of_thieves (Fixture *self, gconstpointer unused)
{
  g_autoptr (AglLock) first = sample_lock_new (1, "/a");
  g_autoptr (AglLock) second = sample_lock_new (2, "/a");
  g_autoptr (AglLock) third = sample_lock_new (3, "/a");
  g_autoptr (GPtrArray) firsts = pointers (first, NULL);
  g_autoptr (GPtrArray) seconds = pointers (second, NULL);

  save (self, first);
  agl_faults_set ("renameat *.over-* * EIO");
  g_assert_true (agl_lock_store_save (self->store, second, firsts, NULL));
  g_assert_true (agl_lock_store_save (self->store, third, seconds, NULL));
  crash (self);
  assert_loaded (self, "1over-stolen 2over-stolen 3");
}

/* Each kind of file that cannot be used, beside one that can. */
static void
test_bad_files (Fixture *self, gconstpointer unused)
{
  g_autoptr (AglLock) lock = sample_lock_new (7, "/a");
  g_autoptr (AglLock) claim = sample_manual_lock_new (8, "/a");
  g_autofree char *good = agl_lock_file_format (lock, agl_process_world (), NULL, NULL);
  g_autofree char *manual = agl_lock_file_format (claim, agl_process_world (), NULL, NULL);
  g_autofree char *half = g_strndup (good, strlen (good) / 2);
  g_autofree char *huge = g_strnfill (AGL_MAX_LOCK_FILE_BYTES + 1, ' ');
  g_autofree char *path = NULL;
  struct
  {
    const char *name, *text;
  } files[] = {
    { "20.json", "" },
    { "21.json", half },
    { "22.json", "{\"version\":2,\"id\":22}" },
    { "23.json", good }, /* another id within */
    { "8.json", manual },
    { "24.json", huge },
    { "25.json", "not JSON" },
    { "026.json", good },
    { "27.over-bored", good },
    { "28.json~", good },
    { "29.over-exited", "" },
    { "notes.txt", "by a person" },
    { "\xff\xfe", "" },
  };
  const guint n_bad = G_N_ELEMENTS (files) + 4;

  save (self, lock);
  for (gsize i = 0; i < G_N_ELEMENTS (files); i++)
    sample_file_write (self->locks, files[i].name, files[i].text);
  path = g_build_filename (self->locks, "30.json", NULL);
  g_assert_no_errno (mkfifo (path, 0600));
  g_free (path);
  path = g_build_filename (self->locks, "31.json", NULL);
  g_assert_no_errno (mkdir (path, 0700));
  g_free (path);
  path = g_build_filename (self->locks, "32.json", NULL);
  g_assert_no_errno (symlink ("7.json", path));
  g_free (path);
  sample_file_write (self->locks, "33.json", good);
  path = g_build_filename (self->locks, "33.json", NULL);
  g_assert_no_errno (chmod (path, 0666));

  crash (self);
  assert_loaded (self, "7");
  g_assert_cmpuint (agl_lock_store_count_bad (self->store), ==, n_bad);
  g_assert_cmpuint (sample_log_take (NULL), ==, n_bad);
  g_assert_cmpuint (sample_folder_count (self->locks), ==, n_bad + 1);
  g_assert_true (sample_file_exists (self->locks, "21.json.bad"));
  g_assert_true (sample_file_exists (self->locks, "notes.txt.bad"));
  g_assert_true (sample_file_exists (self->locks, "32.json.bad"));

  /* said once, and a second one of the name does not cost the first */
  crash (self);
  sample_file_write (self->locks, "21.json", "again");
  assert_loaded (self, "7");
  g_assert_cmpuint (agl_lock_store_count_bad (self->store), ==, 1);
  g_assert_true (sample_file_exists (self->locks, "21.json.bad"));
  g_assert_true (sample_file_exists (self->locks, "21.json.bad.1"));
}

static void
test_files_of_others (Fixture *self, gconstpointer unused)
{
  g_autoptr (AglLock) lock = sample_lock_new (7, "/a");
  g_autofree char *path = g_build_filename (self->locks, "7.json", NULL);

  if (geteuid () != 0)
    return; /* an ordinary user cannot make one */
  save (self, lock);
  g_assert_no_errno (chown (path, 65534, 65534));
  assert_loaded (self, "");
  g_assert_true (sample_file_exists (self->locks, "7.json.bad"));
}

static void
test_same_id_twice (Fixture *self, gconstpointer unused)
{
  g_autoptr (AglLock) lock = sample_lock_new (7, "/a");
  g_autoptr (AglLock) claim = sample_manual_lock_new (7, "/b");
  g_autoptr (AglLock) other = sample_lock_new (8, "/b");
  g_autofree char *text = agl_lock_file_format (other, agl_process_world (), NULL, NULL);

  save (self, lock);
  save (self, claim);
  save (self, other);
  sample_file_write (self->locks, "8.over-left", text);
  crash (self);
  assert_loaded (self, "7 8over-left");
  g_assert_true (sample_file_exists (self->claims, "7.json"));
  g_assert_true (sample_file_exists (self->locks, "7.json.bad"));
  g_assert_true (sample_file_exists (self->locks, "8.json.bad"));
}

static void
test_leftovers (Fixture *self, gconstpointer unused)
{
  sample_file_write (self->locks, "7.json.tmp", "half");
  sample_file_write (self->claims, "8.json.tmp", "half");
  sample_file_write (self->claims, "8.json.old.tmp", "half");
  assert_loaded (self, "");
  g_assert_cmpuint (sample_folder_count (self->locks), ==, 0);
  g_assert_cmpuint (sample_folder_count (self->claims), ==, 0);
  g_assert_cmpuint (agl_lock_store_count_bad (self->store), ==, 0);
}

/* A service that does not know its locks must not start, and sets nothing aside that it could not look at. */
static void
test_load_fails (Fixture *self, gconstpointer unused)
{
  static const char *const rules[] = { "openat */locks/. * EMFILE", "openat */claims/. * EIO",
                                       "openat */7.json * EMFILE", "openat */8.json * ENFILE" };
  g_autoptr (AglLock) lock = sample_lock_new (7, "/a");
  g_autoptr (AglLock) claim = sample_manual_lock_new (8, "/b");

  save (self, lock);
  save (self, claim);
  for (gsize i = 0; i < G_N_ELEMENTS (rules); i++)
    {
      g_autoptr (GError) error = NULL;

      agl_faults_set (rules[i]);
      g_assert_null (agl_lock_store_load (self->store, &error));
      g_assert_error (error, AGL_ERROR, AGL_ERROR_UNAVAILABLE);
      g_assert_nonnull (strstr (error->message, self->base));
      crash (self);
      assert_loaded (self, "7 8");
    }
  g_assert_cmpuint (sample_log_take (NULL), ==, 0);
}

/* A token of another boot or namespace stays marked as such, however often its lock is saved. */
static void
test_other_worlds (Fixture *self, gconstpointer unused)
{
  g_autoptr (AglLock) lock = sample_lock_new (7, "/a");
  g_autofree char *text = agl_lock_file_format (lock, "boot/1", NULL, NULL);

  sample_file_write (self->locks, "7.json", text);
  for (guint i = 0; i < 3; i++)
    {
      g_autoptr (GPtrArray) found = NULL;
      AglSavedLock *saved;

      crash (self);
      found = load (self);
      g_assert_cmpuint (found->len, ==, 1);
      saved = found->pdata[0];
      g_assert_false (saved->same_world);
      g_assert_false (saved->same_boot);
      g_assert_cmpint (saved->lock->token.kind, ==, lock->token.kind);
      g_assert_cmpint (saved->lock->acquirer.kind, ==, AGL_TOKEN_NONE);
      g_assert_cmpint (saved->lock->acquirer.pid, ==, lock->acquirer.pid);
      save (self, saved->lock);
    }
  {
    g_autoptr (GPtrArray) found = load (self);

    /* handed to a process of this world */
    lock->token.value++;
    save (self, lock);
  }
  {
    g_autoptr (GPtrArray) found = NULL;

    crash (self);
    found = load (self);
    g_assert_true (((AglSavedLock *)found->pdata[0])->same_world);
  }
}

static guint64
next_id (Fixture *self)
{
  g_autoptr (GError) error = NULL;
  guint64 id = agl_lock_store_next_id (self->store, &error);

  g_assert_no_error (error);
  return id;
}

static void
restart (Fixture *self)
{
  agl_lock_store_free (self->store);
  self->store = open_store (self);
  assert_loaded (self, "");
}

static void
test_ids (Fixture *self, gconstpointer unused)
{
  guint64 last;

  g_assert_cmpuint (next_id (self), ==, 1);
  restart (self);
  g_assert_cmpuint (next_id (self), ==, 2);
  crash (self);
  last = next_id (self);
  g_assert_cmpuint (last, >, 2);
  g_assert_cmpuint (last, <=, 2 + 256);

  /* a reboot empties the runtime folder */
  agl_lock_store_free (self->store);
  sample_folder_remove (g_strdup (self->runtime));
  self->store = open_store (self);
  g_assert_cmpuint (next_id (self), ==, last + 1);
}

static void
test_ids_after_loss (Fixture *self, gconstpointer unused)
{
  guint64 now = g_get_real_time ();
  guint64 first;
  g_autofree char *path = g_build_filename (self->state, "last-id", NULL);

  next_id (self);
  agl_lock_store_free (self->store);
  g_assert_no_errno (unlink (path));
  self->store = open_store (self);
  first = next_id (self);
  g_assert_cmpuint (first, >, now);
  restart (self);
  g_assert_cmpuint (next_id (self), ==, first + 1);

  /* the whole state folder */
  agl_lock_store_free (self->store);
  sample_folder_remove (g_strdup (self->state));
  self->store = open_store (self);
  g_assert_cmpuint (next_id (self), >, first);
}

static void
test_ids_above_every_file (Fixture *self, gconstpointer unused)
{
  g_autoptr (AglLock) lock = sample_lock_new (5000, "/a");
  g_autoptr (GPtrArray) found = NULL;

  save (self, lock);
  sample_file_write (self->locks, "6000.over-exited", "damaged");
  sample_file_write (self->claims, "7000.json.bad.3", "set aside earlier");
  found = load (self);
  g_assert_cmpuint (next_id (self), ==, 7001);
}

static void
test_unsafe_folders (Fixture *self, gconstpointer unused)
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
fill_a_disk (Fixture *self)
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

  crash (self);
  found = load (self);
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
  Fixture self = { 0 };
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
  g_assert_no_errno (mount (NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
  self.base = sample_folder_new ();
  g_assert_no_errno (mount ("tmpfs", self.base, "tmpfs", 0, "size=128k,mode=0700"));
  self.runtime = g_build_filename (self.base, "run", NULL);
  self.state = g_build_filename (self.base, "state", NULL);
  self.crashed = g_ptr_array_new_with_free_func ((GDestroyNotify)agl_lock_store_free);
  self.store = open_store (&self);
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
test_many (Fixture *self, gconstpointer unused)
{
  const guint n = g_test_perf () ? 10000 : 500;
  g_autoptr (GPtrArray) found = NULL;
  gint64 start = g_get_monotonic_time ();

  for (guint i = 0; i < n; i++)
    {
      g_autoptr (AglLock) lock = sample_lock_new (i + 1, "/home/user/projects/some/directory");

      save (self, lock);
    }
  g_test_message ("save: %.1f us each", (double)(g_get_monotonic_time () - start) / n);
  crash (self);
  start = g_get_monotonic_time ();
  found = load (self);
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
  crash (self);
  assert_loaded (self, "");
}

static void
add (const char *path, void (*test) (Fixture *, gconstpointer))
{
  g_test_add (path, Fixture, NULL, set_up, test, tear_down);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  sample_log_catch ();
  add ("/lock-store/save-and-load", test_save_and_load);
  add ("/lock-store/where", test_where);
  add ("/lock-store/rewrite", test_rewrite);
  add ("/lock-store/forget", test_forget);
  add ("/lock-store/forget-fails", test_forget_fails);
  add ("/lock-store/forget-what-vanished", test_forget_what_vanished);
  add ("/lock-store/removal-is-made-up-for", test_removal_is_made_up_for);
  add ("/lock-store/failed-saves-change-nothing", test_failed_saves_change_nothing);
  add ("/lock-store/steal-at-each-crash-point", test_steal_at_each_crash_point);
  add ("/lock-store/unmarked-losers-stay-over", test_unmarked_losers_stay_over);
  add ("/lock-store/chain-of-thieves", test_chain_of_thieves);
  add ("/lock-store/bad-files", test_bad_files);
  add ("/lock-store/files-of-others", test_files_of_others);
  add ("/lock-store/same-id-twice", test_same_id_twice);
  add ("/lock-store/leftovers", test_leftovers);
  add ("/lock-store/load-fails", test_load_fails);
  add ("/lock-store/other-worlds", test_other_worlds);
  add ("/lock-store/ids", test_ids);
  add ("/lock-store/ids-after-loss", test_ids_after_loss);
  add ("/lock-store/ids-above-every-file", test_ids_above_every_file);
  add ("/lock-store/unsafe-folders", test_unsafe_folders);
  add ("/lock-store/many", test_many);
  g_test_add_func ("/lock-store/full-disk", test_full_disk);
  return g_test_run ();
}
