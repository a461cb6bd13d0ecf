/* SPDX-License-Identifier: MIT */
#pragma once
#include "core/agent-catalog.h"
#include "core/histogram.h"
#include "core/lock-store.h"
#include "core/lock-table.h"
#include "core/worker.h"

/* Keeps the locks true: what the table decides it puts on disk, holders it watches for death, their working
 * directories it has checked, and everything that is proven it tells. The one object through which locks come
 * and go. Knows no bus; main thread only; never blocks. */
typedef struct _AglKeeper AglKeeper;

typedef struct
{
  gint64 cwd_check_msec;
  gint64 cwd_grace_msec;
  guint max_locks_per_user;
  guint max_waiters_per_user;
} AglKeeperSettings;

typedef struct
{
  void (*acquired) (AglLock *lock, gpointer user_data);
  /* The callee calls agl_keeper_announced() once the news has left this process. */
  void (*released) (AglLock *lock, AglReleaseReason reason, gpointer user_data);
  void (*changed) (AglLock *lock, AglChange what, gpointer user_data);
  /* The number of locks or of waiters changed. */
  void (*counts) (gpointer user_data);
} AglKeeperHooks;

/* @store, @worker: borrowed. @hooks is copied. Errors: AGL_ERROR_UNAVAILABLE. */
AglKeeper *agl_keeper_new (
    AglLockStore *store, AglWorker *worker, const AglKeeperHooks *hooks, gpointer user_data, GError **error);
/* Tells whoever waits AGL_ERROR_UNAVAILABLE. To be called before the doors close. */
void agl_keeper_stop (AglKeeper *self);
/* Releases nothing: what is on disk stays held. */
void agl_keeper_free (AglKeeper *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AglKeeper, agl_keeper_free)

void agl_keeper_configure (AglKeeper *self, const AglKeeperSettings *settings);
void agl_keeper_set_catalog (AglKeeper *self, AglAgentCatalog *catalog);
AglAgentCatalog *agl_keeper_get_catalog (AglKeeper *self); /* (transfer none) */

/* Takes up what the store holds, each lock against the kernel: alive goes on, dead is over, what cannot be
 * told is kept and marked `unknown`. To be called once, before anything else is asked. What is over, and
 * grants that the service before this one had no time to tell, are told by agl_keeper_announce_restored(),
 * when somebody can hear it. */
gboolean agl_keeper_restore (AglKeeper *self, GError **error);
void agl_keeper_announce_restored (AglKeeper *self);

/* @lock: NULL with @error. Called exactly once for each acquire and transfer, it may be before that returns.
 */
typedef void (*AglKeeperDone) (AglLock *lock, const GError *error, gpointer user_data);

/* Errors: those of agl_lock_table_acquire, and AGL_ERROR_NO_SUCH_PROCESS, AGL_ERROR_NOT_IN_DIRECTORY,
 * AGL_ERROR_TIMED_OUT, AGL_ERROR_CANCELLED. */
void agl_keeper_acquire (AglKeeper *self, AglRequest *request, AglKeeperDone done, gpointer user_data);

/* Hands @lock to the holder of @request, of which only asker, holder, uid, follow_cwd and force count.
 * Whether the asker may is judged when it is done. Errors: those of agl_entitlement_judge(), and as above. */
void agl_keeper_transfer (
    AglKeeper *self, AglLock *lock, AglRequest *request, AglKeeperDone done, gpointer user_data);

/* Others hear of it, and waiters get their turn, in agl_keeper_settle(), which the caller calls once it has
 * replied. Errors: AGL_ERROR_UNAVAILABLE: it is still held. */
gboolean agl_keeper_release (AglKeeper *self, AglLock *lock, AglReleaseReason reason, GError **error);

/* Tells the hooks what has happened, lets waiters in, starts and stops what has to run. */
void agl_keeper_settle (AglKeeper *self);
/* Before a request is answered: who has seen a process die and asks then is answered as one who knows. */
void agl_keeper_look (AglKeeper *self);

/* Brings lock->command up to date: a holder may have become another program by exec(3) since it took the
 * lock, as whatever `agentctl-locks run` starts does, or have given itself a name. */
void agl_keeper_refresh_command (AglKeeper *self, AglLock *lock);

/* Ends the waits of @client that go by @ticket, or all of its waits (NULL), with AGL_ERROR_CANCELLED. How
 * many. */
guint agl_keeper_cancel (AglKeeper *self, gpointer client, const char *ticket);

void agl_keeper_announced (AglKeeper *self, guint64 id);

/* For questions; not to be changed through. */
AglLockTable *agl_keeper_get_table (AglKeeper *self);

typedef enum
{
  AGL_COUNTER_ACQUIRED,
  AGL_COUNTER_REFUSED, /* counted by agl_keeper_count_refusal() alone */
  AGL_COUNTER_WAITED,
  AGL_COUNTER_RESTORED,
  AGL_COUNTER_FIRST_RELEASE, /* + AglReleaseReason */
  AGL_N_COUNTERS = AGL_COUNTER_FIRST_RELEASE + AGL_N_RELEASE_REASONS
} AglCounter;
guint64 agl_keeper_get_counter (AglKeeper *self, guint counter);
/* An acquire ended in an error: here, or before it came here. */
void agl_keeper_count_refusal (AglKeeper *self);

typedef enum
{
  AGL_TOOK_HOLD, /* locks that ended: from the grant to the end, restarts included */
  AGL_TOOK_WAIT, /* requests that had to wait: to the grant or to whatever else ended the wait */
  AGL_N_TOOK
} AglTook;
const AglHistogram *agl_keeper_get_histogram (AglKeeper *self, AglTook what);
