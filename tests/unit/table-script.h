/* SPDX-License-Identifier: MIT */
#pragma once
#include "table-world.h"

/* Asking, for the tests of the table that read like a script: all as user 1000. */

static inline AglOutcome
ask (World *world, const char *path, Holder *holder, AglMode mode, AglConflict conflict, AglError *code)
{
  g_autoptr (AglRequest) request = make_request (path, holder, 1000, mode, conflict);
  g_autoptr (GError) error = NULL;
  AglLock *lock;
  AglWaiter *waiter;
  AglOutcome outcome = agl_lock_table_acquire (world->table, request, &lock, &waiter, NULL, &error);

  g_assert_true ((error != NULL) == (outcome == AGL_OUTCOME_REFUSED));
  if (error != NULL && code != NULL)
    *code = (AglError)error->code;
  return outcome;
}

static inline void
assert_granted (World *world, const char *path, Holder *holder, AglMode mode, AglConflict conflict)
{
  g_assert_cmpint (ask (world, path, holder, mode, conflict, NULL), ==, AGL_OUTCOME_GRANTED);
}

static inline void
assert_waits (World *world, const char *path, Holder *holder, AglMode mode)
{
  g_assert_cmpint (ask (world, path, holder, mode, AGL_CONFLICT_WAIT, NULL), ==, AGL_OUTCOME_WAITING);
}

static inline void
assert_refused (
    World *world, const char *path, Holder *holder, AglMode mode, AglConflict conflict, AglError expected)
{
  AglError code = AGL_N_ERRORS;

  g_assert_cmpint (ask (world, path, holder, mode, conflict, &code), ==, AGL_OUTCOME_REFUSED);
  g_assert_cmpint (code, ==, expected);
}

static inline void
release (World *world, guint64 id)
{
  AglLock *lock = agl_lock_table_lookup (world->table, id);

  g_assert_nonnull (lock);
  agl_lock_table_release (world->table, lock, AGL_RELEASE_RELEASED);
}

/* The waiter at @position of the queue. */
static inline AglWaiter *
nth_waiter (World *world, guint position)
{
  g_autoptr (GPtrArray) waiters = agl_lock_table_list_waiters (world->table);

  g_assert_cmpuint (position, <, waiters->len);
  return g_ptr_array_index (waiters, position);
}

static inline void
drop (World *world, guint position, AglError code)
{
  g_autoptr (GError) why = g_error_new_literal (AGL_ERROR, (int)code, "dropped");

  agl_lock_table_drop (world->table, nth_waiter (world, position), why);
}
