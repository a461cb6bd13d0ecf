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
void agl_texts_copy (AglTexts *to, const AglTexts *from);

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
  AGL_CHANGED_HOLDER = 1 << 0, /* pid, uid, command */
  AGL_CHANGED_MODE = 1 << 1,   /* shared, subtree */
  AGL_CHANGED_FOLLOW = 1 << 2,
  AGL_CHANGED_CWD = 1 << 3,
  AGL_CHANGED_WAITERS = 1 << 4,
  AGL_CHANGED_TEXTS = 1 << 5,
  AGL_CHANGED_DIRECTORY = 1 << 6 /* moved: the same directory, another path */
} AglChange;

/* A record of the fact that a process uses a directory, or (manual) of a person's claim on it.
 * Counted, not atomically: main thread only. Fields are for reading; only lock-table, keeper and lock-store's
 * loader write them. */
typedef struct
{
  guint64 id;
  AglDirectory *directory;
  AglProcess *holder; /* NULL: manual, or (unproven) a saved process that could not be told alive or dead */
  AglProcessToken token; /* of the holder; kind AGL_TOKEN_NONE when manual */
  uid_t uid;             /* the holder's; of a manual lock the claimer's */
  AglMode mode;
  gboolean manual;
  gboolean follow_cwd;
  AglCwd cwd;
  AglProcessToken acquirer; /* who asked for it, which need not be the holder */
  gint64 acquired_at_usec;  /* wall clock, microseconds since the epoch */
  gint64 expires_at_usec;   /* the same; 0: never */
  guint n_waiters;          /* requests that this lock is in the way of */
  char *command;            /* of the holder when it took the lock, escaped for display; "" when manual */
  AglTexts texts;

  /* The keeper's own: */
  AglProcess *watched;       /* whose death ends it, as the process watch knows */
  gint64 outside_since_usec; /* g_get_monotonic_time(); 0 while not outside */
  AglSighting sighting;      /* the last one of the holder */
} AglLock;

AglLock *agl_lock_new (void); /* all zero, cwd ignored */
AglLock *agl_lock_ref (AglLock *self);
void agl_lock_unref (AglLock *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AglLock, agl_lock_unref)

/* TRUE when @process holds it. A manual lock is nobody's. */
gboolean agl_lock_is_held_by (const AglLock *self, const AglProcess *process);
