/* SPDX-License-Identifier: MIT */
#include "core/ancestry.h"

#include <string.h>

struct _AglAncestry
{
  guint ref_count; /* under the lock, as is the table: the last one out takes it from there */
  guint n_ids;
  const AglDirectoryId *ids; /* follows, but for a key that is looked up with */
};

static GMutex mutex;
static GHashTable *all; /* set of AglAncestry */

static guint
ancestry_hash (gconstpointer data)
{
  const AglAncestry *self = data;
  guint hash = self->n_ids;

  for (guint i = 0; i < self->n_ids; i++)
    hash = hash * 31 + agl_directory_id_hash (&self->ids[i]);
  return hash;
}

static gboolean
ancestry_equal (gconstpointer a, gconstpointer b)
{
  const AglAncestry *x = a, *y = b;

  return x->n_ids == y->n_ids && memcmp (x->ids, y->ids, x->n_ids * sizeof *x->ids) == 0;
}

static AglAncestry *
ancestry_new (const AglAncestry *key)
{
  AglAncestry *self = g_malloc (sizeof *self + key->n_ids * sizeof *key->ids);

  *self = *key;
  self->ids = memcpy (self + 1, key->ids, key->n_ids * sizeof *key->ids);
  return self;
}

AglAncestry *
agl_ancestry_get (const AglDirectoryId *ids, gsize n_ids)
{
  const AglAncestry key = { 0, (guint)n_ids, ids };
  AglAncestry *self;

  if (n_ids == 0)
    return NULL;
  g_mutex_lock (&mutex);
  if (all == NULL)
    all = g_hash_table_new (ancestry_hash, ancestry_equal);
  self = g_hash_table_lookup (all, &key);
  if (self == NULL)
    {
      self = ancestry_new (&key);
      g_hash_table_add (all, self);
    }
  self->ref_count++;
  g_mutex_unlock (&mutex);
  return self;
}

void
agl_ancestry_unref (AglAncestry *self)
{
  if (self == NULL)
    return;
  g_mutex_lock (&mutex);
  if (--self->ref_count == 0)
    {
      g_hash_table_remove (all, self);
      g_free (self);
    }
  g_mutex_unlock (&mutex);
}

const AglDirectoryId *
agl_ancestry_get_ids (const AglAncestry *self, gsize *n_ids)
{
  *n_ids = self != NULL ? self->n_ids : 0;
  return self != NULL ? self->ids : NULL;
}
