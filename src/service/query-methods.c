/* SPDX-License-Identifier: MIT */
#include "common/error.h"
#include "common/text.h"
#include "core/occupants.h"
#include "service/lock-facts.h"
#include "service/locks-object.h"
#include "service/options.h"
#include "service/socket-door.h"

#include <string.h>

static const AglOptionSpec list_specs[] = {
  { "directory", "s" }, { "under", "s" }, { "pid", "u" }, { "uid", "u" }, { "kind", "s" }, { NULL },
};

/* What List was asked for. */
typedef struct
{
  GHashTable *options;
  AglDirectory *place; /* of `directory` or `under`; NULL when it cannot be found */
  pid_t pid;
} Filter;

static void
filter_free (gpointer data)
{
  Filter *self = data;

  g_clear_pointer (&self->options, g_hash_table_unref);
  g_clear_pointer (&self->place, agl_directory_unref);
  g_free (self);
}

/* A directory that is gone, or that the caller cannot reach, may still be locked: then its spelling is
 * compared. */
static gboolean
is_at (const AglLock *lock, const Filter *filter, const char *spelling, gboolean below_too)
{
  const char *path = agl_directory_get_path (lock->directory);
  gsize length = strlen (spelling);

  if (filter->place != NULL)
    return agl_directory_equal (lock->directory, filter->place)
           || (below_too && agl_directory_is_below (lock->directory, filter->place));
  while (length > 1 && spelling[length - 1] == '/')
    length--;
  if (strncmp (path, spelling, length) != 0)
    return FALSE;
  return path[length] == '\0' || (below_too && (path[length] == '/' || length == 1));
}

static gboolean
passes (const AglLock *lock, const Filter *filter)
{
  GHashTable *options = filter->options;
  const char *directory = agl_options_get_string (options, "directory");
  const char *under = agl_options_get_string (options, "under");
  const char *kind = agl_options_get_string (options, "kind");

  if (directory != NULL && !is_at (lock, filter, directory, FALSE))
    return FALSE;
  if (under != NULL && !is_at (lock, filter, under, TRUE))
    return FALSE;
  if (kind != NULL && !g_str_equal (kind, lock->manual ? "manual" : "process"))
    return FALSE;
  if (agl_options_has (options, "uid") && agl_options_get_uint32 (options, "uid", 0) != lock->uid)
    return FALSE;
  return !agl_options_has (options, "pid") || filter->pid == lock->token.pid;
}

/* TRUE when the asker would not be told all that there is to say about @lock. */
static gboolean
is_reserved (const AglCall *call, const AglLock *lock)
{
  return (lock->texts.agent != NULL || lock->texts.session != NULL || lock->texts.reason != NULL)
         && !agl_call_may_read_texts (call, lock->uid);
}

static void
list (AglCall *call)
{
  Filter *filter = call->data;
  g_autoptr (GPtrArray) locks = agl_lock_table_list (agl_keeper_get_table (call->service->keeper));
  GVariantBuilder found;

  if (call->directory != NULL)
    filter->place = g_steal_pointer (&call->directory);
  for (guint i = 0; i < locks->len; i++)
    if (passes (g_ptr_array_index (locks, i), filter) && is_reserved (call, g_ptr_array_index (locks, i))
        && agl_call_ask_for_texts (call, list))
      return;
  g_variant_builder_init (&found, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = 0; i < locks->len; i++)
    {
      AglLock *lock = g_ptr_array_index (locks, i);

      if (!passes (lock, filter))
        continue;
      agl_keeper_refresh_command (call->service->keeper, lock);
      g_variant_builder_add_value (&found, agl_lock_facts (lock, agl_call_may_read_texts (call, lock->uid)));
    }
  agl_call_return (call, g_variant_new ("(aa{sv})", &found));
}

static gboolean
parse_list (AglCall *call, Filter *filter, GError **error)
{
  const char *kind;
  guint32 pid;

  filter->options = agl_options_parse (call->options, list_specs, error);
  if (filter->options == NULL || !agl_options_exclude (filter->options, "directory", "under", error))
    return FALSE;
  kind = agl_options_get_string (filter->options, "kind");
  if (kind != NULL && !g_str_equal (kind, "process") && !g_str_equal (kind, "manual"))
    {
      g_set_error_literal (error, AGL_ERROR, AGL_ERROR_INVALID_OPTION,
                           "Option 'kind' is one of 'process' and 'manual'");
      return FALSE;
    }
  pid = agl_options_get_uint32 (filter->options, "pid", 0);
  if (pid == 0 || pid > G_MAXINT32)
    filter->pid = pid == 0 ? 0 : -1;
  else
    {
      /* A number that means nothing to the caller matches nothing. */
      filter->pid = agl_call_translate_pid (call, pid, NULL);
    }
  return TRUE;
}

/* A list may be long: who asks for many of them and reads none would have us keep them all. */
#define MAX_UNREAD_MESSAGES 64

static gboolean
reads_its_replies (AglCall *call, GError **error)
{
  if (agl_socket_door_get_backlog (call->caller->connection) <= MAX_UNREAD_MESSAGES)
    return TRUE;
  g_set_error (error, AGL_ERROR, AGL_ERROR_LIMIT_EXCEEDED,
               "More than %d messages to this connection are unread; read them before asking for a list",
               MAX_UNREAD_MESSAGES);
  return FALSE;
}

void
agl_list_method (AglCall *call)
{
  Filter *filter = g_new0 (Filter, 1);
  g_autoptr (GError) error = NULL;
  const char *place;

  call->data = filter;
  call->free_data = filter_free;
  if (!reads_its_replies (call, &error) || !parse_list (call, filter, &error))
    {
      agl_call_fail (call, g_steal_pointer (&error), AGL_CALL_FINAL);
      return;
    }
  place = agl_options_get_string (filter->options, "directory");
  if (place == NULL)
    place = agl_options_get_string (filter->options, "under");
  if (place == NULL)
    {
      list (call);
      return;
    }
  if (*place != '/')
    {
      agl_call_fail (call,
                     g_error_new_literal (AGL_ERROR, AGL_ERROR_INVALID_DIRECTORY,
                                          "A directory to list is given as an absolute path"),
                     AGL_CALL_FINAL);
      return;
    }
  g_free (call->text);
  call->text = g_strdup (place);
  agl_call_try_directory (call, -1, AGL_ACCESS_REACH, list);
}

static gboolean
any_is_reserved (const AglCall *call, const AglBlockers *blockers)
{
  for (guint i = 0; blockers->locks != NULL && i < blockers->locks->len; i++)
    if (is_reserved (call, g_ptr_array_index (blockers->locks, i)))
      return TRUE;
  for (guint i = 0; blockers->waiters != NULL && i < blockers->waiters->len; i++)
    if (any_is_reserved (call, agl_waiter_get_blockers (g_ptr_array_index (blockers->waiters, i))))
      return TRUE;
  return FALSE;
}

/* Who is in the way, each told once. */
typedef struct
{
  GVariantBuilder facts;
  GHashTable *locks;
  GHashTable *agents; /* by pid */
} Obstacles;

/* @directory: for which they were found; it is where the unregistered agents work. */
static void
add_blockers (AglCall *call, Obstacles *told, const AglBlockers *blockers, const AglDirectory *directory)
{
  for (guint i = 0; blockers->locks != NULL && i < blockers->locks->len; i++)
    {
      AglLock *lock = g_ptr_array_index (blockers->locks, i);

      if (!g_hash_table_add (told->locks, lock))
        continue;
      agl_keeper_refresh_command (call->service->keeper, lock);
      g_variant_builder_add_value (&told->facts,
                                   agl_lock_facts (lock, agl_call_may_read_texts (call, lock->uid)));
    }
  for (guint i = 0; blockers->outsiders != NULL && i < blockers->outsiders->len; i++)
    {
      const AglOutsider *outsider = g_ptr_array_index (blockers->outsiders, i);

      if (g_hash_table_add (told->agents, GINT_TO_POINTER (agl_process_get_pid (outsider->process))))
        g_variant_builder_add_value (&told->facts, agl_outsider_facts (outsider, directory));
    }
}

static void
check (AglCall *call)
{
  g_autoptr (AglRequest) request = agl_request_new ();
  g_autoptr (GHashTable) locks = g_hash_table_new (NULL, NULL);
  g_autoptr (GHashTable) agents = g_hash_table_new (NULL, NULL);
  Obstacles told = { .locks = locks, .agents = agents };
  g_auto (AglBlockers) blockers = { 0 };
  g_autoptr (GError) error = NULL;

  /* A process that holds nothing: as a manual request, which is nobody's, would find it. */
  request->uid = call->asker.uid;
  request->asker.uid = call->asker.uid;
  request->directory = agl_directory_ref (call->directory);
  request->detect_agents = call->service->settings.detect_agents;
  request->timeout_msec = -1;
  if (!agl_lock_table_find_blockers (agl_keeper_get_table (call->service->keeper), request, &blockers,
                                     &error))
    {
      agl_call_fail (call, g_steal_pointer (&error), AGL_CALL_FINAL);
      return;
    }
  if (any_is_reserved (call, &blockers) && agl_call_ask_for_texts (call, check))
    return;

  g_variant_builder_init (&told.facts, G_VARIANT_TYPE ("aa{sv}"));
  add_blockers (call, &told, &blockers, call->directory);
  /* Behind somebody who waits one stands behind whom that one waits for. */
  for (guint i = 0; blockers.waiters != NULL && i < blockers.waiters->len; i++)
    {
      const AglWaiter *waiter = g_ptr_array_index (blockers.waiters, i);

      add_blockers (call, &told, agl_waiter_get_blockers (waiter),
                    agl_waiter_get_request (waiter)->directory);
    }
  agl_call_return (call, g_variant_new ("(baa{sv})", agl_blockers_are_none (&blockers), &told.facts));
}

void
agl_check_method (AglCall *call)
{
  agl_call_find_directory (call, -1, AGL_ACCESS_REACH, check);
}

/* Reading all of /proc and walking up from every working directory is work for a thread. */
typedef struct
{
  AglDirectory *directory;
  AglAgentCatalog *catalog;
} Census;

static void
census_free (gpointer data)
{
  Census *census = data;

  agl_directory_unref (census->directory);
  agl_agent_catalog_unref (census->catalog);
  g_free (census);
}

static gpointer
count_in_thread (gpointer input, GError **error)
{
  const Census *census = input;

  return agl_occupants_find (census->directory, census->catalog, AGL_PATIENCE_NONE, error);
}

/* Where exactly another user's process works is nobody's business that /proc would not tell: of those below
 * the directory it is only said that they are. */
static const char *
cwd_to_tell (const AglCall *call, const AglOccupant *occupant)
{
  return agl_call_may_read_texts (call, occupant->uid) ? occupant->cwd
                                                       : agl_directory_get_path (call->directory);
}

/* What the @occupants hold: a lock on the directory before one above or below it. */
static GHashTable *
index_locks (AglCall *call, GPtrArray *occupants)
{
  g_autoptr (GHashTable) pids = g_hash_table_new (NULL, NULL);
  g_autoptr (GPtrArray) locks = NULL;
  GHashTable *by_pid = g_hash_table_new (NULL, NULL);

  for (guint i = 0; i < occupants->len; i++)
    g_hash_table_add (pids, GINT_TO_POINTER (((const AglOccupant *)g_ptr_array_index (occupants, i))->pid));
  locks = agl_lock_table_list_pids (agl_keeper_get_table (call->service->keeper), pids);
  for (guint i = 0; i < locks->len; i++)
    {
      AglLock *lock = g_ptr_array_index (locks, i);
      gpointer pid = GINT_TO_POINTER (lock->token.pid);

      if (agl_directory_equal (lock->directory, call->directory)
          || (!g_hash_table_contains (by_pid, pid)
              && (agl_directory_is_below (lock->directory, call->directory)
                  || agl_directory_is_below (call->directory, lock->directory))))
        g_hash_table_insert (by_pid, pid, lock);
    }
  return by_pid;
}

static void
on_counted (gpointer result, GError *error, gpointer user_data)
{
  AglCall *call = user_data;
  GPtrArray *occupants = result;
  g_autoptr (GHashTable) by_pid = NULL;
  GVariantBuilder found;

  if (occupants == NULL)
    {
      agl_call_fail (call, g_error_copy (error), AGL_CALL_FINAL);
      return;
    }
  by_pid = index_locks (call, occupants);
  g_variant_builder_init (&found, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = 0; i < occupants->len; i++)
    {
      const AglOccupant *occupant = g_ptr_array_index (occupants, i);
      const AglLock *lock = g_hash_table_lookup (by_pid, GINT_TO_POINTER (occupant->pid));

      g_variant_builder_add_value (
          &found, agl_occupant_facts (occupant, cwd_to_tell (call, occupant), lock != NULL ? lock->id : 0));
    }
  g_ptr_array_unref (occupants);
  agl_call_return (call, g_variant_new ("(aa{sv})", &found));
}

static void
count (AglCall *call)
{
  Census *census = g_new0 (Census, 1);

  census->directory = agl_directory_ref (call->directory);
  census->catalog = agl_agent_catalog_ref (agl_keeper_get_catalog (call->service->keeper));
  agl_worker_push (call->service->census, call->asker.uid, count_in_thread, census, census_free,
                   (GDestroyNotify)g_ptr_array_unref, on_counted, call);
}

void
agl_occupants_method (AglCall *call)
{
  agl_call_find_directory (call, -1, AGL_ACCESS_REACH, count);
}
