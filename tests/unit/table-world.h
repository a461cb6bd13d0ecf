/* SPDX-License-Identifier: MIT */
#pragma once
#include "core/lock-table.h"

#include "common/error.h"

#include "children.h"

/* What the tests of the table share: living processes as holders, directories that need not exist, and hooks
 * that write down what they are told, one line each. */

typedef struct
{
  AglProcess *process;
  pid_t pid;
} Holder;

static inline void
holder_start (Holder *self)
{
  g_autoptr (GError) error = NULL;

  self->pid = start_child (idle_child, NULL);
  self->process = agl_process_open (self->pid, &error);
  g_assert_no_error (error);
}

static inline void
holder_end (Holder *self)
{
  agl_process_unref (self->process);
  kill_and_reap (self->pid);
}

/* @path: "/1/4/2", each component the inode number of a directory. */
static inline AglDirectory *
make_directory (const char *path)
{
  g_auto (GStrv) names = g_strsplit (path, "/", -1);
  guint depth = g_strv_length (names) - 1;
  g_autofree AglDirectoryId *ids = g_new0 (AglDirectoryId, depth + 1);

  /* Nearest first: the directory itself at 0. */
  for (guint i = 0; i < depth; i++)
    ids[i] = (AglDirectoryId){ 1, g_ascii_strtoull (names[depth - i], NULL, 10) };
  return agl_directory_new_saved (&ids[0], NULL, path, FALSE, ids + 1, depth - 1);
}

typedef struct World World;
struct World
{
  AglLockTable *table;
  GString *log;
  guint64 last_id;
  gboolean no_ids;
  int commits_until_failure; /* -1: they all succeed */
  gboolean not_ready;
  gboolean untold;  /* whether anybody would hear of a grant is not known yet */
  Holder *outsider; /* seen wherever one looks */
  gboolean blind;   /* nothing can be seen */
  guint n_commits, n_looks;
  void (*in_hook) (World *world, const char *what); /* called from every event hook */
};

static inline gboolean
world_commit (AglLock *lock, GPtrArray *superseded, gpointer user_data, GError **error)
{
  World *self = user_data;

  g_assert_cmpuint (lock->id, !=, 0);
  g_assert_true (superseded == NULL || superseded->len > 0);
  self->n_commits++;
  if (self->commits_until_failure < 0 || self->commits_until_failure-- > 0)
    return TRUE;
  g_set_error (error, AGL_ERROR, AGL_ERROR_UNAVAILABLE, "disk full");
  return FALSE;
}

static inline gboolean
world_look (const AglRequest *request, GPtrArray **outsiders, gpointer user_data, GError **error)
{
  World *self = user_data;

  self->n_looks++;
  if (self->blind)
    {
      g_set_error (error, AGL_ERROR, AGL_ERROR_UNAVAILABLE, "out of descriptors");
      return FALSE;
    }
  if (self->outsider == NULL)
    return TRUE;
  *outsiders = g_ptr_array_new_with_free_func ((GDestroyNotify)agl_outsider_unref);
  g_ptr_array_add (*outsiders, agl_outsider_new (self->outsider->process, 1000, "node", "claude"));
  return TRUE;
}

static inline gboolean
world_ready (const AglRequest *request, gpointer user_data, GError **error)
{
  World *self = user_data;

  if (!self->not_ready)
    return TRUE;
  g_set_error (error, AGL_ERROR, AGL_ERROR_NO_SUCH_PROCESS, "dead");
  return FALSE;
}

static inline gboolean
world_can_be_told (AglWaiter *waiter, gpointer user_data)
{
  World *self = user_data;

  return !self->untold;
}

static inline guint64
world_next_id (gpointer user_data)
{
  World *self = user_data;

  return self->no_ids ? 0 : ++self->last_id;
}

static inline void G_GNUC_PRINTF (2, 3) world_note (World *self, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  g_string_append_printf (self->log, "%s\n", text);
  if (self->in_hook != NULL)
    self->in_hook (self, text);
}

/* How many wait for @lock, if anybody does. */
static inline char *
describe_waiters (const AglLock *lock)
{
  return lock->n_waiters == 0 ? g_strdup ("") : g_strdup_printf (" waiters=%u", lock->n_waiters);
}

static inline void
world_acquired (AglLock *lock, gpointer user_data)
{
  g_autofree char *waiters = describe_waiters (lock);

  world_note (user_data, "acquired %d%s", (int)lock->id, waiters);
}

static inline void
world_released (AglLock *lock, AglReleaseReason reason, gpointer user_data)
{
  g_autofree char *waiters = describe_waiters (lock);

  world_note (user_data, "released %d %s%s", (int)lock->id, agl_release_reason_to_string (reason), waiters);
}

static inline char *
describe_change (AglChange what)
{
  GString *text = g_string_new (NULL);
  static const struct
  {
    AglChange what;
    const char *name;
  } groups[] = {
    { AGL_CHANGED_HOLDER, "holder" },       { AGL_CHANGED_MODE, "mode" },
    { AGL_CHANGED_FOLLOW, "follow" },       { AGL_CHANGED_CWD, "cwd" },
    { AGL_CHANGED_WAITERS, "waiters" },     { AGL_CHANGED_TEXTS, "texts" },
    { AGL_CHANGED_DIRECTORY, "directory" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (groups); i++)
    {
      if ((what & groups[i].what) != 0)
        g_string_append_printf (text, " %s", groups[i].name);
    }
  return g_string_free (text, FALSE);
}

static inline void
world_changed (AglLock *lock, AglChange what, gpointer user_data)
{
  g_autofree char *text = describe_change (what);

  world_note (user_data, "changed %d%s", (int)lock->id, text);
}

static inline void
world_ended (AglWaiter *waiter, AglLock *lock, const GError *error, gpointer user_data)
{
  g_assert_true ((lock == NULL) == (error != NULL));
  if (lock != NULL)
    world_note (user_data, "ended %d with %d", (int)agl_waiter_get_serial (waiter), (int)lock->id);
  else
    world_note (user_data, "ended %d by %s", (int)agl_waiter_get_serial (waiter),
                agl_error_nick ((AglError)error->code));
}

static inline void
world_queue_changed (gpointer user_data)
{
  world_note (user_data, "queue");
}

static const AglLockTableHooks world_hooks = {
  world_commit,   world_look,     world_ready,   world_can_be_told, world_next_id,
  world_acquired, world_released, world_changed, world_ended,       world_queue_changed,
};

static inline void
world_init (World *self)
{
  *self = (World){ .commits_until_failure = -1, .log = g_string_new (NULL) };
  self->table = agl_lock_table_new (&world_hooks, self);
}

static inline void
world_clear (World *self)
{
  agl_lock_table_free (self->table);
  g_string_free (self->log, TRUE);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (World, world_clear)

/* Settles, and compares what was told since the last time. */
static inline void
assert_told (World *self, const char *expected)
{
  agl_lock_table_settle (self->table);
  g_assert_cmpstr (self->log->str, ==, expected);
  g_string_truncate (self->log, 0);
}

/* @holder: NULL for a manual lock. */
static inline AglRequest *
make_request (const char *path, Holder *holder, uid_t uid, AglMode mode, AglConflict conflict)
{
  AglRequest *request = agl_request_new ();

  request->directory = make_directory (path);
  if (holder != NULL)
    request->holder = agl_process_ref (holder->process);
  request->asker.uid = uid;
  request->uid = uid;
  request->mode = mode;
  request->conflict = conflict;
  request->cwd = AGL_CWD_INSIDE;
  return request;
}
