/* SPDX-License-Identifier: MIT */
#include "replay.h"

#include "service/lock-facts.h"

void
replay_init (Replay *self)
{
  self->locks =
      g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, (GDestroyNotify)g_hash_table_unref);
}

void
replay_clear (Replay *self)
{
  g_clear_pointer (&self->locks, g_hash_table_unref);
}

static GHashTable *
as_listed (const AglLock *lock)
{
  GHashTable *facts =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_variant_unref);
  g_autoptr (GVariant) dictionary = g_variant_ref_sink (agl_lock_facts (lock, TRUE));
  GVariantIter iter;
  GVariant *value;
  char *key;

  g_variant_iter_init (&iter, dictionary);
  while (g_variant_iter_next (&iter, "{sv}", &key, &value))
    g_assert_true (g_hash_table_insert (facts, key, value));
  return facts;
}

void
replay_listed (Replay *self, const AglLock *lock)
{
  g_assert_true (g_hash_table_insert (self->locks, g_memdup2 (&lock->id, sizeof lock->id), as_listed (lock)));
}

void
replay_acquired (Replay *self, const AglLock *lock)
{
  replay_listed (self, lock);
}

/* The interface's way to say that a key is gone. */
static gboolean
means_gone (const char *key, GVariant *value)
{
  return (g_str_equal (key, "expires-at") && g_variant_get_uint64 (value) == 0)
         || (g_str_equal (key, "directory-bytes") && g_variant_n_children (value) == 0);
}

static void
apply (GHashTable *facts, const char *key, GVariant *value)
{
  GVariant *told = g_hash_table_lookup (facts, key);

  if (means_gone (key, value))
    {
      g_assert_true (g_hash_table_remove (facts, key));
      return;
    }
  g_assert_true (told == NULL || !g_variant_equal (told, value));
  g_hash_table_insert (facts, g_strdup (key), g_variant_ref (value));
}

void
replay_changed (Replay *self, const AglLock *lock, AglChange what)
{
  GHashTable *facts = g_hash_table_lookup (self->locks, &lock->id);
  g_autoptr (GVariant) changed = g_variant_ref_sink (agl_lock_changed_facts (lock, what, TRUE));
  GVariantIter iter;
  GVariant *value;
  const char *key;

  g_assert_nonnull (facts);
  g_assert_cmpuint (g_variant_n_children (changed), >, 0);
  g_variant_iter_init (&iter, changed);
  while (g_variant_iter_loop (&iter, "{&sv}", &key, &value))
    apply (facts, key, value);
}

static void
assert_same (GHashTable *told, GHashTable *facts, const char *but_for)
{
  GHashTableIter iter;
  gpointer key, value;

  g_assert_cmpuint (g_hash_table_size (told), ==, g_hash_table_size (facts));
  g_hash_table_iter_init (&iter, facts);
  while (g_hash_table_iter_next (&iter, &key, &value))
    {
      GVariant *last = g_hash_table_lookup (told, key);
      g_autofree char *now = g_variant_print (value, FALSE);
      g_autofree char *then = last == NULL ? NULL : g_variant_print (last, FALSE);

      if (!g_str_equal (key, but_for))
        g_assert_cmpstr (then, ==, now);
    }
}

void
replay_released (Replay *self, const AglLock *lock)
{
  GHashTable *told = g_hash_table_lookup (self->locks, &lock->id);
  g_autoptr (GHashTable) facts = as_listed (lock);

  g_assert_nonnull (told);
  assert_same (told, facts, "waiters");
  g_hash_table_remove (self->locks, &lock->id);
}

void
replay_compare (const Replay *self, const AglLockTable *table)
{
  g_autoptr (GPtrArray) locks = agl_lock_table_list (table);

  g_assert_cmpuint (g_hash_table_size (self->locks), ==, locks->len);
  for (guint i = 0; i < locks->len; i++)
    {
      const AglLock *lock = g_ptr_array_index (locks, i);
      GHashTable *told = g_hash_table_lookup (self->locks, &lock->id);
      g_autoptr (GHashTable) facts = as_listed (lock);

      g_assert_nonnull (told);
      assert_same (told, facts, "");
    }
}
