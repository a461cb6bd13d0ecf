/* SPDX-License-Identifier: MIT */
#pragma once
#include "core/lock.h"

/* What to do about those in the way. */
typedef enum
{
  AGL_CONFLICT_FAIL,
  AGL_CONFLICT_WAIT,
  AGL_CONFLICT_JOIN, /* hold it beside them */
  AGL_CONFLICT_STEAL /* take it from them */
} AglConflict;

/* Who asks: a connection's identity as far as the rules need it. @uid and @process as the kernel vouches. */
typedef struct
{
  AglProcess *process;
  uid_t uid;
  gboolean privileged; /* root, or allowed by the authority for this one call */
} AglAsker;

/* @is_there: FALSE when it is certain that a client has hung up. */
typedef void (*AglFoundFunc) (gboolean is_there, gpointer user_data);

/* One Acquire, checked and resolved: the options are of the right form, the directory is found, the holder is
 * open, permission is judged. Counted (main thread only): a waiter keeps it. */
typedef struct
{
  AglAsker asker;
  AglDirectory *directory;
  AglProcess *holder; /* NULL: manual */
  uid_t uid;          /* the holder's; manual: the asker's */
  AglMode mode;
  gboolean follow_cwd;
  AglConflict conflict;
  gint64 timeout_msec; /* only with WAIT; -1: no limit */
  char *ticket;        /* NULL: none */
  gpointer client;     /* whose connection it came on; compared, never followed. Tickets are per client */
  gboolean (*is_wanted) (gpointer client); /* FALSE once @client has hung up; NULL: always wanted */
  /* Where it is heard some time after that a client has hung up: finds out, and tells @func once, not before
   * it returns. NULL: is_wanted is exact. */
  void (*find_client) (gpointer client, AglFoundFunc func, gpointer user_data);
  gint64 ttl_sec; /* manual only; 0: none */
  gboolean detect_agents;
  gboolean force; /* of a transfer: though the holder lives and is not the asker */
  AglTexts texts;
  AglCwd cwd; /* as sighted just now */
} AglRequest;

AglRequest *agl_request_new (void); /* all zero, but follows the working directory and waits for ever */
AglRequest *agl_request_ref (AglRequest *self);
void agl_request_unref (AglRequest *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AglRequest, agl_request_unref)

/* The lock that it asks for: a draft, without an id, a command and a time. (transfer full) */
AglLock *agl_request_draft (const AglRequest *self);
