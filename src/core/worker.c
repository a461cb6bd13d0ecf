/* SPDX-License-Identifier: MIT */
#include "core/worker.h"

#include <pthread.h>

#include "common/error.h"

/* Threads that may hang at once: enough that four users with dead mounts leave none without an answer for
 * longer than the timeout, few enough to cost nothing. */
#define MAX_THREADS 32
/* Of one user, when all of them hang. */
#define MAX_THREADS_PER_USER 8
/* Of one user, not counting those that hang: what takes longer than SLOW_MSEC waits for a server, not for a
 * processor, and does not keep the user's other work waiting. */
#define MAX_RUNNING_PER_USER 2
#define SLOW_MSEC            1000
/* Beyond this a user's program asks faster than its filesystem answers. */
#define MAX_QUEUED_PER_USER  1024
#define DEFAULT_TIMEOUT_MSEC 10000

typedef struct
{
  uid_t uid;
  guint n_running;
  guint n_slow; /* of these */
  GQueue queue; /* of Job */
} User;

/* Belongs to two: to the caller's side until its done is called, to the working side until its work is. The
 * last of the two frees it. */
typedef struct
{
  User *user;
  AglWorkFunc work;
  gpointer input;
  GDestroyNotify free_input;
  GDestroyNotify free_result;
  AglWorkDoneFunc done;
  gpointer user_data;
  gint64 deadline_usec; /* monotonic */
  gint64 slow_at_usec;  /* while it runs: from then on it is slow */
  gboolean is_slow;
  guint timeout_msec;

  gboolean is_pending; /* the caller's side has it */
  gboolean is_working; /* the working side has it: queued or running */
  gpointer result;
  GError *error;
} Job;

/* What the threads know. It outlives the AglWorker as long as one of them is stuck. */
typedef struct
{
  /* pthread's, not GMutex: ThreadSanitizer sees through it, and not through a futex inside of GLib. Never
   * held while foreign code runs. */
  pthread_mutex_t mutex;
  gboolean abandoned; /* its AglWorker is gone, and so may be its context */
  GSource *source;
  guint n_threads;
  GHashTable *users; /* uid → User, while there are jobs of it on the working side */
  GQueue running;    /* of Job */
  GQueue waiting;    /* of User: those with queued jobs; whose turn is next first */
  GQueue pending;    /* of Job: whose done has not been called */
  GQueue finished;   /* of Job: those of them that have a result */
} Pool;

struct _AglWorker
{
  Pool *pool;
  guint timeout_msec;
  gboolean is_stopped;
};

typedef struct
{
  GSource parent;
  Pool *pool;
} DoneSource;

/* What a new thread starts with. */
typedef struct
{
  Pool *pool;
  Job *job;
} Start;

static void
pool_lock (Pool *pool)
{
  int result = pthread_mutex_lock (&pool->mutex);

  g_assert (result == 0);
}

static void
pool_unlock (Pool *pool)
{
  int result = pthread_mutex_unlock (&pool->mutex);

  g_assert (result == 0);
}

static void
pool_free (Pool *pool)
{
  g_assert (g_hash_table_size (pool->users) == 0);
  g_hash_table_unref (pool->users);
  g_source_unref (pool->source);
  pthread_mutex_destroy (&pool->mutex);
  g_free (pool);
}

static void
job_free (Job *job)
{
  if (job->free_input != NULL)
    job->free_input (job->input);
  if (job->result != NULL && job->free_result != NULL)
    job->free_result (job->result);
  g_clear_error (&job->error);
  g_free (job);
}

/* Those with _locked run under the mutex. */

static User *
get_user_locked (Pool *pool, uid_t uid)
{
  User *user = g_hash_table_lookup (pool->users, GUINT_TO_POINTER (uid));

  if (user == NULL)
    {
      user = g_new0 (User, 1);
      user->uid = uid;
      g_queue_init (&user->queue);
      g_hash_table_insert (pool->users, GUINT_TO_POINTER (uid), user);
    }
  return user;
}

static void
forget_idle_user_locked (Pool *pool, User *user)
{
  if (user->n_running == 0 && g_queue_is_empty (&user->queue))
    g_hash_table_remove (pool->users, GUINT_TO_POINTER (user->uid));
}

static void
enqueue_locked (Pool *pool, Job *job)
{
  if (g_queue_is_empty (&job->user->queue))
    g_queue_push_tail (&pool->waiting, job->user);
  g_queue_push_tail (&job->user->queue, job);
}

static void
dequeue_locked (Pool *pool, Job *job)
{
  g_queue_remove (&job->user->queue, job);
  if (g_queue_is_empty (&job->user->queue))
    g_queue_remove (&pool->waiting, job->user);
}

/* The next job to run, counted as running; NULL when there is none, or only of users who have their share.
 * The users take turns. */
static Job *
claim_job_locked (Pool *pool)
{
  for (GList *l = pool->waiting.head; l != NULL; l = l->next)
    {
      User *user = l->data;
      Job *job;

      if (user->n_running - user->n_slow >= MAX_RUNNING_PER_USER || user->n_running >= MAX_THREADS_PER_USER)
        continue;
      job = g_queue_pop_head (&user->queue);
      g_queue_delete_link (&pool->waiting, l);
      if (!g_queue_is_empty (&user->queue))
        g_queue_push_tail (&pool->waiting, user);
      user->n_running++;
      job->slow_at_usec = g_get_monotonic_time () + SLOW_MSEC * 1000;
      g_queue_push_tail (&pool->running, job);
      return job;
    }
  return NULL;
}

/* When the context has to look again: now, at a deadline, or (-1) not at all. */
static void
schedule_locked (Pool *pool)
{
  gint64 ready_usec = -1;
  gboolean nobody_waits = g_queue_is_empty (&pool->waiting);

  if (pool->finished.length > 0)
    ready_usec = 0;
  else
    for (GList *l = pool->pending.head; l != NULL; l = l->next)
      {
        const Job *job = l->data;

        if (ready_usec < 0 || job->deadline_usec < ready_usec)
          ready_usec = job->deadline_usec;
      }
  /* Who is slow matters only to somebody who waits. They began in order. */
  for (GList *l = pool->running.head; ready_usec != 0 && !nobody_waits && l != NULL; l = l->next)
    {
      const Job *job = l->data;

      if (job->is_slow)
        continue;
      if (ready_usec < 0 || job->slow_at_usec < ready_usec)
        ready_usec = job->slow_at_usec;
      break;
    }
  g_source_set_ready_time (pool->source, ready_usec);
}

/* The working side is through with @job. TRUE when it is the last to have it, and frees it. */
static gboolean
finish_job_locked (Pool *pool, Job *job)
{
  User *user = g_steal_pointer (&job->user);

  job->is_working = FALSE;
  g_queue_remove (&pool->running, job);
  user->n_running--;
  user->n_slow -= job->is_slow ? 1 : 0;
  forget_idle_user_locked (pool, user);
  if (!job->is_pending)
    return TRUE;

  g_queue_push_tail (&pool->finished, job);
  schedule_locked (pool);
  return FALSE;
}

static gpointer
work_until_idle (gpointer data)
{
  g_autofree Start *start = data;
  Pool *pool = start->pool;
  Job *job = start->job;
  gboolean is_last;

  while (job != NULL)
    {
      gboolean is_mine;
      Job *next;
      GError *error = NULL;
      gpointer result = job->work (job->input, &error);

      pool_lock (pool);
      job->result = result;
      job->error = error;
      is_mine = finish_job_locked (pool, job);
      pool_unlock (pool);
      if (is_mine)
        job_free (job);

      pool_lock (pool);
      next = claim_job_locked (pool);
      if (next == NULL)
        pool->n_threads--;
      is_last = next == NULL && pool->abandoned && pool->n_threads == 0;
      pool_unlock (pool);
      if (is_last)
        pool_free (pool);
      job = next;
    }
  return NULL;
}

static void
start_thread (Pool *pool, Job *job)
{
  g_autoptr (GError) error = NULL;
  Start *start = g_new (Start, 1);
  GThread *thread;

  start->pool = pool;
  start->job = job;
  thread = g_thread_try_new ("agl-worker", work_until_idle, start, &error);
  if (thread != NULL)
    {
      g_thread_unref (thread);
      return;
    }

  g_free (start);
  pool_lock (pool);
  pool->n_threads--;
  job->error = g_error_new (AGL_ERROR, AGL_ERROR_UNAVAILABLE, "No thread can be started: %s; try again later",
                            error->message);
  finish_job_locked (pool, job); /* the caller's side has it: this is the caller's thread */
  pool_unlock (pool);
}

/* Nobody will run @job, if nobody has begun to. */
static void
withdraw_job_locked (Pool *pool, Job *job)
{
  User *user = job->user;

  if (user == NULL || g_queue_find (&user->queue, job) == NULL)
    return;
  dequeue_locked (pool, job);
  job->is_working = FALSE;
  forget_idle_user_locked (pool, user);
}

/* The error of a job whose result has not come; takes the job from the queue if it is there. */
static GError *
expire_job_locked (Pool *pool, Job *job)
{
  withdraw_job_locked (pool, job);
  return g_error_new (
      AGL_ERROR, AGL_ERROR_UNAVAILABLE,
      "No answer within %u.%03u seconds: a filesystem does not respond, or too many requests wait "
      "for one; nothing was changed, try again when it is back",
      job->timeout_msec / 1000, job->timeout_msec % 1000);
}

/* The next job to tell of; NULL when there is none yet. */
static Job *
take_told_locked (Pool *pool, GError **error)
{
  gint64 now_usec = g_get_monotonic_time ();
  Job *job = g_queue_pop_head (&pool->finished);

  if (job != NULL)
    *error = g_steal_pointer (&job->error);
  for (GList *l = pool->pending.head; job == NULL && l != NULL; l = l->next)
    if (((Job *)l->data)->deadline_usec <= now_usec)
      {
        job = l->data;
        *error = expire_job_locked (pool, job);
      }
  if (job == NULL)
    return NULL;

  job->is_pending = FALSE;
  g_queue_remove (&pool->pending, job);
  return job;
}

/* Whose turn it is because others hang. */
static void
start_more (Pool *pool)
{
  gint64 now_usec = g_get_monotonic_time ();
  Job *job = NULL;

  do
    {
      if (job != NULL)
        start_thread (pool, job);
      pool_lock (pool);
      for (GList *l = pool->running.head; l != NULL; l = l->next)
        {
          Job *running = l->data;

          if (running->is_slow || running->slow_at_usec > now_usec)
            continue;
          running->is_slow = TRUE;
          running->user->n_slow++;
        }
      job = pool->n_threads < MAX_THREADS ? claim_job_locked (pool) : NULL;
      if (job != NULL)
        pool->n_threads++;
      schedule_locked (pool);
      pool_unlock (pool);
    }
  while (job != NULL);
}

/* One job a turn, so that its callee may do what it likes, agl_worker_free included. */
static gboolean
tell_done (GSource *source, GSourceFunc unused, gpointer unused_data)
{
  Pool *pool = ((DoneSource *)source)->pool;
  g_autoptr (GError) error = NULL;
  AglWorkDoneFunc done = NULL;
  gpointer result = NULL;
  gpointer user_data = NULL;
  gboolean is_mine = FALSE;
  Job *job;

  start_more (pool);
  pool_lock (pool);
  job = take_told_locked (pool, &error);
  if (job != NULL)
    {
      done = job->done;
      user_data = job->user_data;
      is_mine = !job->is_working;
      if (is_mine)
        result = g_steal_pointer (&job->result);
    }
  schedule_locked (pool);
  pool_unlock (pool);

  if (is_mine)
    job_free (job);
  if (done != NULL)
    done (result, error, user_data);
  return G_SOURCE_CONTINUE;
}

static GSourceFuncs done_source_funcs = { .dispatch = tell_done };

AglWorker *
agl_worker_new (GMainContext *context)
{
  AglWorker *self = g_new0 (AglWorker, 1);
  Pool *pool = g_new0 (Pool, 1);

  pthread_mutex_init (&pool->mutex, NULL);
  pool->users = g_hash_table_new_full (NULL, NULL, NULL, g_free);
  g_queue_init (&pool->running);
  g_queue_init (&pool->waiting);
  g_queue_init (&pool->pending);
  g_queue_init (&pool->finished);
  pool->source = g_source_new (&done_source_funcs, sizeof (DoneSource));
  ((DoneSource *)pool->source)->pool = pool;
  g_source_set_static_name (pool->source, "agl-worker");
  g_source_attach (pool->source, context);

  self->pool = pool;
  self->timeout_msec = DEFAULT_TIMEOUT_MSEC;
  return self;
}

static GError *
make_stopped_error (void)
{
  return g_error_new_literal (AGL_ERROR, AGL_ERROR_UNAVAILABLE,
                              "The service is stopping; what is held stays held. Ask again in a moment");
}

/* The next job that has not been told; from now on it counts as told. */
static Job *
take_pending_locked (Pool *pool)
{
  Job *job = g_queue_pop_head (&pool->pending);

  if (job == NULL)
    return NULL;
  job->is_pending = FALSE;
  g_queue_remove (&pool->finished, job);
  withdraw_job_locked (pool, job);
  return job;
}

void
agl_worker_stop (AglWorker *self)
{
  Pool *pool = self->pool;
  Job *job;

  self->is_stopped = TRUE;
  do
    {
      g_autoptr (GError) error = make_stopped_error ();
      AglWorkDoneFunc done = NULL;
      gpointer user_data = NULL;
      gboolean is_mine = FALSE;

      pool_lock (pool);
      job = take_pending_locked (pool);
      if (job != NULL)
        {
          done = job->done;
          user_data = job->user_data;
          is_mine = !job->is_working;
        }
      schedule_locked (pool);
      pool_unlock (pool);
      if (is_mine)
        job_free (job);
      if (done != NULL)
        done (NULL, error, user_data);
    }
  while (job != NULL);
}

void
agl_worker_free (AglWorker *self)
{
  g_autoptr (GPtrArray) mine = g_ptr_array_new_with_free_func ((GDestroyNotify)job_free);
  Pool *pool = self->pool;
  gboolean is_last;
  Job *job;

  g_source_destroy (pool->source);
  pool_lock (pool);
  pool->abandoned = TRUE;
  g_queue_clear (&pool->finished);
  while ((job = g_queue_pop_head (&pool->pending)) != NULL)
    {
      job->is_pending = FALSE;
      withdraw_job_locked (pool, job);
      if (!job->is_working)
        g_ptr_array_add (mine, job);
    }
  is_last = pool->n_threads == 0;
  pool_unlock (pool);

  if (is_last)
    pool_free (pool);
  g_free (self);
}

void
agl_worker_push (AglWorker *self,
                 uid_t uid,
                 AglWorkFunc work,
                 gpointer input,
                 GDestroyNotify free_input,
                 GDestroyNotify free_result,
                 AglWorkDoneFunc done,
                 gpointer user_data)
{
  Pool *pool = self->pool;
  Job *job = g_new0 (Job, 1);
  Job *to_start = NULL;
  User *user;

  job->work = work;
  job->input = input;
  job->free_input = free_input;
  job->free_result = free_result;
  job->done = done;
  job->user_data = user_data;
  job->timeout_msec = self->timeout_msec;
  job->deadline_usec = g_get_monotonic_time () + (gint64)self->timeout_msec * 1000;
  job->is_pending = TRUE;

  pool_lock (pool);
  g_queue_push_tail (&pool->pending, job);
  user = get_user_locked (pool, uid);
  if (self->is_stopped)
    {
      job->error = make_stopped_error ();
      forget_idle_user_locked (pool, user);
      g_queue_push_tail (&pool->finished, job);
    }
  else if (user->queue.length >= MAX_QUEUED_PER_USER)
    {
      job->error = g_error_new (AGL_ERROR, AGL_ERROR_UNAVAILABLE,
                                "%u requests of user %u wait for a slow filesystem already; try again later",
                                user->queue.length, (guint)uid);
      g_queue_push_tail (&pool->finished, job);
    }
  else
    {
      job->user = user;
      job->is_working = TRUE;
      enqueue_locked (pool, job);
      if (pool->n_threads < MAX_THREADS)
        to_start = claim_job_locked (pool);
      if (to_start != NULL)
        pool->n_threads++;
    }
  schedule_locked (pool);
  pool_unlock (pool);

  if (to_start != NULL)
    start_thread (pool, to_start);
}

void
agl_worker_set_timeout (AglWorker *self, guint timeout_msec)
{
  self->timeout_msec = timeout_msec;
}

guint
agl_worker_pending (const AglWorker *self)
{
  guint n;

  pool_lock (self->pool);
  n = self->pool->pending.length;
  pool_unlock (self->pool);
  return n;
}
