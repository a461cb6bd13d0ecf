/* SPDX-License-Identifier: MIT */
#include "core/lock-table.h"

#include "table-script.h"

/* Who waits, in which order they are let in, and who would wait for ever. */

#define X  AGL_MODE_EXCLUSIVE
#define S  AGL_MODE_SHARED
#define XT AGL_MODE_SUBTREE

static Holder a, b, c, d, e;

static void
test_first_come_first_served (void)
{
  g_auto (World) world = { 0 };

  world_init (&world);
  assert_granted (&world, "/1", &a, S, AGL_CONFLICT_FAIL);
  assert_waits (&world, "/1", &b, X);
  /* A stream of shared requests does not starve him: they queue, or are told. */
  assert_waits (&world, "/1", &c, S);
  assert_refused (&world, "/1", &d, S, AGL_CONFLICT_FAIL, AGL_ERROR_HELD);
  assert_waits (&world, "/1", &d, S);
  /* Who wants another directory is in nobody's way. */
  assert_granted (&world, "/2", &e, X, AGL_CONFLICT_WAIT);
  assert_told (&world, "acquired 1 waiters=1\nacquired 2\nqueue\n");

  release (&world, 1);
  assert_told (&world, "released 1 released waiters=1\nended 1 with 3\nacquired 3 waiters=2\nqueue\n");
  release (&world, 3);
  assert_told (
      &world,
      "released 3 released waiters=2\nended 2 with 4\nacquired 4\nended 3 with 5\nacquired 5\nqueue\n");
}

static void
test_subtree_in_the_queue (void)
{
  g_auto (World) world = { 0 };

  world_init (&world);
  assert_granted (&world, "/1/2", &a, X, AGL_CONFLICT_FAIL);
  assert_granted (&world, "/1/3", &b, X, AGL_CONFLICT_FAIL);
  assert_waits (&world, "/1", &c, XT);
  assert_refused (&world, "/1/4", &d, X, AGL_CONFLICT_FAIL, AGL_ERROR_HELD); /* behind the subtree */
  assert_told (&world, "acquired 1 waiters=1\nacquired 2 waiters=1\nqueue\n");
  release (&world, 1);
  assert_told (&world, "released 1 released waiters=1\n");
  release (&world, 2);
  assert_told (&world, "released 2 released waiters=1\nended 1 with 3\nacquired 3\nqueue\n");
}

static void
test_a_dropped_waiter_lets_the_next_one_in (void)
{
  g_auto (World) world = { 0 };

  world_init (&world);
  assert_granted (&world, "/1", &a, S, AGL_CONFLICT_FAIL);
  assert_waits (&world, "/1", &b, X);
  assert_waits (&world, "/1", &c, S);
  assert_told (&world, "acquired 1 waiters=1\nqueue\n");
  drop (&world, 0, AGL_ERROR_CANCELLED);
  assert_told (&world, "ended 1 by Cancelled\nended 2 with 2\nacquired 2\nchanged 1 waiters\nqueue\n");
}

static void
test_a_grant_never_goes_to_nobody (void)
{
  g_auto (World) world = { 0 };

  world_init (&world);
  assert_granted (&world, "/1", &a, X, AGL_CONFLICT_FAIL);
  assert_waits (&world, "/1", &b, X);
  assert_waits (&world, "/1", &c, X);
  assert_told (&world, "acquired 1 waiters=2\nqueue\n");

  /* The first one's grant cannot be saved: the second one has it. */
  world.commits_until_failure = 0;
  release (&world, 1);
  assert_told (&world,
               "released 1 released waiters=2\nended 1 by Unavailable\nended 2 with 3\nacquired 3\nqueue\n");

  assert_waits (&world, "/1", &d, X);
  assert_told (&world, "changed 3 waiters\nqueue\n");
  world.not_ready = TRUE;
  release (&world, 3);
  assert_told (&world, "released 3 released waiters=1\nended 3 by NoSuchProcess\nqueue\n");
  g_assert_cmpuint (agl_lock_table_count (world.table), ==, 0);
}

/* Whether anybody would hear of a grant is found out first: meanwhile it keeps its place, and holds up nobody
 * else. */
static void
test_a_turn_that_is_put_off (void)
{
  g_auto (World) world = { 0 };

  world_init (&world);
  assert_granted (&world, "/1", &a, X, AGL_CONFLICT_FAIL);
  assert_granted (&world, "/2", &a, X, AGL_CONFLICT_FAIL);
  assert_waits (&world, "/1", &b, X);
  assert_waits (&world, "/1", &c, X);
  assert_told (&world, "acquired 1 waiters=2\nacquired 2\nqueue\n");
  world.untold = TRUE;
  release (&world, 1);
  assert_told (&world, "released 1 released waiters=2\n");
  assert_refused (&world, "/1", &d, S, AGL_CONFLICT_FAIL, AGL_ERROR_HELD);
  assert_granted (&world, "/3", &d, X, AGL_CONFLICT_FAIL);
  assert_told (&world, "acquired 3\n");

  /* It came too late: somebody went ahead. */
  assert_granted (&world, "/1", &e, X, AGL_CONFLICT_STEAL);
  world.untold = FALSE;
  agl_lock_table_try_again (world.table, nth_waiter (&world, 0));
  assert_told (&world, "acquired 4 waiters=2\n");

  world.untold = TRUE;
  release (&world, 4);
  assert_told (&world, "released 4 released waiters=2\n");
  world.untold = FALSE;
  agl_lock_table_try_again (world.table, nth_waiter (&world, 1)); /* not his turn */
  assert_told (&world, "");
  agl_lock_table_try_again (world.table, nth_waiter (&world, 0));
  assert_told (&world, "ended 1 with 5\nacquired 5 waiters=1\nqueue\n");

  /* Nobody would: the next one. */
  world.untold = TRUE;
  release (&world, 5);
  assert_told (&world, "released 5 released waiters=1\n");
  world.untold = FALSE;
  assert_waits (&world, "/1", &e, X);
  drop (&world, 0, AGL_ERROR_CANCELLED);
  assert_told (&world, "ended 2 by Cancelled\nended 3 with 6\nacquired 6\nqueue\n");
}

#define N_QUEUE 200

static void
test_two_hundred_in_order (void)
{
  g_auto (World) world = { 0 };
  g_autoptr (GString) expected = g_string_new (NULL);
  Holder *holders = g_new0 (Holder, N_QUEUE);
  guint n_left = N_QUEUE;

  world_init (&world);
  assert_granted (&world, "/1", &a, X, AGL_CONFLICT_FAIL);
  for (guint i = 0; i < N_QUEUE; i++)
    {
      holder_start (&holders[i]);
      assert_waits (&world, "/1", &holders[i], X);
    }
  assert_told (&world, "acquired 1 waiters=200\nqueue\n");
  g_assert_cmpuint (agl_lock_table_lookup (world.table, 1)->n_waiters, ==, N_QUEUE);

  /* Every third one goes before its turn, some of them just then. */
  for (guint i = N_QUEUE; i-- > 0;)
    {
      if (i % 3 == 1)
        drop (&world, i, i % 2 == 0 ? AGL_ERROR_CANCELLED : AGL_ERROR_NO_SUCH_PROCESS);
    }
  agl_lock_table_settle (world.table);
  g_string_truncate (world.log, 0);

  for (guint i = 0; i < N_QUEUE; i++)
    {
      guint64 last = world.last_id;

      if (i % 3 == 1)
        continue;
      release (&world, last);
      n_left = agl_lock_table_count_waiters (world.table) - 1;
      g_string_printf (expected, "released %d released waiters=%u\nended %d with %d\nacquired %d", (int)last,
                       n_left + 1, (int)i + 1, (int)last + 1, (int)last + 1);
      if (n_left > 0)
        g_string_append_printf (expected, " waiters=%u", n_left);
      g_string_append (expected, "\nqueue\n");
      assert_told (&world, expected->str);
      g_assert_true (agl_lock_is_held_by (agl_lock_table_lookup (world.table, last + 1), holders[i].process));
    }
  g_assert_cmpuint (n_left, ==, 0);
  for (guint i = 0; i < N_QUEUE; i++)
    holder_end (&holders[i]);
  g_free (holders);
}

/* --- deadlock --- */

static void
test_a_ring_of_five (void)
{
  g_auto (World) world = { 0 };
  Holder *ring[] = { &a, &b, &c, &d, &e };
  static const char *const paths[] = { "/1", "/2", "/3", "/4", "/5", "/1" };
  g_autoptr (AglRequest) last = make_request ("/1", &e, 1000, X, AGL_CONFLICT_WAIT);
  g_autoptr (GError) error = NULL;
  AglLock *lock;
  AglWaiter *waiter;

  world_init (&world);
  for (guint i = 0; i < 5; i++)
    assert_granted (&world, paths[i], ring[i], X, AGL_CONFLICT_FAIL);
  for (guint i = 0; i < 4; i++)
    assert_waits (&world, paths[i + 1], ring[i], X);
  g_assert_cmpint (agl_lock_table_acquire (world.table, last, &lock, &waiter, NULL, &error), ==,
                   AGL_OUTCOME_REFUSED);
  g_assert_error (error, AGL_ERROR, AGL_ERROR_DEADLOCK);
  for (guint i = 0; i < 5; i++)
    {
      g_autofree char *pid = g_strdup_printf ("pid %d", (int)ring[i]->pid);
      g_autofree char *path = g_strdup_printf ("\"%s\"", paths[i]);

      g_assert_nonnull (strstr (error->message, pid));
      g_assert_nonnull (strstr (error->message, path));
    }
  /* The others go on waiting, and are served once the last one lets go. */
  g_assert_cmpuint (agl_lock_table_count_waiters (world.table), ==, 4);
  agl_lock_table_settle (world.table);
  g_string_truncate (world.log, 0);
  release (&world, 5);
  assert_told (&world, "released 5 released waiters=1\nended 4 with 6\nacquired 6\nqueue\n");
}

/* a waits for what c holds, b waits for a: whatever makes b a holder of that as well closes a circle. */
static void
test_no_circle_by_going_ahead (void)
{
  g_auto (World) world = { 0 };
  g_autoptr (GError) error = NULL;

  world_init (&world);
  assert_granted (&world, "/1", &a, X, AGL_CONFLICT_FAIL);
  assert_granted (&world, "/2", &c, X, AGL_CONFLICT_FAIL);
  assert_waits (&world, "/2", &a, X);
  assert_waits (&world, "/1", &b, X);
  assert_told (&world, "acquired 1 waiters=1\nacquired 2 waiters=1\nqueue\n");

  assert_refused (&world, "/2", &b, X, AGL_CONFLICT_JOIN, AGL_ERROR_DEADLOCK);
  assert_refused (&world, "/2", &b, X, AGL_CONFLICT_STEAL, AGL_ERROR_DEADLOCK);
  g_assert_false (agl_lock_table_transfer (world.table, agl_lock_table_lookup (world.table, 2), b.process,
                                           1000, TRUE, AGL_CWD_INSIDE, &error));
  g_assert_error (error, AGL_ERROR, AGL_ERROR_DEADLOCK);
  assert_told (&world, "");
  g_assert_true (agl_lock_is_held_by (agl_lock_table_lookup (world.table, 2), c.process));
  g_assert_cmpuint (agl_lock_table_count (world.table), ==, 2);

  /* Who waits for nobody goes ahead. */
  assert_granted (&world, "/2", &d, X, AGL_CONFLICT_JOIN);
}

/* a waits for b, and b for what c holds below "/1". */
static void
let_a_wait_for_b (World *world)
{
  world_init (world);
  assert_granted (world, "/2", &b, X, AGL_CONFLICT_FAIL);
  assert_granted (world, "/1/5", &c, X, AGL_CONFLICT_FAIL);
  assert_waits (world, "/1", &b, XT);
  assert_waits (world, "/2", &a, X);
  assert_told (world, "acquired 1 waiters=1\nacquired 2 waiters=1\nqueue\n");
}

/* To cover more than before is to go ahead as well. */
static void
test_no_circle_by_conversion (void)
{
  g_auto (World) world = { 0 };
  AglMode before;

  world_init (&world);
  assert_granted (&world, "/2", &b, X, AGL_CONFLICT_FAIL);
  assert_granted (&world, "/1/5", &c, X, AGL_CONFLICT_FAIL);
  assert_granted (&world, "/1", &a, X, AGL_CONFLICT_FAIL);
  assert_waits (&world, "/1/5", &b, X);
  assert_waits (&world, "/2", &a, X);
  assert_told (&world, "acquired 1 waiters=1\nacquired 2 waiters=1\nacquired 3\nqueue\n");

  before = agl_lock_table_lookup (world.table, 3)->mode;
  assert_refused (&world, "/1", &a, XT, AGL_CONFLICT_JOIN, AGL_ERROR_DEADLOCK);
  assert_refused (&world, "/1", &a, XT, AGL_CONFLICT_STEAL, AGL_ERROR_DEADLOCK);
  assert_told (&world, "");
  g_assert_cmpint (agl_lock_table_lookup (world.table, 3)->mode, ==, before);
  g_assert_cmpuint (agl_lock_table_count (world.table), ==, 3);
}

/* A circle that nobody asked for ends too: the last to come to wait is told. */

static void
test_a_circle_by_a_move (void)
{
  g_auto (World) world = { 0 };
  g_autoptr (AglDirectory) there = make_directory ("/1/6");

  let_a_wait_for_b (&world);
  assert_granted (&world, "/3/6", &a, X, AGL_CONFLICT_FAIL);
  assert_told (&world, "acquired 3\n");
  agl_lock_table_set_directory (world.table, agl_lock_table_lookup (world.table, 3), there);
  assert_told (&world,
               "changed 3 directory\nended 2 by Deadlock\nchanged 1 waiters\nchanged 3 waiters\nqueue\n");
}

/* It was given to a before the service started, which is known only later. */
static void
test_a_circle_by_a_proof (void)
{
  g_auto (World) world = { 0 };
  g_autoptr (AglRequest) request = make_request ("/1/6", &a, 1000, X, AGL_CONFLICT_FAIL);
  g_autoptr (AglLock) lock = agl_request_draft (request);

  let_a_wait_for_b (&world);
  lock->id = 7;
  g_clear_pointer (&lock->holder, agl_process_unref);
  g_assert_true (agl_lock_table_restore (world.table, lock));
  assert_told (&world, "changed 7 waiters\n");
  agl_lock_table_set_holder (world.table, lock, a.process);
  assert_told (&world, "ended 2 by Deadlock\nchanged 1 waiters\nqueue\n");
}

static void
test_a_circle_by_a_saved_lock (void)
{
  g_auto (World) world = { 0 };
  g_autoptr (AglRequest) request = make_request ("/1/6", &a, 1000, X, AGL_CONFLICT_FAIL);
  g_autoptr (AglLock) lock = agl_request_draft (request);

  let_a_wait_for_b (&world);
  lock->id = 7;
  g_assert_true (agl_lock_table_restore (world.table, lock));
  assert_told (&world, "ended 2 by Deadlock\nchanged 1 waiters\nchanged 7 waiters\nqueue\n");
}

static void
test_no_circle_through_an_outsider (void)
{
  g_auto (World) world = { 0 };
  g_autoptr (AglRequest) request = make_request ("/9", &a, 1000, X, AGL_CONFLICT_WAIT);
  g_autoptr (GError) error = NULL;
  AglLock *lock;
  AglWaiter *waiter;

  world_init (&world);
  request->detect_agents = TRUE;
  assert_granted (&world, "/1", &a, X, AGL_CONFLICT_FAIL);
  assert_waits (&world, "/1", &b, X);
  world.outsider = &b;
  g_assert_cmpint (agl_lock_table_acquire (world.table, request, &lock, &waiter, NULL, &error), ==,
                   AGL_OUTCOME_REFUSED);
  g_assert_error (error, AGL_ERROR, AGL_ERROR_DEADLOCK);
  world.outsider = NULL;

  /* Seen only when its turn comes: the wait ends then. */
  assert_granted (&world, "/9", &c, X, AGL_CONFLICT_FAIL);
  g_assert_cmpint (agl_lock_table_acquire (world.table, request, &lock, &waiter, NULL, NULL), ==,
                   AGL_OUTCOME_WAITING);
  agl_lock_table_settle (world.table);
  g_string_truncate (world.log, 0);
  world.outsider = &b;
  release (&world, 2);
  assert_told (&world, "released 2 released waiters=1\nended 2 by Deadlock\nqueue\n");
}

/* The unregistered agent itself comes to wait for him who waits for it. */
static void
test_an_outsider_closes_no_circle (void)
{
  g_auto (World) world = { 0 };
  g_autoptr (AglRequest) request = make_request ("/9", &a, 1000, X, AGL_CONFLICT_WAIT);
  AglLock *lock;
  AglWaiter *waiter;

  world_init (&world);
  request->detect_agents = TRUE;
  assert_granted (&world, "/1", &a, X, AGL_CONFLICT_FAIL);
  world.outsider = &b;
  g_assert_cmpint (agl_lock_table_acquire (world.table, request, &lock, &waiter, NULL, NULL), ==,
                   AGL_OUTCOME_WAITING);
  assert_refused (&world, "/1", &b, X, AGL_CONFLICT_WAIT, AGL_ERROR_DEADLOCK);
  assert_waits (&world, "/1", &c, X);
}

/* An unregistered agent who comes to wait for the directory in which he is waited for takes his turn: whoever
 * waits for him to go does so no more. */
static void
test_an_outsider_takes_his_turn (void)
{
  g_auto (World) world = { 0 };
  g_autoptr (AglRequest) request = make_request ("/9", &a, 1000, X, AGL_CONFLICT_WAIT);
  AglLock *lock;
  AglWaiter *waiter;

  world_init (&world);
  request->detect_agents = TRUE;
  world.outsider = &b;
  g_assert_cmpint (agl_lock_table_acquire (world.table, request, &lock, &waiter, NULL, NULL), ==,
                   AGL_OUTCOME_WAITING);
  assert_refused (&world, "/9", &b, X, AGL_CONFLICT_FAIL, AGL_ERROR_HELD);
  assert_told (&world, "queue\n");
  assert_waits (&world, "/9", &b, X);
  world.outsider = NULL; /* as the keeper has it now */
  assert_told (&world, "ended 1 with 1\nacquired 1 waiters=1\n");
  release (&world, 1);
  assert_told (&world, "released 1 released waiters=1\nended 2 with 2\nacquired 2\nqueue\n");
}

/* --- unregistered agents --- */

static void
test_outsiders (void)
{
  g_auto (World) world = { 0 };
  g_autoptr (AglRequest) request = make_request ("/1", &a, 1000, X, AGL_CONFLICT_FAIL);
  AglLock *lock;
  AglWaiter *waiter;

  world_init (&world);
  world.outsider = &e;
  request->detect_agents = TRUE;
  g_assert_cmpint (agl_lock_table_acquire (world.table, request, &lock, &waiter, NULL, NULL), ==,
                   AGL_OUTCOME_REFUSED);
  request->conflict = AGL_CONFLICT_WAIT;
  g_assert_cmpint (agl_lock_table_acquire (world.table, request, &lock, &waiter, NULL, NULL), ==,
                   AGL_OUTCOME_WAITING);
  assert_told (&world, "queue\n");
  g_assert_cmpuint (agl_waiter_get_blockers (waiter)->outsiders->len, ==, 1);
  /* Those who do not look go by, as long as they do not stand behind it. */
  assert_refused (&world, "/1", &b, S, AGL_CONFLICT_FAIL, AGL_ERROR_HELD);
  assert_told (&world, "");
  world.outsider = NULL;
  assert_told (&world, "ended 1 with 1\nacquired 1\nqueue\n");

  /* It is not asked for at all by a shared request, by one that goes ahead, or by one that has its lock. */
  world.outsider = &e;
  world.n_looks = 0;
  request->conflict = AGL_CONFLICT_FAIL;
  g_assert_cmpint (agl_lock_table_acquire (world.table, request, &lock, &waiter, NULL, NULL), ==,
                   AGL_OUTCOME_GRANTED);
  request->mode = S;
  g_assert_cmpint (agl_lock_table_acquire (world.table, request, &lock, &waiter, NULL, NULL), ==,
                   AGL_OUTCOME_GRANTED);
  request->mode = X;
  request->conflict = AGL_CONFLICT_JOIN;
  g_assert_cmpint (agl_lock_table_acquire (world.table, request, &lock, &waiter, NULL, NULL), ==,
                   AGL_OUTCOME_GRANTED);
  g_assert_cmpuint (world.n_looks, ==, 0);
}

/* Only proof grants: who cannot tell who is there lets nobody in. */
static void
test_not_to_be_told (void)
{
  g_auto (World) world = { 0 };
  g_autoptr (AglRequest) request = make_request ("/1", &a, 1000, X, AGL_CONFLICT_FAIL);
  g_autoptr (AglRequest) later = make_request ("/1", &b, 1000, X, AGL_CONFLICT_WAIT);
  g_auto (AglBlockers) blockers = { 0 };
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) question = NULL;
  AglLock *lock;
  AglWaiter *waiter;

  world_init (&world);
  request->detect_agents = TRUE;
  later->detect_agents = TRUE;
  world.blind = TRUE;
  g_assert_cmpint (agl_lock_table_acquire (world.table, request, &lock, &waiter, NULL, &error), ==,
                   AGL_OUTCOME_REFUSED);
  g_assert_error (error, AGL_ERROR, AGL_ERROR_UNAVAILABLE);
  g_assert_false (agl_lock_table_find_blockers (world.table, request, &blockers, &question));
  g_assert_error (question, AGL_ERROR, AGL_ERROR_UNAVAILABLE);
  assert_told (&world, "");
  g_assert_cmpuint (agl_lock_table_count (world.table), ==, 0);

  /* Nor when one's turn has come. */
  world.blind = FALSE;
  g_assert_cmpint (agl_lock_table_acquire (world.table, request, &lock, &waiter, NULL, NULL), ==,
                   AGL_OUTCOME_GRANTED);
  g_assert_cmpint (agl_lock_table_acquire (world.table, later, &lock, &waiter, NULL, NULL), ==,
                   AGL_OUTCOME_WAITING);
  assert_told (&world, "acquired 1 waiters=1\nqueue\n");
  world.blind = TRUE;
  agl_lock_table_release (world.table, agl_lock_table_lookup (world.table, 1), AGL_RELEASE_RELEASED);
  assert_told (&world, "released 1 released waiters=1\nended 1 by Unavailable\nqueue\n");
  g_assert_cmpuint (agl_lock_table_count (world.table), ==, 0);
}

int
main (int argc, char **argv)
{
  Holder *all[] = { &a, &b, &c, &d, &e };
  int result;

  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (all); i++)
    holder_start (all[i]);
  g_test_add_func ("/lock-queue/first-come-first-served", test_first_come_first_served);
  g_test_add_func ("/lock-queue/subtree-in-the-queue", test_subtree_in_the_queue);
  g_test_add_func ("/lock-queue/a-dropped-waiter-lets-the-next-one-in",
                   test_a_dropped_waiter_lets_the_next_one_in);
  g_test_add_func ("/lock-queue/a-grant-never-goes-to-nobody", test_a_grant_never_goes_to_nobody);
  g_test_add_func ("/lock-queue/a-turn-that-is-put-off", test_a_turn_that_is_put_off);
  g_test_add_func ("/lock-queue/two-hundred-in-order", test_two_hundred_in_order);
  g_test_add_func ("/lock-queue/a-ring-of-five", test_a_ring_of_five);
  g_test_add_func ("/lock-queue/no-circle-by-going-ahead", test_no_circle_by_going_ahead);
  g_test_add_func ("/lock-queue/no-circle-by-conversion", test_no_circle_by_conversion);
  g_test_add_func ("/lock-queue/a-circle-by-a-move", test_a_circle_by_a_move);
  g_test_add_func ("/lock-queue/a-circle-by-a-proof", test_a_circle_by_a_proof);
  g_test_add_func ("/lock-queue/a-circle-by-a-saved-lock", test_a_circle_by_a_saved_lock);
  g_test_add_func ("/lock-queue/no-circle-through-an-outsider", test_no_circle_through_an_outsider);
  g_test_add_func ("/lock-queue/an-outsider-closes-no-circle", test_an_outsider_closes_no_circle);
  g_test_add_func ("/lock-queue/an-outsider-takes-his-turn", test_an_outsider_takes_his_turn);
  g_test_add_func ("/lock-queue/outsiders", test_outsiders);
  g_test_add_func ("/lock-queue/not-to-be-told", test_not_to_be_told);
  result = g_test_run ();
  for (guint i = 0; i < G_N_ELEMENTS (all); i++)
    holder_end (all[i]);
  return result;
}
