/* SPDX-License-Identifier: MIT */
#include "core/cwd-check.h"

#include <gio/gio.h>
#include <string.h>
#include <unistd.h>

/* A round over many locks is cut into pieces of so many, with the main loop's other work in between: at a few
 * microseconds each a piece holds nobody up for more than half a millisecond. */
#define PIECE 64

struct _AglCwdCheck
{
  AglLockTable *table;
  AglWorker *worker;
  AglCwdCheckHooks hooks;
  gpointer user_data;
  guint interval_msec, grace_msec;

  guint timer;          /* the next round, or the next piece of this one */
  GPtrArray *round;     /* the locks of the round under way; NULL between rounds */
  guint next;           /* index into it */
  GHashTable *asking;   /* ids (guint64) with a question out at a worker */
  gint64 deadline_usec; /* the nearest end of a grace time seen in this round; 0: none */
};

/* A question that went to a worker thread. */
typedef struct
{
  AglCwdCheck *check; /* NULL when the check went first; main thread only */
  guint64 id;
  AglDirectory *directory;
  AglProcess *holder; /* NULL: asks for the directory's existence */
} Question;

typedef struct
{
  AglSighting sighting;
  AglExistence existence;
  AglDirectory *moved;
} Answer;

static gboolean on_timer (gpointer user_data);

static void
question_free (gpointer data)
{
  Question *question = data;

  agl_directory_unref (question->directory);
  g_clear_pointer (&question->holder, agl_process_unref);
  g_free (question);
}

static void
answer_free (gpointer data)
{
  Answer *answer = data;

  agl_sighting_clear (&answer->sighting);
  g_clear_pointer (&answer->moved, agl_directory_unref);
  g_free (answer);
}

static gpointer
ask_in_thread (gpointer input, GError **error)
{
  const Question *question = input;
  Answer *answer = g_new0 (Answer, 1);

  if (question->holder != NULL)
    agl_directory_sight (question->directory, question->holder, NULL, AGL_PATIENCE_BLOCK, &answer->sighting,
                         NULL);
  else
    answer->existence = agl_directory_probe (question->directory, AGL_PATIENCE_BLOCK, &answer->moved, NULL);
  return answer;
}

static gboolean
is_follower (const AglLock *lock)
{
  return lock->holder != NULL && lock->follow_cwd;
}

static void
set_cwd (AglCwdCheck *self, AglLock *lock, AglCwd cwd)
{
  if (lock->cwd == cwd)
    return;
  lock->cwd = cwd;
  self->hooks.changed (lock, self->user_data);
}

/* The grace time runs while sightings prove "outside"; "unknown" neither starts nor ends it, and only a
 * sighting that proves "outside" can end the lock. */
static void
judge_outside (AglCwdCheck *self, AglLock *lock)
{
  gint64 now = g_get_monotonic_time ();
  gint64 end;

  if (lock->outside_since_usec == 0)
    lock->outside_since_usec = now;
  end = lock->outside_since_usec + (gint64)self->grace_msec * 1000;
  set_cwd (self, lock, AGL_CWD_OUTSIDE);
  if (now >= end)
    self->hooks.over (lock, AGL_RELEASE_LEFT, self->user_data);
  else if (self->deadline_usec == 0 || end < self->deadline_usec)
    self->deadline_usec = end;
}

static void
follow_move (AglCwdCheck *self, AglLock *lock, const char *path)
{
  g_autoptr (AglSubject) ourselves = NULL;
  g_autoptr (AglDirectory) found = NULL;

  if (agl_directory_is_foreign (lock->directory))
    return;
  ourselves = agl_subject_new (NULL, geteuid (), getegid (), NULL, 0, FALSE);
  found = agl_directory_find (ourselves, path, -1, AGL_ACCESS_REACH, AGL_PATIENCE_NONE, NULL);
  if (found != NULL && agl_directory_equal (found, lock->directory))
    self->hooks.moved (lock, found, self->user_data);
}

void
agl_cwd_check_sighted (AglCwdCheck *self, AglLock *lock, AglSighting *sighting)
{
  g_autofree char *moved_to = g_steal_pointer (&sighting->moved_to);
  gboolean removed = sighting->removed;
  AglCwd cwd = sighting->cwd;

  agl_sighting_clear (&lock->sighting);
  lock->sighting = *sighting;
  memset (sighting, 0, sizeof *sighting);

  if (removed)
    {
      self->hooks.over (lock, AGL_RELEASE_REMOVED, self->user_data);
      return;
    }
  switch (cwd)
    {
    case AGL_CWD_INSIDE:
      lock->outside_since_usec = 0;
      if (moved_to != NULL)
        follow_move (self, lock, moved_to);
      set_cwd (self, lock, AGL_CWD_INSIDE);
      break;
    case AGL_CWD_OUTSIDE:
      judge_outside (self, lock);
      break;
    case AGL_CWD_UNKNOWN:
    case AGL_CWD_IGNORED:
      set_cwd (self, lock, AGL_CWD_UNKNOWN);
      break;
    }
}

static void
judge_existence (AglCwdCheck *self, AglLock *lock, AglExistence existence, AglDirectory *moved)
{
  if (existence == AGL_EXISTENCE_REMOVED)
    self->hooks.over (lock, AGL_RELEASE_REMOVED, self->user_data);
  else if (moved != NULL)
    self->hooks.moved (lock, moved, self->user_data);
}

static void
on_answer (gpointer result, GError *error, gpointer user_data)
{
  Question *question = user_data;
  AglCwdCheck *self = question->check;
  AglLock *lock;

  if (self == NULL)
    {
      g_clear_pointer (&result, answer_free);
      question_free (question);
      return;
    }
  g_hash_table_remove (self->asking, &question->id);
  lock = agl_lock_table_lookup (self->table, question->id);
  /* The lock may be over, or handed over, or not follow any more, since the question was asked. */
  if (lock != NULL && lock->holder == question->holder && is_follower (lock))
    {
      g_auto (AglSighting) unknown = { .cwd = AGL_CWD_UNKNOWN };

      agl_cwd_check_sighted (self, lock, result != NULL ? &((Answer *)result)->sighting : &unknown);
    }
  else if (lock != NULL && question->holder == NULL && !is_follower (lock) && result != NULL)
    judge_existence (self, lock, ((Answer *)result)->existence, ((Answer *)result)->moved);
  g_clear_pointer (&result, answer_free);
  question_free (question);
}

static Question *
question_new (AglLock *lock, AglProcess *holder)
{
  Question *question = g_new0 (Question, 1);

  question->id = lock->id;
  question->directory = agl_directory_ref (lock->directory);
  question->holder = holder != NULL ? agl_process_ref (holder) : NULL;
  return question;
}

/* The worker frees its own copy; the other one carries the answer back. */
static void
ask_worker (AglCwdCheck *self, AglLock *lock, AglProcess *holder)
{
  Question *question = question_new (lock, holder);

  question->check = self;
  g_hash_table_insert (self->asking, &question->id, question);
  agl_worker_push (self->worker, lock->uid, ask_in_thread, question_new (lock, holder), question_free,
                   answer_free, on_answer, question);
}

static void
ask_about (AglCwdCheck *self, AglLock *lock)
{
  g_autoptr (GError) error = NULL;

  if (g_hash_table_contains (self->asking, &lock->id))
    return;
  if (is_follower (lock))
    {
      g_auto (AglSighting) sighting = { 0 };

      if (agl_directory_sight (lock->directory, lock->holder, &lock->sighting, AGL_PATIENCE_NONE, &sighting,
                               &error))
        agl_cwd_check_sighted (self, lock, &sighting);
      else
        ask_worker (self, lock, lock->holder);
    }
  else
    {
      g_autoptr (AglDirectory) moved = NULL;
      AglExistence existence = agl_directory_probe (lock->directory, AGL_PATIENCE_NONE, &moved, &error);

      if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
        ask_worker (self, lock, NULL);
      else
        judge_existence (self, lock, existence, moved);
    }
}

static void
schedule_round (AglCwdCheck *self)
{
  gint64 delay_msec = self->interval_msec;

  if (self->deadline_usec != 0)
    {
      /* Rounded up: a millisecond early would prove nothing and cost another round. */
      gint64 left_msec = (self->deadline_usec - g_get_monotonic_time ()) / 1000 + 1;

      delay_msec = CLAMP (left_msec, 1, delay_msec);
    }
  self->timer = g_timeout_add ((guint)delay_msec, on_timer, self);
}

static gboolean
on_timer (gpointer user_data)
{
  AglCwdCheck *self = user_data;
  guint end;

  self->timer = 0;
  if (self->round == NULL)
    {
      self->round = agl_lock_table_list (self->table);
      self->next = 0;
      self->deadline_usec = 0;
      self->hooks.round (self->user_data);
    }
  end = MIN (self->next + PIECE, self->round->len);
  for (; self->next < end; self->next++)
    {
      AglLock *lock = g_ptr_array_index (self->round, self->next);

      if (agl_lock_table_lookup (self->table, lock->id) != lock)
        continue;
      self->hooks.passed (lock, self->user_data);
      ask_about (self, lock);
    }
  if (self->next < self->round->len)
    {
      self->timer = g_idle_add (on_timer, self);
      return G_SOURCE_REMOVE;
    }
  g_clear_pointer (&self->round, g_ptr_array_unref);
  agl_cwd_check_update (self);
  return G_SOURCE_REMOVE;
}

void
agl_cwd_check_update (AglCwdCheck *self)
{
  gboolean needed = agl_lock_table_count (self->table) > 0 || agl_lock_table_count_waiters (self->table) > 0;

  if (needed && self->timer == 0 && self->round == NULL)
    schedule_round (self);
  else if (!needed && self->round == NULL)
    g_clear_handle_id (&self->timer, g_source_remove);
}

void
agl_cwd_check_set_times (AglCwdCheck *self, guint interval_msec, guint grace_msec)
{
  self->interval_msec = MAX (interval_msec, 1);
  self->grace_msec = grace_msec;
  if (self->round == NULL)
    g_clear_handle_id (&self->timer, g_source_remove);
  agl_cwd_check_update (self);
}

AglCwdCheck *
agl_cwd_check_new (AglLockTable *table, AglWorker *worker, const AglCwdCheckHooks *hooks, gpointer user_data)
{
  AglCwdCheck *self = g_new0 (AglCwdCheck, 1);

  self->table = table;
  self->worker = worker;
  self->hooks = *hooks;
  self->user_data = user_data;
  self->interval_msec = 2000;
  self->grace_msec = 5000;
  self->asking = g_hash_table_new (g_int64_hash, g_int64_equal);
  return self;
}

void
agl_cwd_check_free (AglCwdCheck *self)
{
  GHashTableIter iter;
  gpointer question;

  g_hash_table_iter_init (&iter, self->asking);
  while (g_hash_table_iter_next (&iter, NULL, &question))
    ((Question *)question)->check = NULL;
  g_hash_table_unref (self->asking);
  g_clear_handle_id (&self->timer, g_source_remove);
  g_clear_pointer (&self->round, g_ptr_array_unref);
  g_free (self);
}
