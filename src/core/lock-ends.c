/* SPDX-License-Identifier: MIT */
#define G_LOG_DOMAIN "agentctl-locks"
#include "core/lock-ends.h"

#include "common/error.h"
#include "core/lock-file-name.h"

/* With each later call so many of the removals that failed are tried again. */
#define MAX_RETRIES 16

typedef struct
{
  guint64 id;
  AglPrivateFolder *folder;
  AglReleaseReason reason;
  guint64 successor; /* 0: none */
  gboolean unmarked; /* the file still has the name of a held one; the successor's names it */
  gboolean owed;     /* to be removed as soon as that works */
} Ended;

struct _AglLockEnds
{
  GHashTable *by_id; /* id → Ended */
  guint n_unmarked;
  guint n_owed;
};

AglLockEnds *
agl_lock_ends_new (void)
{
  AglLockEnds *self = g_new0 (AglLockEnds, 1);

  self->by_id = g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL, g_free);
  return self;
}

void
agl_lock_ends_free (AglLockEnds *self)
{
  g_hash_table_unref (self->by_id);
  g_free (self);
}

static void
log_trouble (guint64 id, const GError *error, const char *meaning)
{
  g_autofree char *number = g_strdup_printf ("%" G_GUINT64_FORMAT, id);

  g_log_structured (G_LOG_DOMAIN, G_LOG_LEVEL_WARNING, "AGL_LOCK_ID", number, "MESSAGE", "Lock %s: %s; %s",
                    number, error->message, meaning);
}

static void
set_flag (gboolean *flag, guint *count, gboolean value)
{
  if (*flag == value)
    return;
  *flag = value;
  *count += value ? 1 : -1;
}

static void
drop_ended (AglLockEnds *self, Ended *ended)
{
  set_flag (&ended->unmarked, &self->n_unmarked, FALSE);
  set_flag (&ended->owed, &self->n_owed, FALSE);
  g_hash_table_remove (self->by_id, &ended->id);
}

static Ended *
add_ended (
    AglLockEnds *self, guint64 id, AglPrivateFolder *folder, AglReleaseReason reason, guint64 successor)
{
  Ended *ended = g_hash_table_lookup (self->by_id, &id);

  if (ended != NULL)
    drop_ended (self, ended);
  ended = g_new0 (Ended, 1);
  ended->id = id;
  ended->folder = folder;
  ended->reason = reason;
  ended->successor = successor;
  g_hash_table_insert (self->by_id, &ended->id, ended);
  return ended;
}

/* Gives the file of a superseded lock the name that says so by itself. */
static void
mark (AglLockEnds *self, Ended *ended)
{
  g_autofree char *from = agl_lock_file_name (ended->id);
  g_autofree char *to = agl_lock_file_over_name (ended->id, ended->reason);
  g_autoptr (GError) error = NULL;

  if (agl_private_folder_rename (ended->folder, from, to, &error)
      || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
    {
      set_flag (&ended->unmarked, &self->n_unmarked, FALSE);
      return;
    }
  if (!ended->unmarked)
    log_trouble (ended->id, error, "its end stands in the file of the lock that took its place");
  set_flag (&ended->unmarked, &self->n_unmarked, TRUE);
}

/* TRUE when nothing on disk depends on @id's own file any more. */
static gboolean
mark_superseded_by (AglLockEnds *self, guint64 id)
{
  GHashTableIter iter;
  gpointer value;
  gboolean all = TRUE;

  if (self->n_unmarked == 0)
    return TRUE;
  g_hash_table_iter_init (&iter, self->by_id);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      Ended *ended = value;

      if (!ended->unmarked || ended->successor != id)
        continue;
      mark (self, ended);
      all = all && !ended->unmarked;
    }
  return all;
}

void
agl_lock_ends_collect (AglLockEnds *self, guint64 successor, GArray *ids)
{
  GHashTableIter iter;
  gpointer value;

  if (self->n_unmarked == 0)
    return;
  g_hash_table_iter_init (&iter, self->by_id);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      const Ended *ended = value;

      if (ended->unmarked && ended->successor == successor)
        g_array_append_val (ids, ended->id);
    }
}

/* FALSE when it has to be tried again. */
static gboolean
remove_file (AglLockEnds *self, Ended *ended, GError **error)
{
  g_autofree char *name = NULL;

  if (!mark_superseded_by (self, ended->id))
    {
      g_set_error (error, AGL_ERROR, AGL_ERROR_UNAVAILABLE, "the locks that it superseded are still on disk");
      return FALSE;
    }
  name =
      ended->unmarked ? agl_lock_file_name (ended->id) : agl_lock_file_over_name (ended->id, ended->reason);
  return agl_private_folder_remove (ended->folder, name, error);
}

void
agl_lock_ends_retry (AglLockEnds *self)
{
  g_autoptr (GPtrArray) owed = NULL;
  GHashTableIter iter;
  gpointer value;

  if (self->n_owed == 0)
    return;
  owed = g_ptr_array_new ();
  g_hash_table_iter_init (&iter, self->by_id);
  while (owed->len < MAX_RETRIES && g_hash_table_iter_next (&iter, NULL, &value))
    if (((Ended *)value)->owed)
      g_ptr_array_add (owed, value);
  for (guint i = 0; i < owed->len; i++)
    if (remove_file (self, owed->pdata[i], NULL))
      drop_ended (self, owed->pdata[i]);
}

void
agl_lock_ends_add (AglLockEnds *self, guint64 id, AglPrivateFolder *folder, AglReleaseReason reason)
{
  add_ended (self, id, folder, reason, 0);
}

void
agl_lock_ends_add_superseded (AglLockEnds *self, guint64 id, AglPrivateFolder *folder, guint64 successor)
{
  mark (self, add_ended (self, id, folder, AGL_RELEASE_STOLEN, successor));
}

char *
agl_lock_ends_dup_path (AglLockEnds *self, guint64 id)
{
  const Ended *ended = g_hash_table_lookup (self->by_id, &id);
  g_autofree char *name = NULL;

  if (ended == NULL || self->n_unmarked > 0)
    return NULL;
  name = agl_lock_file_over_name (ended->id, ended->reason);
  return g_build_filename (agl_private_folder_get_path (ended->folder), name, NULL);
}

void
agl_lock_ends_remove (AglLockEnds *self, guint64 id)
{
  Ended *ended = g_hash_table_lookup (self->by_id, &id);
  g_autoptr (GError) error = NULL;

  if (ended != NULL && !ended->owed && remove_file (self, ended, &error))
    drop_ended (self, ended);
  else if (ended != NULL && !ended->owed)
    {
      log_trouble (id, error,
                   "its file is removed later; after a crash before that, its end is announced again");
      set_flag (&ended->owed, &self->n_owed, TRUE);
    }
  agl_lock_ends_retry (self);
}
