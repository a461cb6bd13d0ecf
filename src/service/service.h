/* SPDX-License-Identifier: MIT */
#pragma once
#include "core/keeper.h"
#include "service/agl-generated.h"
#include "service/authority.h"
#include "service/callers.h"
#include "service/settings.h"
#include "service/turns.h"

/* What one instance consists of. Owned by main; everything else borrows it. */
typedef struct
{
  AglScope scope;
  AglSettings settings;
  AglWorker *worker;
  AglWorker *census; /* for what reads much of /proc, which no filesystem can hold up */
  AglLockStore *store;
  AglKeeper *keeper;
  AglCallers *callers;
  AglTurns *turns; /* of the users of a whole machine; NULL: there is only one */
  AglAuthority *authority;
  AglDBusLocks *object; /* the generated skeleton, exported on every connection */
  gboolean is_stopping; /* every call ends in AGL_ERROR_UNAVAILABLE, see shutdown.h */
  gboolean impersonate; /* permissions are judged as the caller */
  GQueue *unheard;      /* signals that wait for the bus, see broadcast.h; NULL: none has to */
  GQueue *missed;       /* ends that direct clients have missed, see broadcast.h; NULL: none */
  guint missed_timer;
  guint n_calls;    /* under way, of all callers */
  guint64 activity; /* grows with every call and connection */
} AglService;
