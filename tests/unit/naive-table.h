/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/error.h"
#include "core/lock-table.h"

/* The rules of docs/locking.md a second time, in the simplest manner there is: small arrays, sets as bits,
 * everything worked out anew at every question. Written from the document, not from src/core. */

#define NAIVE_MAX_HOLDERS \
  32 /* bits 0 to 31 of a set of those who wait; manual claims in the queue have the rest */
#define NAIVE_MAX_WAITERS 32
#define NAIVE_MAX_LOCKS   256

/* A directory as it is seen from one side: a number, and the numbers of those above it. */
typedef struct
{
  int number;
  int above[8];
  int n_above;
} NaiveView;

typedef struct
{
  const NaiveView *view;
  int holder; /* -1: manual, or a process that could not be told */
  guint uid;
  guint asker_uid;
  gboolean privileged;
  guint mode;
  gboolean follow;
  int text; /* 0: not given */
  AglConflict conflict;
  gboolean detect;
} NaiveRequest;

typedef struct
{
  guint64 id;
  NaiveRequest facts;
  guint told_waiters;
  gboolean is_new;      /* its grant is still to be told */
  gboolean is_changing; /* a change of it is still to be told */
  NaiveRequest before;  /* then: what it was */
} NaiveLock;

typedef struct
{
  guint64 serial;
  NaiveRequest request;
  guint64 outsiders; /* holders' bits */
  /* As last worked out: */
  guint64 behind;           /* bits of positions in the queue */
  guint64 served_before_by; /* bits of the holders this one waits for in the queue's way */
} NaiveWaiter;

typedef struct
{
  NaiveLock locks[NAIVE_MAX_LOCKS];
  int n_locks;
  NaiveWaiter waiters[NAIVE_MAX_WAITERS];
  int n_waiters;
  int told_n_waiters;
  guint64 last_id, last_serial;
  guint max_locks, max_waiters;

  /* The world around: */
  gboolean no_ids;
  int failing_directory; /* saving a lock there fails; -1: nowhere */
  guint64 unready;       /* holders' bits */
  guint64 untold;        /* of whom it is not known yet whether they would hear of a grant */
  int outsider_at[64];   /* by directory's number: a holder; -1: nobody */

  GString *told;    /* by settle */
  GString *pending; /* what happened and is not told yet */
} NaiveTable;

void naive_init (NaiveTable *self);
void naive_clear (NaiveTable *self);

/* *@id: the lock's, or the waiter's number. *@code: with AGL_OUTCOME_REFUSED. */
AglOutcome
naive_acquire (NaiveTable *self, NaiveRequest *request, guint64 *id, gboolean *created, AglError *code);
void naive_settle (NaiveTable *self);
void naive_release (NaiveTable *self, guint64 id, AglReleaseReason reason);
gboolean
naive_transfer (NaiveTable *self, guint64 id, int holder, guint uid, gboolean follow, AglError *code);
void naive_drop (NaiveTable *self, guint64 serial, AglError code);
void naive_restore (NaiveTable *self, const NaiveRequest *facts);
void naive_move (NaiveTable *self, guint64 id, const NaiveView *view);
gboolean naive_is_free_for (NaiveTable *self, NaiveRequest *request);

NaiveLock *naive_find_lock (NaiveTable *self, guint64 id);
/* Works everything out; TRUE when @lock is in the way of the waiter at @position. */
void naive_work_out (NaiveTable *self);
gboolean naive_is_in_the_way (const NaiveTable *self, const NaiveLock *lock, int position);
guint naive_count_waiters_for (const NaiveTable *self, const NaiveLock *lock);
