/* SPDX-License-Identifier: MIT */
#include "core/lock-store.h"

#include <sys/stat.h>
#include <unistd.h>

#include "common/error.h"
#include "sample-lock.h"
#include "shim.h"
#include "store-fixture.h"

/* Each kind of file that cannot be used, beside one that can. */
static void
test_bad_files (StoreFixture *self, gconstpointer unused)
{
  g_autoptr (AglLock) lock = sample_lock_new (7, "/a");
  g_autoptr (AglLock) claim = sample_manual_lock_new (8, "/a");
  g_autofree char *good = agl_lock_file_format (lock, agl_process_world (), NULL, NULL);
  g_autofree char *manual = agl_lock_file_format (claim, agl_process_world (), NULL, NULL);
  g_autoptr (AglLock) ninth = sample_lock_new (9, "/a");
  g_autofree char *other = agl_lock_file_format (ninth, agl_process_world (), NULL, NULL);
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
    { "23.json", other }, /* of another id */
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

  store_fixture_save (self, lock);
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

  store_fixture_crash (self);
  store_fixture_assert_loaded (self, "7");
  g_assert_cmpuint (agl_lock_store_count_bad (self->store), ==, n_bad);
  g_assert_cmpuint (sample_log_take (NULL), ==, n_bad);
  g_assert_cmpuint (sample_folder_count (self->locks), ==, n_bad + 1);
  g_assert_true (sample_file_exists (self->locks, "21.json.bad"));
  g_assert_true (sample_file_exists (self->locks, "notes.txt.bad"));
  g_assert_true (sample_file_exists (self->locks, "32.json.bad"));

  /* said once, and a second one of the name does not cost the first */
  store_fixture_crash (self);
  sample_file_write (self->locks, "21.json", "again");
  store_fixture_assert_loaded (self, "7");
  g_assert_cmpuint (agl_lock_store_count_bad (self->store), ==, 1);
  g_assert_true (sample_file_exists (self->locks, "21.json.bad"));
  g_assert_true (sample_file_exists (self->locks, "21.json.bad.1"));
}

static void
test_files_of_others (StoreFixture *self, gconstpointer unused)
{
  g_autoptr (AglLock) lock = sample_lock_new (7, "/a");
  g_autofree char *path = g_build_filename (self->locks, "7.json", NULL);

  if (geteuid () != 0)
    return; /* an ordinary user cannot make one */
  store_fixture_save (self, lock);
  g_assert_no_errno (chown (path, 65534, 65534));
  store_fixture_assert_loaded (self, "");
  g_assert_true (sample_file_exists (self->locks, "7.json.bad"));
}

/* A claim that was handed to a process: both files are there when the service dies at the wrong moment. */
static void
test_handed_over (StoreFixture *self, gconstpointer unused)
{
  g_autoptr (AglLock) lock = sample_lock_new (7, "/a");
  g_autoptr (AglLock) claim = sample_manual_lock_new (7, "/a");
  g_autofree char *text = agl_lock_file_format (claim, agl_process_world (), NULL, NULL);

  store_fixture_save (self, claim);
  store_fixture_save (self, lock);
  g_assert_false (sample_file_exists (self->claims, "7.json"));
  sample_file_write (self->claims, "7.json", text);
  store_fixture_crash (self);
  store_fixture_assert_loaded (self, "7");
  g_assert_true (sample_file_exists (self->locks, "7.json"));
  g_assert_false (sample_file_exists (self->claims, "7.json"));
  g_assert_cmpuint (agl_lock_store_count_bad (self->store), ==, 0);
}

static void
test_same_id_twice (StoreFixture *self, gconstpointer unused)
{
  g_autoptr (AglLock) other = sample_lock_new (8, "/b");
  g_autofree char *text = agl_lock_file_format (other, agl_process_world (), NULL, NULL);

  store_fixture_save (self, other);
  sample_file_write (self->locks, "8.over-left", text);
  store_fixture_crash (self);
  store_fixture_assert_loaded (self, "8over-left");
  g_assert_true (sample_file_exists (self->locks, "8.json.bad"));
}

static void
test_leftovers (StoreFixture *self, gconstpointer unused)
{
  sample_file_write (self->locks, "7.json.tmp", "half");
  sample_file_write (self->claims, "8.json.tmp", "half");
  sample_file_write (self->claims, "8.json.old.tmp", "half");
  store_fixture_assert_loaded (self, "");
  g_assert_cmpuint (sample_folder_count (self->locks), ==, 0);
  g_assert_cmpuint (sample_folder_count (self->claims), ==, 0);
  g_assert_cmpuint (agl_lock_store_count_bad (self->store), ==, 0);
}

/* A service that does not know its locks must not start, and sets nothing aside that it could not look at. */
static void
test_load_fails (StoreFixture *self, gconstpointer unused)
{
  static const char *const rules[] = { "openat */locks/. * EMFILE", "openat */claims/. * EIO",
                                       "openat */7.json * EMFILE", "openat */8.json * ENFILE" };
  g_autoptr (AglLock) lock = sample_lock_new (7, "/a");
  g_autoptr (AglLock) claim = sample_manual_lock_new (8, "/b");

  store_fixture_save (self, lock);
  store_fixture_save (self, claim);
  for (gsize i = 0; i < G_N_ELEMENTS (rules); i++)
    {
      g_autoptr (GError) error = NULL;

      agl_faults_set (rules[i]);
      g_assert_null (agl_lock_store_load (self->store, &error));
      g_assert_error (error, AGL_ERROR, AGL_ERROR_UNAVAILABLE);
      g_assert_nonnull (strstr (error->message, self->base));
      store_fixture_crash (self);
      store_fixture_assert_loaded (self, "7 8");
    }
  g_assert_cmpuint (sample_log_take (NULL), ==, 0);
}

/* A token of another boot or namespace stays marked as such, however often its lock is saved. */
static void
test_other_worlds (StoreFixture *self, gconstpointer unused)
{
  g_autoptr (AglLock) lock = sample_lock_new (7, "/a");
  g_autofree char *text = agl_lock_file_format (lock, "boot/1", NULL, NULL);

  sample_file_write (self->locks, "7.json", text);
  for (guint i = 0; i < 3; i++)
    {
      g_autoptr (GPtrArray) found = NULL;
      AglSavedLock *saved;

      store_fixture_crash (self);
      found = store_fixture_load (self);
      g_assert_cmpuint (found->len, ==, 1);
      saved = found->pdata[0];
      g_assert_false (saved->same_world);
      g_assert_false (saved->same_boot);
      g_assert_cmpint (saved->lock->token.kind, ==, lock->token.kind);
      g_assert_cmpint (saved->lock->acquirer.kind, ==, AGL_TOKEN_NONE);
      g_assert_cmpint (saved->lock->acquirer.pid, ==, lock->acquirer.pid);
      store_fixture_save (self, saved->lock);
    }
  {
    g_autoptr (GPtrArray) found = store_fixture_load (self);

    g_assert_cmpuint (found->len, ==, 1);
    /* handed to a process of this world */
    lock->token.value++;
    store_fixture_save (self, lock);
  }
  {
    g_autoptr (GPtrArray) found = NULL;

    store_fixture_crash (self);
    found = store_fixture_load (self);
    g_assert_true (((AglSavedLock *)found->pdata[0])->same_world);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  sample_log_catch ();
  store_fixture_add ("/lock-store-load/bad-files", test_bad_files);
  store_fixture_add ("/lock-store-load/files-of-others", test_files_of_others);
  store_fixture_add ("/lock-store-load/same-id-twice", test_same_id_twice);
  store_fixture_add ("/lock-store-load/handed-over", test_handed_over);
  store_fixture_add ("/lock-store-load/leftovers", test_leftovers);
  store_fixture_add ("/lock-store-load/load-fails", test_load_fails);
  store_fixture_add ("/lock-store-load/other-worlds", test_other_worlds);
  return g_test_run ();
}
