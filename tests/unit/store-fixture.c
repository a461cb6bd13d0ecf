/* SPDX-License-Identifier: MIT */
#include "store-fixture.h"

#include "sample-lock.h"
#include "shim.h"

AglLockStore *
store_fixture_open (StoreFixture *self)
{
  g_autoptr (GError) error = NULL;
  AglLockStore *store = agl_lock_store_new (self->runtime, self->state, &error);

  g_assert_no_error (error);
  return store;
}

static void
store_fixture_set_up (StoreFixture *self, gconstpointer unused)
{
  self->base = sample_folder_new ();
  self->runtime = g_build_filename (self->base, "run", "agentctl-locks", NULL);
  self->state = g_build_filename (self->base, "state", NULL);
  self->locks = g_build_filename (self->runtime, "locks", NULL);
  self->claims = g_build_filename (self->state, "claims", NULL);
  self->store = store_fixture_open (self);
  self->crashed = g_ptr_array_new_with_free_func ((GDestroyNotify)agl_lock_store_free);
}

static void
store_fixture_tear_down (StoreFixture *self, gconstpointer unused)
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

void
store_fixture_crash (StoreFixture *self)
{
  agl_faults_set (NULL);
  g_ptr_array_add (self->crashed, self->store);
  self->store = store_fixture_open (self);
}

GPtrArray *
store_fixture_load (StoreFixture *self)
{
  g_autoptr (GError) error = NULL;
  GPtrArray *found = agl_lock_store_load (self->store, &error);

  g_assert_no_error (error);
  return found;
}

void
store_fixture_assert_loaded (StoreFixture *self, const char *expected)
{
  g_autoptr (GPtrArray) found = store_fixture_load (self);
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

void
store_fixture_save (StoreFixture *self, const AglLock *lock)
{
  g_autoptr (GError) error = NULL;

  agl_lock_store_save (self->store, lock, NULL, &error);
  g_assert_no_error (error);
}

GPtrArray *
store_fixture_pointers (AglLock *first, AglLock *second)
{
  GPtrArray *array = g_ptr_array_new ();

  g_ptr_array_add (array, first);
  if (second != NULL)
    g_ptr_array_add (array, second);
  return array;
}

void
store_fixture_add (const char *path, void (*test) (StoreFixture *, gconstpointer))
{
  g_test_add (path, StoreFixture, NULL, store_fixture_set_up, test, store_fixture_tear_down);
}
