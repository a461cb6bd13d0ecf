/* SPDX-License-Identifier: MIT */
#pragma once
#include <gio/gio.h>
#include <sys/types.h>

/* Where work that a filesystem may never answer is sent, so that only its own caller waits for it. A bounded
 * number of threads; a bounded number of jobs in each user's name, so that one user's dead mount leaves
 * threads for the others; and a bounded time, after which the caller is told although the thread is still
 * stuck. Users take turns. Threads are there only while there is work; an idle worker has no timer either.
 * To be used from the thread of its context. */
typedef struct _AglWorker AglWorker;

/* Runs in a thread; returns the result, freed with the job's free function when nobody waits for it any more.
 */
typedef gpointer (*AglWorkFunc) (gpointer input, GError **error);
/* Runs in the context the worker was made in. @result: owned by the callee; NULL when @error is set.
 * @error: the worker's own. The callee may push further jobs, and free the worker. */
typedef void (*AglWorkDoneFunc) (gpointer result, GError *error, gpointer user_data);

AglWorker *agl_worker_new (GMainContext *context);
/* Tells each job that has not been told AGL_ERROR_UNAVAILABLE, now, whatever came of it; what is pushed later
 * ends so too. Waits for nobody. Callees must not free the worker here. */
void agl_worker_stop (AglWorker *self);
/* Calls nobody any more and waits for nobody: threads that are stuck end when their work does, or with the
 * process. */
void agl_worker_free (AglWorker *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AglWorker, agl_worker_free)

/* @done is called exactly once, never before this returns: with the result; with the error of @work; with
 * AGL_ERROR_UNAVAILABLE when @uid has too many jobs or the time ran out.
 * @input is freed with @free_input in whichever thread is last to need it. */
void agl_worker_push (AglWorker *self,
                      uid_t uid,
                      AglWorkFunc work,
                      gpointer input,
                      GDestroyNotify free_input,
                      GDestroyNotify free_result,
                      AglWorkDoneFunc done,
                      gpointer user_data);

/* Bounds, for tests and for the configuration. */
void agl_worker_set_timeout (AglWorker *self, guint timeout_msec); /* of later jobs; default 10 000 */
guint agl_worker_pending (const AglWorker *self);                  /* jobs whose done has not been called */
