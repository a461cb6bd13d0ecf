/* SPDX-License-Identifier: MIT */
#include "core/lock-index.h"

/* In a chain the first one's `prev` is the last one, so that both ends are at hand. */
struct _AglLockIndex
{
  GHashTable *there; /* AglDirectoryId (the first lock's) → first AglLock */
  GHashTable *own;   /* set of first AglLock, by holder; without values it takes a third less */
  GHashTable *below; /* Below → itself */
  guint n_subtrees;
};

/* How many locks lie below a directory, which need not be locked itself. */
typedef struct
{
  AglDirectoryId id;
  guint count;
} Below;

static guint
holder_hash (gconstpointer lock)
{
  return agl_process_hash (((const AglLock *)lock)->holder);
}

static gboolean
holder_equal (gconstpointer a, gconstpointer b)
{
  return agl_process_equal (((const AglLock *)a)->holder, ((const AglLock *)b)->holder);
}

AglLockIndex *
agl_lock_index_new (void)
{
  AglLockIndex *self = g_new0 (AglLockIndex, 1);

  self->there = g_hash_table_new (agl_directory_id_hash, agl_directory_id_equal);
  self->own = g_hash_table_new (holder_hash, holder_equal);
  self->below = g_hash_table_new_full (agl_directory_id_hash, agl_directory_id_equal, g_free, NULL);
  return self;
}

void
agl_lock_index_free (AglLockIndex *self)
{
  g_hash_table_unref (self->there);
  g_hash_table_unref (self->own);
  g_hash_table_unref (self->below);
  g_free (self);
}

gboolean
agl_lock_index_is_empty (const AglLockIndex *self)
{
  return g_hash_table_size (self->there) == 0;
}

/* The hash tables own nothing; the keys only want a type without const. */
static gpointer
directory_key (const AglLock *lock)
{
  return (gpointer)agl_directory_get_id (lock->directory);
}

static void
chain_there (AglLockIndex *self, AglLock *lock)
{
  AglLock *first = g_hash_table_lookup (self->there, directory_key (lock));

  lock->next_there = NULL;
  if (first == NULL)
    {
      lock->prev_there = lock;
      g_hash_table_insert (self->there, directory_key (lock), lock);
      return;
    }
  lock->prev_there = first->prev_there;
  first->prev_there->next_there = lock;
  first->prev_there = lock;
}

static void
unchain_there (AglLockIndex *self, AglLock *lock)
{
  AglLock *first = g_hash_table_lookup (self->there, directory_key (lock));

  g_assert (first != NULL);
  if (lock != first)
    {
      lock->prev_there->next_there = lock->next_there;
      *(lock->next_there != NULL ? &lock->next_there->prev_there : &first->prev_there) = lock->prev_there;
    }
  else if (lock->next_there == NULL)
    g_hash_table_remove (self->there, directory_key (lock));
  else
    {
      lock->next_there->prev_there = lock->prev_there;
      g_hash_table_replace (self->there, directory_key (lock->next_there), lock->next_there);
    }
  lock->prev_there = lock->next_there = NULL;
}

static void
chain_own (AglLockIndex *self, AglLock *lock)
{
  AglLock *first;

  if (lock->holder == NULL)
    return;

  first = g_hash_table_lookup (self->own, lock);
  lock->next_own = NULL;
  if (first == NULL)
    {
      lock->prev_own = lock;
      g_hash_table_add (self->own, lock);
      return;
    }
  lock->prev_own = first->prev_own;
  first->prev_own->next_own = lock;
  first->prev_own = lock;
}

static void
unchain_own (AglLockIndex *self, AglLock *lock)
{
  AglLock *first;

  if (lock->holder == NULL)
    return;

  first = g_hash_table_lookup (self->own, lock);
  g_assert (first != NULL);
  if (lock != first)
    {
      lock->prev_own->next_own = lock->next_own;
      *(lock->next_own != NULL ? &lock->next_own->prev_own : &first->prev_own) = lock->prev_own;
    }
  else if (lock->next_own == NULL)
    g_hash_table_remove (self->own, lock);
  else
    {
      lock->next_own->prev_own = lock->prev_own;
      g_hash_table_add (self->own, lock->next_own);
    }
  lock->prev_own = lock->next_own = NULL;
}

static void
count_below (AglLockIndex *self, const AglDirectoryId *id)
{
  Below *below = g_hash_table_lookup (self->below, id);

  if (below == NULL)
    {
      below = g_new0 (Below, 1);
      below->id = *id;
      g_hash_table_add (self->below, below);
    }
  below->count++;
}

static void
uncount_below (AglLockIndex *self, const AglDirectoryId *id)
{
  Below *below = g_hash_table_lookup (self->below, id);

  g_assert (below != NULL);
  below->count--;
  if (below->count == 0)
    g_hash_table_remove (self->below, id);
}

void
agl_lock_index_add (AglLockIndex *self, AglLock *lock)
{
  gsize n_ancestors;
  const AglDirectoryId *ancestors = agl_directory_get_ancestors (lock->directory, &n_ancestors);

  chain_there (self, lock);
  chain_own (self, lock);
  for (gsize i = 0; i < n_ancestors; i++)
    count_below (self, &ancestors[i]);
  if ((lock->mode & AGL_MODE_SUBTREE) != 0)
    self->n_subtrees++;
}

void
agl_lock_index_remove (AglLockIndex *self, AglLock *lock)
{
  gsize n_ancestors;
  const AglDirectoryId *ancestors = agl_directory_get_ancestors (lock->directory, &n_ancestors);

  unchain_there (self, lock);
  unchain_own (self, lock);
  for (gsize i = 0; i < n_ancestors; i++)
    uncount_below (self, &ancestors[i]);
  if ((lock->mode & AGL_MODE_SUBTREE) != 0)
    self->n_subtrees--;
}

AglLock *
agl_lock_index_first_there (const AglLockIndex *self, const AglDirectory *directory)
{
  return g_hash_table_lookup (self->there, agl_directory_get_id (directory));
}

AglLock *
agl_lock_index_first_own (const AglLockIndex *self, const AglProcess *holder)
{
  const AglLock key = { .holder = (AglProcess *)holder };

  return holder == NULL ? NULL : g_hash_table_lookup (self->own, &key);
}

AglLock *
agl_lock_index_find_own (const AglLockIndex *self, const AglProcess *holder, const AglDirectory *directory)
{
  if (holder == NULL)
    return NULL;

  for (AglLock *lock = agl_lock_index_first_there (self, directory); lock != NULL; lock = lock->next_there)
    {
      if (agl_lock_is_held_by (lock, holder) && agl_directory_equal (lock->directory, directory))
        return lock;
    }
  return NULL;
}

/* A directory that is mounted below itself is its own ancestor, and one may stand twice in a chain. */
static gboolean
is_first_mention (const AglDirectoryId *self, const AglDirectoryId *ancestors, gsize i)
{
  if (agl_directory_id_equal (self, &ancestors[i]))
    return FALSE;
  for (gsize k = 0; k < i; k++)
    {
      if (agl_directory_id_equal (&ancestors[k], &ancestors[i]))
        return FALSE;
    }
  return TRUE;
}

static void
find_subtrees_above (const AglLockIndex *self, const AglLock *lock, GPtrArray *found)
{
  gsize n_ancestors;
  const AglDirectoryId *ancestors = agl_directory_get_ancestors (lock->directory, &n_ancestors);

  for (gsize i = 0; i < n_ancestors; i++)
    {
      AglLock *above = g_hash_table_lookup (self->there, &ancestors[i]);

      if (above == NULL || !is_first_mention (agl_directory_get_id (lock->directory), ancestors, i))
        continue;
      for (; above != NULL; above = above->next_there)
        {
          if ((above->mode & AGL_MODE_SUBTREE) != 0)
            g_ptr_array_add (found, above);
        }
    }
}

static void
find_below (const AglLockIndex *self, const AglLock *lock, GPtrArray *found)
{
  const AglDirectoryId *id = agl_directory_get_id (lock->directory);
  GHashTableIter iter;
  gpointer key, first;

  g_hash_table_iter_init (&iter, self->there);
  while (g_hash_table_iter_next (&iter, &key, &first))
    {
      if (agl_directory_id_equal (key, id))
        continue;
      for (AglLock *below = first; below != NULL; below = below->next_there)
        {
          /* Through a bind mount it can be above as well: then it is found already. */
          if (agl_directory_is_below (below->directory, lock->directory)
              && ((below->mode & AGL_MODE_SUBTREE) == 0
                  || !agl_directory_is_below (lock->directory, below->directory)))
            g_ptr_array_add (found, below);
        }
    }
}

void
agl_lock_index_find_overlapping (const AglLockIndex *self, const AglLock *lock, GPtrArray *found)
{
  const AglDirectoryId *id = agl_directory_get_id (lock->directory);

  for (AglLock *there = g_hash_table_lookup (self->there, id); there != NULL; there = there->next_there)
    {
      if (there != lock)
        g_ptr_array_add (found, there);
    }
  if (self->n_subtrees > 0)
    find_subtrees_above (self, lock, found);
  if ((lock->mode & AGL_MODE_SUBTREE) != 0 && g_hash_table_lookup (self->below, id) != NULL)
    find_below (self, lock, found);
}
