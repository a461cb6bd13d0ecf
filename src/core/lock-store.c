/* SPDX-License-Identifier: MIT */

/* What stands in the two folders, and what each step of a lock's life does to it:
 *
 *   42.json          held                                     save: written as 42.json.tmp, then renamed
 *   42.over-exited   ended, the end perhaps not announced     forget: renamed from 42.json
 *   (nothing)        over and done with                       announced: removed
 *   42.json.bad      could not be used, kept for a person     load
 *   last-id          (in the state folder itself) see id-counter.h
 *   told             (in the runtime folder itself) see told.h
 *
 * A lock that takes others' places (steal) names them in its own file, so that the one rename that makes it
 * held ends them too. Their files are renamed to N.over-stolen after that. Where that fails, their end stands
 * only in the file of their successor, which therefore goes on naming them, and stays, until it worked. */
#include "core/lock-store.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/error.h"
#include "core/id-counter.h"
#include "core/lock-ends.h"
#include "core/private-folder.h"

struct _AglLockStore
{
  AglPrivateFolder *runtime;
  AglPrivateFolder *state;
  AglPrivateFolder *locks;  /* of processes */
  AglPrivateFolder *claims; /* manual */
  AglIdCounter *ids;
  AglLockEnds *ends;
  AglTold *told;
  GHashTable *foreign; /* id → Foreign */
  GHashTable *claimed; /* set of ids (guint64 *, owned): manual locks on disk */
  guint n_bad;
};

/* A lock that was loaded from another world (see process.h) and means that one until it has a new holder. */
typedef struct
{
  guint64 id;
  char *world;
  AglProcessToken token;
} Foreign;

static void
foreign_free (gpointer data)
{
  Foreign *self = data;

  g_free (self->world);
  g_free (self);
}

/* @is_first_start: ids begin anew, and what was told of earlier ones says nothing. */
static AglTold *
open_told (const char *runtime_dir, gboolean is_first_start)
{
  g_autofree char *path = g_build_filename (runtime_dir, "told", NULL);

  if (is_first_start)
    (void)unlinkat (AT_FDCWD, path, 0);
  return agl_told_open (path);
}

AglLockStore *
agl_lock_store_new (const char *runtime_dir, const char *state_dir, GError **error)
{
  g_autoptr (AglLockStore) self = g_new0 (AglLockStore, 1);
  gboolean new_claims = FALSE, new_locks = FALSE;

  self->ends = agl_lock_ends_new ();
  self->foreign = g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL, foreign_free);
  self->state = agl_private_folder_open (state_dir, TRUE, error);
  if (self->state == NULL)
    return NULL;
  self->runtime = agl_private_folder_open (runtime_dir, FALSE, error);
  if (self->runtime == NULL)
    return NULL;
  self->claimed = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
  self->claims = agl_private_folder_open_child (self->state, "claims", &new_claims, error);
  if (self->claims == NULL)
    return NULL;
  self->locks = agl_private_folder_open_child (self->runtime, "locks", &new_locks, error);
  if (self->locks == NULL)
    return NULL;
  self->ids = agl_id_counter_new (self->state, new_claims && new_locks);
  self->told = open_told (runtime_dir, new_claims && new_locks);
  return g_steal_pointer (&self);
}

guint
agl_lock_store_count_bad (const AglLockStore *self)
{
  return self->n_bad;
}

guint64
agl_lock_store_next_id (AglLockStore *self, GError **error)
{
  return agl_id_counter_next (self->ids, error);
}

static AglPrivateFolder *
folder_of (AglLockStore *self, const AglLock *lock)
{
  return lock->manual ? self->claims : self->locks;
}

void
agl_lock_store_announced (AglLockStore *self, guint64 id)
{
  agl_lock_ends_remove (self->ends, id);
}

AglTold *
agl_lock_store_get_told (AglLockStore *self)
{
  return self->told;
}

char *
agl_lock_store_dup_end_path (AglLockStore *self, guint64 id)
{
  return agl_lock_ends_dup_path (self->ends, id);
}

void
agl_lock_store_free (AglLockStore *self)
{
  agl_lock_ends_retry (self->ends);
  g_clear_pointer (&self->ends, agl_lock_ends_free);
  g_clear_pointer (&self->told, agl_told_unref);
  g_clear_pointer (&self->ids, agl_id_counter_free);
  g_clear_pointer (&self->locks, agl_private_folder_free);
  g_clear_pointer (&self->claims, agl_private_folder_free);
  g_clear_pointer (&self->runtime, agl_private_folder_free);
  g_clear_pointer (&self->state, agl_private_folder_free);
  g_clear_pointer (&self->foreign, g_hash_table_unref);
  g_clear_pointer (&self->claimed, g_hash_table_unref);
  g_free (self);
}

/* Save and forget. */

static const char *
world_of (AglLockStore *self, const AglLock *lock)
{
  const Foreign *foreign = g_hash_table_lookup (self->foreign, &lock->id);

  if (foreign == NULL)
    return agl_process_world ();
  if (!lock->manual && agl_process_token_equal (&foreign->token, &lock->token))
    return foreign->world;
  g_hash_table_remove (self->foreign, &lock->id); /* it was handed to a process of this world */
  return agl_process_world ();
}

static gboolean
write_lock (AglLockStore *self, const AglLock *lock, const char *name, GPtrArray *superseded, GError **error)
{
  g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (guint64));
  g_autofree char *text = NULL;

  agl_lock_ends_collect (self->ends, lock->id, ids);
  for (guint i = 0; superseded != NULL && i < superseded->len; i++)
    g_array_append_val (ids, ((const AglLock *)superseded->pdata[i])->id);

  text = agl_lock_file_format (lock, world_of (self, lock), ids, error);
  if (text == NULL)
    return FALSE;
  return agl_private_folder_write (folder_of (self, lock), name, text, strlen (text), error);
}

static void
note_claim (AglLockStore *self, guint64 id)
{
  g_hash_table_add (self->claimed, g_memdup2 (&id, sizeof id));
}

/* A claim that was handed to a process is now that process's lock: the new file says so, and the old one
 * goes. Should the service die in between, agl_lock_store_load() goes by the new one. */
static void
leave_claims (AglLockStore *self, guint64 id)
{
  g_autofree char *name = agl_lock_file_name (id);
  g_autoptr (GError) error = NULL;

  g_hash_table_remove (self->claimed, &id);
  if (!agl_private_folder_remove (self->claims, name, &error))
    g_warning ("The claim that lock %" G_GUINT64_FORMAT " was cannot be removed yet: %s", id, error->message);
}

gboolean
agl_lock_store_save (AglLockStore *self, const AglLock *lock, GPtrArray *superseded, GError **error)
{
  g_autofree char *name = agl_lock_file_name (lock->id);

  agl_lock_ends_retry (self->ends);
  if (!write_lock (self, lock, name, superseded, error))
    return FALSE;
  if (lock->manual)
    note_claim (self, lock->id);
  else if (g_hash_table_contains (self->claimed, &lock->id))
    leave_claims (self, lock->id);
  for (guint i = 0; superseded != NULL && i < superseded->len; i++)
    {
      const AglLock *loser = superseded->pdata[i];

      g_hash_table_remove (self->foreign, &loser->id);
      g_hash_table_remove (self->claimed, &loser->id);
      agl_lock_ends_add_superseded (self->ends, loser->id, folder_of (self, loser), lock->id);
    }
  return TRUE;
}

/* The file of a held lock is gone: nobody but this service should touch it. Its end is written out whole, so
 * that it survives a crash all the same. */
static gboolean
write_end (AglLockStore *self, const AglLock *lock, const char *name, GError **error)
{
  g_autofree char *number = g_strdup_printf ("%" G_GUINT64_FORMAT, lock->id);

  g_log_structured (G_LOG_DOMAIN, G_LOG_LEVEL_WARNING, "AGL_LOCK_ID", number, "MESSAGE",
                    "The file of lock %s has vanished from %s: somebody removed it", number,
                    agl_private_folder_get_path (folder_of (self, lock)));
  return write_lock (self, lock, name, NULL, error);
}

gboolean
agl_lock_store_forget (AglLockStore *self, const AglLock *lock, AglReleaseReason reason, GError **error)
{
  g_autofree char *from = agl_lock_file_name (lock->id);
  g_autofree char *to = agl_lock_file_over_name (lock->id, reason);
  g_autoptr (GError) local = NULL;

  agl_lock_ends_retry (self->ends);
  if (!agl_private_folder_rename (folder_of (self, lock), from, to, &local))
    {
      if (!g_error_matches (local, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
        {
          g_propagate_error (error, g_steal_pointer (&local));
          return FALSE;
        }
      if (!write_end (self, lock, to, error))
        return FALSE;
    }
  agl_lock_ends_add (self->ends, lock->id, folder_of (self, lock), reason);
  g_hash_table_remove (self->foreign, &lock->id);
  g_hash_table_remove (self->claimed, &lock->id);
  return TRUE;
}

/* Load. */

typedef struct
{
  AglLockStore *store;
  JsonParser *parser;
  GString *contents;
  GHashTable *by_id;      /* id → AglSavedLock, owned by @found */
  GHashTable *superseded; /* id → AglSavedLock that names it */
  GPtrArray *found;
} Load;

static void
set_aside (Load *load, AglPrivateFolder *folder, const char *name, const char *why)
{
  agl_private_folder_set_aside (folder, name, why);
  load->store->n_bad++;
}

static const char *
find_contradiction (const Load *load,
                    const AglPrivateFolder *folder,
                    const AglSavedLock *saved,
                    guint64 id_in_name)
{
  if (saved->lock->id != id_in_name)
    return "the id within is another than in its name";
  if (saved->lock->manual != (folder == load->store->claims))
    return saved->lock->manual ? "a manual lock among those of processes"
                               : "a lock of a process among the manual ones";
  return NULL;
}

/* NULL without @error: it was set aside. */
static AglSavedLock *
read_lock (Load *load, AglPrivateFolder *folder, const char *name, GError **error)
{
  g_autoptr (AglSavedLock) saved = NULL;
  g_autoptr (GError) local = NULL;
  const char *contradiction;
  gboolean over;
  guint64 id;
  AglReleaseReason reason = AGL_RELEASE_RELEASED;

  agl_id_counter_raise (load->store->ids, agl_lock_file_guess_id (name));
  if (!agl_lock_file_parse_name (name, &id, &over, &reason))
    {
      set_aside (load, folder, name, "no name of this service's");
      return NULL;
    }
  if (!agl_private_folder_read (folder, name, AGL_MAX_LOCK_FILE_BYTES, load->contents, &local))
    {
      if (g_error_matches (local, AGL_ERROR, AGL_ERROR_UNAVAILABLE))
        g_propagate_error (error, g_steal_pointer (&local));
      else if (!g_error_matches (local, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
        set_aside (load, folder, name, local->message);
      return NULL;
    }
  saved = agl_saved_lock_parse_with (load->parser, load->contents->str, load->contents->len, &local);
  if (saved == NULL)
    {
      set_aside (load, folder, name, local->message);
      return NULL;
    }
  contradiction = find_contradiction (load, folder, saved, id);
  if (contradiction != NULL)
    {
      set_aside (load, folder, name, contradiction);
      return NULL;
    }
  saved->over = over;
  saved->reason = reason;
  return g_steal_pointer (&saved);
}

/* Ends that are on disk count more than what is held: the end was proven, and no step of ours leads back. */
static void
keep (Load *load, AglPrivateFolder *folder, const char *name, AglSavedLock *saved)
{
  AglSavedLock *other = g_hash_table_lookup (load->by_id, &saved->lock->id);

  if (other != NULL && saved->lock->manual && !other->lock->manual)
    {
      /* A claim that became a process's lock just before the service ended. */
      agl_saved_lock_free (saved);
      note_claim (load->store, other->lock->id);
      leave_claims (load->store, other->lock->id);
      return;
    }
  if (other != NULL)
    {
      agl_saved_lock_free (saved);
      set_aside (load, folder, name, "another file is of the same lock");
      return;
    }
  g_ptr_array_add (load->found, saved);
  g_hash_table_insert (load->by_id, &saved->lock->id, saved);
  for (guint i = 0; i < saved->supersedes->len; i++)
    g_hash_table_insert (load->superseded, &g_array_index (saved->supersedes, guint64, i), saved);
  if (saved->lock->manual && !saved->over)
    note_claim (load->store, saved->lock->id);
  if (saved->over)
    agl_lock_ends_add (load->store->ends, saved->lock->id, folder, saved->reason);
}

/* Ended ones come first, then the rest by id: so nothing depends on the order in which a folder is listed. */
static int
compare_names (gconstpointer a, gconstpointer b)
{
  const char *first = *(const char *const *)a, *second = *(const char *const *)b;
  gboolean first_over = strstr (first, ".over-") != NULL, second_over = strstr (second, ".over-") != NULL;

  return first_over != second_over ? second_over - first_over : strcmp (first, second);
}

static gboolean
load_folder (Load *load, AglPrivateFolder *folder, GError **error)
{
  g_autoptr (GPtrArray) names = agl_private_folder_list (folder, error);

  if (names == NULL)
    return FALSE;
  g_ptr_array_sort (names, compare_names);
  for (guint i = 0; i < names->len; i++)
    {
      const char *name = names->pdata[i];
      AglSavedLock *saved;
      g_autoptr (GError) local = NULL;

      if (agl_private_folder_is_set_aside (name))
        {
          agl_id_counter_raise (load->store->ids, agl_lock_file_guess_id (name));
          continue;
        }
      if (agl_private_folder_is_temporary (name))
        {
          if (!agl_private_folder_remove (folder, name, &local))
            set_aside (load, folder, name, local->message);
          continue;
        }
      saved = read_lock (load, folder, name, &local);
      if (saved != NULL)
        keep (load, folder, name, saved);
      else if (local != NULL)
        {
          g_propagate_error (error, g_steal_pointer (&local));
          return FALSE;
        }
    }
  return TRUE;
}

/* What a crash between a steal's rename and the renames of its victims left undone. */
static void
finish_steals (Load *load)
{
  for (guint i = 0; i < load->found->len; i++)
    {
      AglSavedLock *saved = load->found->pdata[i];
      const AglSavedLock *successor = g_hash_table_lookup (load->superseded, &saved->lock->id);

      if (saved->over || successor == NULL)
        continue;
      saved->over = TRUE;
      saved->reason = AGL_RELEASE_STOLEN;
      agl_lock_ends_add_superseded (load->store->ends, saved->lock->id, folder_of (load->store, saved->lock),
                                    successor->lock->id);
    }
}

/* Tokens of another world are not compared with those of this one by mistake. */
static void
note_world (AglLockStore *self, AglSavedLock *saved)
{
  Foreign *foreign;

  if (saved->same_world)
    return;
  saved->lock->acquirer.kind = AGL_TOKEN_NONE;
  saved->lock->acquirer.value = 0;
  if (saved->over || saved->lock->manual)
    return;
  foreign = g_new0 (Foreign, 1);
  foreign->id = saved->lock->id;
  foreign->world = g_strdup (saved->world);
  foreign->token = saved->lock->token;
  g_hash_table_replace (self->foreign, &foreign->id, foreign);
}

/* The end that was told as the very last thing before a kill is over and done with. */
static void
drop_told_end (AglLockStore *self, GPtrArray *found)
{
  guint64 told = agl_told_get_last_released (self->told);

  for (guint i = 0; i < found->len; i++)
    {
      const AglSavedLock *saved = found->pdata[i];

      if (!saved->over || saved->lock->id != told)
        continue;
      agl_lock_ends_remove (self->ends, told);
      g_ptr_array_remove_index (found, i);
      return;
    }
}

/* @found: in the order of ids. */
static void
note_untold (AglLockStore *self, GPtrArray *found)
{
  guint64 told;

  if (!agl_told_get_acquired (self->told, &told))
    {
      if (found->len > 0)
        agl_told_set_acquired (self->told, ((const AglSavedLock *)found->pdata[found->len - 1])->lock->id);
      return;
    }
  for (guint i = 0; i < found->len; i++)
    ((AglSavedLock *)found->pdata[i])->untold = ((AglSavedLock *)found->pdata[i])->lock->id > told;
}

static int
compare_ids (gconstpointer a, gconstpointer b)
{
  const AglSavedLock *first = *(const AglSavedLock *const *)a, *second = *(const AglSavedLock *const *)b;

  return first->lock->id < second->lock->id ? -1 : first->lock->id > second->lock->id;
}

GPtrArray *
agl_lock_store_load (AglLockStore *self, GError **error)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (GString) contents = g_string_new (NULL);
  g_autoptr (GHashTable) by_id = g_hash_table_new (g_int64_hash, g_int64_equal);
  g_autoptr (GHashTable) superseded = g_hash_table_new (g_int64_hash, g_int64_equal);
  g_autoptr (GPtrArray) found = g_ptr_array_new_with_free_func ((GDestroyNotify)agl_saved_lock_free);
  Load load = { self, parser, contents, by_id, superseded, found };

  if (!load_folder (&load, self->locks, error) || !load_folder (&load, self->claims, error))
    return NULL;
  finish_steals (&load);
  for (guint i = 0; i < found->len; i++)
    note_world (self, found->pdata[i]);
  g_ptr_array_sort (found, compare_ids);
  drop_told_end (self, found);
  note_untold (self, found);
  return g_steal_pointer (&found);
}
