/* SPDX-License-Identifier: MIT */
#pragma once
#include "core/directory.h"

/* How a directory is held. Without a flag: exclusively, this directory only. */
typedef enum
{
  AGL_MODE_EXCLUSIVE = 0,
  AGL_MODE_SHARED = 1 << 0, /* coexists with other shared locks */
  AGL_MODE_SUBTREE = 1 << 1 /* covers everything below too */
} AglMode;

/* What people wrote about a lock. Each NULL when not given. Decides nothing. */
typedef struct
{
  char *agent;
  char *session;
  char *reason;
} AglTexts;
void agl_texts_clear (AglTexts *texts);
void agl_texts_copy (AglTexts *to, const AglTexts *from); /* @to is overwritten, not freed */
/* What @from gives replaces what @to has; the rest stays. */
void agl_texts_update (AglTexts *to, const AglTexts *from);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (AglTexts, agl_texts_clear)

/* What proved that a lock is over. */
typedef enum
{
  AGL_RELEASE_RELEASED,
  AGL_RELEASE_EXITED,
  AGL_RELEASE_LEFT,
  AGL_RELEASE_REMOVED,
  AGL_RELEASE_EXPIRED,
  AGL_RELEASE_FORCED,
  AGL_RELEASE_STOLEN,
  AGL_N_RELEASE_REASONS
} AglReleaseReason;

const char *agl_release_reason_to_string (AglReleaseReason reason); /* static */

/* Which facts of a lock changed. */
typedef enum
{
  AGL_CHANGED_KIND = 1 << 0,
  AGL_CHANGED_PID = 1 << 1, /* another process, which may go by the same number */
  AGL_CHANGED_UID = 1 << 2,
  AGL_CHANGED_COMMAND = 1 << 3,
  AGL_CHANGED_EXPIRY = 1 << 4,
  AGL_CHANGED_SHARED = 1 << 5,
  AGL_CHANGED_SUBTREE = 1 << 6,
  AGL_CHANGED_FOLLOW = 1 << 7,
  AGL_CHANGED_CWD = 1 << 8,
  AGL_CHANGED_WAITERS = 1 << 9,
  AGL_CHANGED_AGENT = 1 << 10,
  AGL_CHANGED_SESSION = 1 << 11,
  AGL_CHANGED_REASON = 1 << 12,
  AGL_CHANGED_DIRECTORY = 1 << 13,       /* moved: the same directory, another path */
  AGL_CHANGED_DIRECTORY_BYTES = 1 << 14, /* before or after that it is no UTF-8 */

  AGL_CHANGED_HOLDER = AGL_CHANGED_KIND | AGL_CHANGED_PID | AGL_CHANGED_UID | AGL_CHANGED_COMMAND,
  AGL_CHANGED_MODE = AGL_CHANGED_SHARED | AGL_CHANGED_SUBTREE,
  AGL_CHANGED_TEXTS = AGL_CHANGED_AGENT | AGL_CHANGED_SESSION | AGL_CHANGED_REASON
} AglChange;

/* A record of the fact that a process uses a directory, or (manual) of a person's claim on it.
 * Counted, not atomically: main thread only. Fields are for reading; only lock-table, keeper and lock-store's
 * loader write them. A lock that is wanted and not yet held is the same record without an id: a draft. */
typedef struct _AglLock AglLock;
struct _AglLock
{
  guint64 id;
  AglDirectory *directory;
  AglProcess *holder; /* NULL: manual, or (unproven) a saved process that could not be told alive or dead */
  AglProcessToken token; /* of the holder; kind AGL_TOKEN_NONE when manual */
  uid_t uid;             /* the holder's; of a manual lock the claimer's */
  guint ref_count;
  AglMode mode : 8;
  AglCwd cwd : 8;
  guint manual : 1;
  guint follow_cwd : 1;
  guint n_waiters;          /* requests that this lock is in the way of */
  AglProcessToken acquirer; /* who asked for it, which need not be the holder */
  gint64 acquired_at_usec;  /* wall clock, microseconds since the epoch */
  gint64 expires_at_usec;   /* the same; 0: never */
  char *command;            /* of the holder when it took the lock, escaped for display; "" when manual */
  AglTexts texts;

  /* The keeper's own: */
  AglProcess *watched;       /* whose death ends it, as the process watch knows */
  AglDirectory *removal;     /* whose removal ends it, as the removal watch knows */
  gint64 outside_since_usec; /* g_get_monotonic_time(); 0 while not outside */
  AglSighting sighting;      /* the last one of the holder */

  /* The table's own (lock-index.h): */
  AglLock *prev_there, *next_there; /* in the same directory */
  AglLock *prev_own, *next_own;     /* of the same holder */
  struct _AglWaiter *waiter;        /* whose draft it is; NULL once it is held */
};

AglLock *agl_lock_new (void); /* all zero, cwd ignored */
AglLock *agl_lock_ref (AglLock *self);
void agl_lock_unref (AglLock *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AglLock, agl_lock_unref)

/* A copy of every fact (how many wait for it is none of its own), in no table. For taking a change back:
 * agl_lock_assign(). */
AglLock *agl_lock_dup (const AglLock *self);
/* Which facts of @after are others than those of @before. Who waits is not looked at. */
AglChange agl_lock_diff (const AglLock *before, const AglLock *after);
/* Makes the facts of @self those of @other. In a table it must not stand meanwhile. */
void agl_lock_assign (AglLock *self, const AglLock *other);

/* In no index must it stand meanwhile. */
void agl_lock_set_directory (AglLock *self, AglDirectory *directory);

/* For arrays of locks: by id. */
int agl_lock_compare_ids (gconstpointer a, gconstpointer b);

/* The holder's command of now, escaped for display: it may have become another program since it took the
 * lock. Where that cannot be read, the one last seen. Caller frees. */
char *agl_lock_dup_command (const AglLock *self);

/* TRUE when @process holds it. A manual lock is nobody's. */
gboolean agl_lock_is_held_by (const AglLock *self, const AglProcess *process);
