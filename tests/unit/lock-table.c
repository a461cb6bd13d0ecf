/* SPDX-License-Identifier: MIT */
#include "core/lock-table.h"

#include "table-script.h"

#define X  AGL_MODE_EXCLUSIVE
#define S  AGL_MODE_SHARED
#define XT AGL_MODE_SUBTREE

static Holder a, b, c, d, e;

/* --- what is granted --- */

static void
test_facts_of_a_lock (void)
{
  g_auto (World) world = { 0 };
  g_autoptr (AglRequest) request = make_request ("/1", &a, 1000, S, AGL_CONFLICT_FAIL);
  gint64 before = g_get_real_time ();
  AglLock *lock;
  AglWaiter *waiter;
  gboolean created;

  world_init (&world);
  request->asker.process = agl_process_ref (b.process);
  request->texts.reason = g_strdup ("refactor");
  g_assert_cmpint (agl_lock_table_acquire (world.table, request, &lock, &waiter, &created, NULL), ==,
                   AGL_OUTCOME_GRANTED);
  g_assert_true (created);
  g_assert_cmpuint (lock->id, ==, 1);
  g_assert_true (agl_lock_is_held_by (lock, a.process));
  g_assert_true (agl_process_token_equal (&lock->token, agl_process_get_token (a.process)));
  g_assert_true (agl_process_token_equal (&lock->acquirer, agl_process_get_token (b.process)));
  g_assert_cmpuint (lock->uid, ==, 1000);
  g_assert_cmpint (lock->mode, ==, S);
  g_assert_false (lock->manual);
  g_assert_true (lock->follow_cwd);
  g_assert_cmpint (lock->cwd, ==, AGL_CWD_INSIDE);
  g_assert_cmpint (lock->acquired_at_usec, >=, before);
  g_assert_cmpint (lock->expires_at_usec, ==, 0);
  g_assert_cmpstr (lock->texts.reason, ==, "refactor");
  g_assert_null (lock->texts.agent);
  g_assert_cmpstr (lock->command, !=, "");
  g_assert_true (agl_lock_table_lookup (world.table, 1) == lock);
}

static void
test_facts_of_a_claim (void)
{
  g_auto (World) world = { 0 };
  g_autoptr (AglRequest) request = make_request ("/1", NULL, 1000, X, AGL_CONFLICT_FAIL);
  AglLock *lock;
  AglWaiter *waiter;

  world_init (&world);
  request->ttl_sec = 60;
  g_assert_cmpint (agl_lock_table_acquire (world.table, request, &lock, &waiter, NULL, NULL), ==,
                   AGL_OUTCOME_GRANTED);
  g_assert_true (lock->manual);
  g_assert_null (lock->holder);
  g_assert_cmpint (lock->token.kind, ==, AGL_TOKEN_NONE);
  g_assert_false (lock->follow_cwd);
  g_assert_cmpint (lock->cwd, ==, AGL_CWD_IGNORED);
  g_assert_cmpstr (lock->command, ==, "");
  g_assert_cmpint (lock->expires_at_usec, ==, lock->acquired_at_usec + 60 * G_USEC_PER_SEC);
  /* Nobody's own: a second one is in its way. */
  assert_refused (&world, "/1", NULL, X, AGL_CONFLICT_FAIL, AGL_ERROR_HELD);
}

static void
test_asking_again (void)
{
  g_auto (World) world = { 0 };
  g_autoptr (AglRequest) again = make_request ("/1", &a, 1000, X, AGL_CONFLICT_FAIL);
  AglLock *lock;
  AglWaiter *waiter;
  gboolean created = TRUE;

  world_init (&world);
  assert_granted (&world, "/1", &a, X, AGL_CONFLICT_FAIL);
  assert_told (&world, "acquired 1\n");
  assert_granted (&world, "/1", &a, X, AGL_CONFLICT_FAIL);
  assert_told (&world, "");
  g_assert_cmpuint (world.n_commits, ==, 1); /* nothing new, nothing to save */

  again->texts.reason = g_strdup ("new");
  again->follow_cwd = FALSE;
  g_assert_cmpint (agl_lock_table_acquire (world.table, again, &lock, &waiter, &created, NULL), ==,
                   AGL_OUTCOME_GRANTED);
  g_assert_false (created);
  g_assert_cmpuint (lock->id, ==, 1);
  g_assert_cmpstr (lock->texts.reason, ==, "new");
  g_assert_false (lock->follow_cwd);
  assert_told (&world, "changed 1 follow cwd texts\n");
  /* What is not given stays. */
  assert_granted (&world, "/1", &a, X, AGL_CONFLICT_FAIL);
  g_assert_cmpstr (lock->texts.reason, ==, "new");
  assert_told (&world, "changed 1 follow cwd\n");
}

static void
test_conversions (void)
{
  g_auto (World) world = { 0 };

  world_init (&world);
  assert_granted (&world, "/1", &a, S, AGL_CONFLICT_FAIL);
  assert_granted (&world, "/1", &b, S, AGL_CONFLICT_FAIL);
  assert_told (&world, "acquired 1\nacquired 2\n");
  assert_refused (&world, "/1", &a, X, AGL_CONFLICT_FAIL, AGL_ERROR_HELD);
  assert_waits (&world, "/1", &a, X);
  assert_told (&world, "changed 2 waiters\nqueue\n");
  /* Two upgrades of one directory wait for each other. */
  assert_refused (&world, "/1", &b, X, AGL_CONFLICT_WAIT, AGL_ERROR_DEADLOCK);
  release (&world, 2);
  assert_told (&world, "released 2 released waiters=1\nended 1 with 1\nchanged 1 mode\nqueue\n");

  /* A downgrade succeeds at once and lets the shared waiter in. */
  assert_waits (&world, "/1", &b, S);
  assert_told (&world, "changed 1 waiters\nqueue\n");
  assert_granted (&world, "/1", &a, S, AGL_CONFLICT_FAIL);
  assert_told (&world, "changed 1 mode\nended 2 with 3\nacquired 3\nchanged 1 waiters\nqueue\n");
}

static void
test_sole_holder_upgrades_past_the_queue (void)
{
  g_auto (World) world = { 0 };

  world_init (&world);
  assert_granted (&world, "/1", &a, S, AGL_CONFLICT_FAIL);
  assert_waits (&world, "/1", &b, X);
  assert_waits (&world, "/1", &c, S); /* waits for b, who waits for a */
  assert_told (&world, "acquired 1 waiters=1\nqueue\n");
  assert_granted (&world, "/1", &a, X, AGL_CONFLICT_FAIL);
  assert_told (&world, "changed 1 mode\nchanged 1 waiters\n");
  release (&world, 1);
  assert_told (&world, "released 1 released waiters=2\nended 1 with 2\nacquired 2 waiters=1\nqueue\n");
  release (&world, 2);
  assert_told (&world, "released 2 released waiters=1\nended 2 with 3\nacquired 3\nqueue\n");
}

/* --- steal, join, transfer --- */

static void
test_steal (void)
{
  g_auto (World) world = { 0 };

  world_init (&world);
  assert_granted (&world, "/1", &a, S, AGL_CONFLICT_FAIL);
  assert_granted (&world, "/1", &b, S, AGL_CONFLICT_FAIL);
  assert_waits (&world, "/1", &c, X);
  assert_told (&world, "acquired 1 waiters=1\nacquired 2 waiters=1\nqueue\n");

  /* It cannot be saved: nothing has happened. */
  world.commits_until_failure = 0;
  assert_refused (&world, "/1", &d, X, AGL_CONFLICT_STEAL, AGL_ERROR_UNAVAILABLE);
  assert_told (&world, "");
  g_assert_cmpuint (agl_lock_table_count (world.table), ==, 2);

  world.commits_until_failure = -1;
  assert_granted (&world, "/1", &d, X, AGL_CONFLICT_STEAL);
  g_assert_cmpuint (agl_lock_table_count (world.table), ==, 1);
  /* The waiter keeps its place, and waits for the winner. */
  assert_told (&world, "released 1 stolen waiters=1\nreleased 2 stolen waiters=1\nacquired 4 waiters=1\n");
  release (&world, 4);
  assert_told (&world, "released 4 released waiters=1\nended 1 with 5\nacquired 5\nqueue\n");
}

static void
test_overtaking_needs_the_same_user (void)
{
  g_auto (World) world = { 0 };
  g_autoptr (AglRequest) join = make_request ("/1", &c, 1001, S, AGL_CONFLICT_JOIN);
  g_autoptr (GError) error = NULL;
  AglLock *lock;
  AglWaiter *waiter;

  world_init (&world);
  assert_granted (&world, "/1", &a, S, AGL_CONFLICT_FAIL);
  assert_waits (&world, "/1", &b, X);
  /* No lock is in its way, another user's waiter is. */
  g_assert_cmpint (agl_lock_table_acquire (world.table, join, &lock, &waiter, NULL, &error), ==,
                   AGL_OUTCOME_REFUSED);
  g_assert_error (error, AGL_ERROR, AGL_ERROR_HELD);
  join->asker.privileged = TRUE;
  g_assert_cmpint (agl_lock_table_acquire (world.table, join, &lock, &waiter, NULL, NULL), ==,
                   AGL_OUTCOME_GRANTED);
  /* The same user's may. */
  assert_granted (&world, "/1", &d, S, AGL_CONFLICT_JOIN);
}

static gboolean
transfer (World *world, guint64 id, Holder *to, uid_t uid, GError **error)
{
  return agl_lock_table_transfer (world->table, agl_lock_table_lookup (world->table, id), to->process, uid,
                                  FALSE, AGL_CWD_IGNORED, error);
}

static void
test_transfer (void)
{
  g_auto (World) world = { 0 };
  AglLock *lock;

  world_init (&world);
  assert_granted (&world, "/1", &a, X, AGL_CONFLICT_FAIL);
  assert_waits (&world, "/1", &b, X);
  assert_told (&world, "acquired 1 waiters=1\nqueue\n");
  lock = agl_lock_table_lookup (world.table, 1);

  world.commits_until_failure = 0;
  g_assert_false (transfer (&world, 1, &c, 1001, NULL));
  g_assert_true (agl_lock_is_held_by (lock, a.process));
  g_assert_cmpuint (lock->uid, ==, 1000);
  assert_told (&world, "");

  g_assert_true (transfer (&world, 1, &c, 1001, NULL));
  g_assert_true (agl_lock_is_held_by (lock, c.process));
  g_assert_true (agl_process_token_equal (&lock->token, agl_process_get_token (c.process)));
  g_assert_cmpuint (lock->uid, ==, 1001);
  g_assert_cmpuint (lock->n_waiters, ==, 1);
  assert_told (&world, "changed 1 holder follow cwd\n");

  /* To the one who waits for it: its wait is over. */
  g_assert_true (transfer (&world, 1, &b, 1000, NULL));
  assert_told (&world, "changed 1 holder follow cwd\nended 1 with 1\nchanged 1 waiters\nqueue\n");
}

static void
test_transfer_in_the_way (void)
{
  g_auto (World) world = { 0 };
  g_autoptr (GError) error = NULL;

  world_init (&world);
  assert_granted (&world, "/1", &a, XT, AGL_CONFLICT_FAIL);
  assert_granted (&world, "/1/2", &a, X, AGL_CONFLICT_FAIL);
  assert_granted (&world, "/1", &b, S, AGL_CONFLICT_JOIN);
  /* The giver keeps a lock that the new holder's would meet. */
  g_assert_false (transfer (&world, 1, &c, 1000, &error));
  g_assert_error (error, AGL_ERROR, AGL_ERROR_HELD);
  g_clear_error (&error);
  release (&world, 2);
  /* It would be a second lock of his there. */
  g_assert_false (transfer (&world, 1, &b, 1000, &error));
  g_assert_error (error, AGL_ERROR, AGL_ERROR_HELD);
  /* Whom the lock stood beside before, it stands beside after. */
  g_assert_true (transfer (&world, 1, &c, 1000, NULL));
}

static void
test_transfer_of_a_claim (void)
{
  g_auto (World) world = { 0 };
  AglLock *lock;

  world_init (&world);
  assert_granted (&world, "/1", NULL, X, AGL_CONFLICT_FAIL);
  lock = agl_lock_table_lookup (world.table, 1);
  lock->expires_at_usec = G_MAXINT64;
  g_assert_true (transfer (&world, 1, &a, 1000, NULL));
  g_assert_false (lock->manual);
  g_assert_cmpint (lock->expires_at_usec, ==, 0);
  assert_granted (&world, "/1", &a, X, AGL_CONFLICT_FAIL); /* his own now */
}

/* --- limits and failures --- */

static void
test_limits (void)
{
  g_auto (World) world = { 0 };
  g_autoptr (AglRequest) other = make_request ("/3", &b, 1001, X, AGL_CONFLICT_FAIL);
  AglLock *lock;
  AglWaiter *waiter;

  world_init (&world);
  agl_lock_table_set_limits (world.table, 2, 1);
  assert_granted (&world, "/1", &a, X, AGL_CONFLICT_FAIL);
  assert_granted (&world, "/2", &a, X, AGL_CONFLICT_FAIL);
  assert_refused (&world, "/3", &a, X, AGL_CONFLICT_FAIL, AGL_ERROR_LIMIT_EXCEEDED);
  assert_granted (&world, "/2", &a, S, AGL_CONFLICT_FAIL); /* none more */
  g_assert_cmpint (agl_lock_table_acquire (world.table, other, &lock, &waiter, NULL, NULL), ==,
                   AGL_OUTCOME_GRANTED);
  assert_waits (&world, "/1", &c, X);
  assert_refused (&world, "/1", &d, X, AGL_CONFLICT_WAIT, AGL_ERROR_LIMIT_EXCEEDED);
  /* What is stolen makes room for the winner. */
  assert_granted (&world, "/1", &d, X, AGL_CONFLICT_STEAL);
  agl_lock_table_settle (world.table);
  g_string_truncate (world.log, 0);
  /* A turn that comes when there is no room is over. */
  agl_lock_table_set_limits (world.table, 0, 1);
  release (&world, 4);
  assert_told (&world, "released 4 released waiters=1\nended 1 by LimitExceeded\nqueue\n");
}

static void
test_nothing_remains_of_a_failure (void)
{
  g_auto (World) world = { 0 };

  world_init (&world);
  world.no_ids = TRUE;
  assert_refused (&world, "/1", &a, X, AGL_CONFLICT_FAIL, AGL_ERROR_UNAVAILABLE);
  world.no_ids = FALSE;
  world.commits_until_failure = 0;
  assert_refused (&world, "/1", &a, X, AGL_CONFLICT_FAIL, AGL_ERROR_UNAVAILABLE);
  g_assert_cmpuint (agl_lock_table_count (world.table), ==, 0);
  assert_granted (&world, "/1", &b, S, AGL_CONFLICT_FAIL);
  world.commits_until_failure = 0;
  assert_refused (&world, "/1", &b, X, AGL_CONFLICT_FAIL, AGL_ERROR_UNAVAILABLE);
  g_assert_cmpint (agl_lock_table_lookup (world.table, 2)->mode, ==, S);
  assert_granted (&world, "/1", &a, S, AGL_CONFLICT_FAIL); /* it is shared still */
  assert_told (&world, "acquired 2\nacquired 3\n");
}

static void
test_restore (void)
{
  g_auto (World) world = { 0 };
  g_autoptr (AglRequest) request = make_request ("/1", &a, 1000, X, AGL_CONFLICT_FAIL);
  g_autoptr (AglLock) lock = agl_request_draft (request);
  g_autoptr (AglLock) twin = agl_request_draft (request);

  world_init (&world);
  lock->id = twin->id = 7;
  world.last_id = 7;
  g_clear_pointer (&lock->holder, agl_process_unref); /* it cannot be told */
  g_assert_true (agl_lock_table_restore (world.table, lock));
  g_assert_false (agl_lock_table_restore (world.table, twin));
  assert_told (&world, "");
  /* Not knowing who holds it, nobody is it. */
  assert_refused (&world, "/1", &a, X, AGL_CONFLICT_FAIL, AGL_ERROR_HELD);
  agl_lock_table_set_holder (world.table, lock, a.process);
  assert_granted (&world, "/1", &a, X, AGL_CONFLICT_FAIL);
  g_assert_cmpuint (agl_lock_table_count (world.table), ==, 1);
  release (&world, 7);
  assert_told (&world, "released 7 released\n");
}

/* --- hooks that call the table --- */

static void
act_in_hooks (World *world, const char *what)
{
  if (g_strcmp0 (what, "released 1 released waiters=1") == 0)
    {
      /* The grant of the waiter is decided by now, and not told yet. */
      assert_refused (world, "/1", &c, X, AGL_CONFLICT_FAIL, AGL_ERROR_HELD);
      assert_granted (world, "/2", &c, X, AGL_CONFLICT_FAIL);
      agl_lock_table_settle (world->table);
    }
  else if (g_strcmp0 (what, "acquired 2") == 0)
    {
      release (world, 2);
      agl_lock_table_settle (world->table);
      g_assert_null (agl_lock_table_lookup (world->table, 2));
    }
  else if (g_strcmp0 (what, "acquired 3") == 0)
    {
      assert_waits (world, "/2", &d, X);
      agl_lock_table_settle (world->table);
      drop (world, 0, AGL_ERROR_CANCELLED);
      release (world, 3);
      agl_lock_table_settle (world->table);
    }
}

static void
test_hooks_may_call_the_table (void)
{
  g_auto (World) world = { 0 };

  world_init (&world);
  assert_granted (&world, "/1", &a, X, AGL_CONFLICT_FAIL);
  assert_waits (&world, "/1", &b, X);
  assert_told (&world, "acquired 1 waiters=1\nqueue\n");
  world.in_hook = act_in_hooks;
  release (&world, 1);
  assert_told (&world, "released 1 released waiters=1\nended 1 with 2\nacquired 2\nacquired 3\n"
                       "released 2 released\nended 2 by Cancelled\nreleased 3 released\nqueue\n");
  g_assert_cmpuint (agl_lock_table_count (world.table), ==, 0);
}

/* A lock is told as it is by then; what that has said of it is not said again. */
static void
test_nothing_is_told_twice (void)
{
  g_auto (World) world = { 0 };

  world_init (&world);
  assert_granted (&world, "/1", &a, X, AGL_CONFLICT_FAIL);
  assert_waits (&world, "/1", &b, X);
  assert_waits (&world, "/1", &b, S);
  assert_waits (&world, "/1", &c, X);
  assert_told (&world, "acquired 1 waiters=3\nqueue\n");
  release (&world, 1);
  assert_told (&world, "released 1 released waiters=3\nended 1 with 2\nacquired 2 waiters=1\n"
                       "ended 2 with 2\nqueue\n");
  g_assert_cmpint (agl_lock_table_lookup (world.table, 2)->mode, ==, S);

  /* There and back is no change. */
  assert_granted (&world, "/1", &b, X, AGL_CONFLICT_FAIL);
  assert_granted (&world, "/1", &b, S, AGL_CONFLICT_FAIL);
  drop (&world, 0, AGL_ERROR_CANCELLED);
  assert_waits (&world, "/1", &d, X);
  assert_told (&world, "ended 3 by Cancelled\n");
  assert_granted (&world, "/1", &b, X, AGL_CONFLICT_FAIL);
  g_assert_true (transfer (&world, 2, &e, 1000, NULL));
  assert_told (&world, "changed 2 holder mode follow cwd\n");
}

static void
test_lists (void)
{
  g_auto (World) world = { 0 };
  g_autoptr (GPtrArray) all = NULL, there = NULL, own = NULL, none = NULL;
  g_autoptr (AglDirectory) directory = make_directory ("/5");

  world_init (&world);
  for (guint i = 9; i > 0; i--)
    {
      g_autofree char *path = g_strdup_printf ("/%u", i);

      assert_granted (&world, path, &a, S, AGL_CONFLICT_FAIL);
    }
  assert_granted (&world, "/5", &b, S, AGL_CONFLICT_FAIL);
  all = agl_lock_table_list (world.table);
  g_assert_cmpuint (all->len, ==, 10);
  for (guint i = 0; i < 10; i++)
    g_assert_cmpuint (((AglLock *)g_ptr_array_index (all, i))->id, ==, i + 1);
  there = agl_lock_table_list_directory (world.table, directory);
  g_assert_cmpuint (there->len, ==, 2);
  g_assert_cmpuint (((AglLock *)g_ptr_array_index (there, 1))->id, ==, 10);
  own = agl_lock_table_list_holder (world.table, a.process);
  g_assert_cmpuint (own->len, ==, 9);
  none = agl_lock_table_list_holder (world.table, c.process);
  g_assert_cmpuint (none->len, ==, 0);
}

int
main (int argc, char **argv)
{
  Holder *all[] = { &a, &b, &c, &d, &e };
  int result;

  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (all); i++)
    holder_start (all[i]);
  g_test_add_func ("/lock-table/facts-of-a-lock", test_facts_of_a_lock);
  g_test_add_func ("/lock-table/facts-of-a-claim", test_facts_of_a_claim);
  g_test_add_func ("/lock-table/asking-again", test_asking_again);
  g_test_add_func ("/lock-table/conversions", test_conversions);
  g_test_add_func ("/lock-table/sole-holder-upgrades-past-the-queue",
                   test_sole_holder_upgrades_past_the_queue);
  g_test_add_func ("/lock-table/steal", test_steal);
  g_test_add_func ("/lock-table/overtaking-needs-the-same-user", test_overtaking_needs_the_same_user);
  g_test_add_func ("/lock-table/transfer", test_transfer);
  g_test_add_func ("/lock-table/transfer-in-the-way", test_transfer_in_the_way);
  g_test_add_func ("/lock-table/transfer-of-a-claim", test_transfer_of_a_claim);
  g_test_add_func ("/lock-table/limits", test_limits);
  g_test_add_func ("/lock-table/nothing-remains-of-a-failure", test_nothing_remains_of_a_failure);
  g_test_add_func ("/lock-table/restore", test_restore);
  g_test_add_func ("/lock-table/hooks-may-call-the-table", test_hooks_may_call_the_table);
  g_test_add_func ("/lock-table/nothing-is-told-twice", test_nothing_is_told_twice);
  g_test_add_func ("/lock-table/lists", test_lists);
  result = g_test_run ();
  for (guint i = 0; i < G_N_ELEMENTS (all); i++)
    holder_end (all[i]);
  return result;
}
