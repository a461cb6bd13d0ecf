/* SPDX-License-Identifier: MIT */
#include "core/lock-table.h"

#include "common/error.h"
#include "table-world.h"

/* One lock is held, another asked for: exclusive and shared, plain and subtree, in the same directory, above,
 * below and beside, by the same holder, by another one of the same user, and by another user's. What comes of
 * it stands in the tables below, which were written by hand. */

#define X  AGL_MODE_EXCLUSIVE
#define S  AGL_MODE_SHARED
#define XT AGL_MODE_SUBTREE
#define ST (AGL_MODE_SHARED | AGL_MODE_SUBTREE)

/* What is wanted, as seen from what is held at "/1/2". */
static const char *const places[] = { "/1/2", "/1", "/1/2/3", "/1/4" };
enum
{
  SAME,
  ANCESTOR,
  DESCENDANT,
  SIBLING,
  N_PLACES
};

/* Another holder's: '.' go ahead, '#' in the way. */
static const struct
{
  AglMode held, wanted;
  const char *places; /* same, ancestor, descendant, sibling */
} others[] = {
  /* held     wanted  =^v|  */
  { X, X, "#..." },   /* the same directory only */
  { X, S, "#..." },   /* */
  { X, XT, "##.." },  /* a subtree above meets it */
  { X, ST, "##.." },  /* */
  { S, X, "#..." },   /* */
  { S, S, "...." },   /* shared with shared */
  { S, XT, "##.." },  /* */
  { S, ST, "...." },  /* */
  { XT, X, "#.#." },  /* a held subtree meets what is below */
  { XT, S, "#.#." },  /* */
  { XT, XT, "###." }, /* */
  { XT, ST, "###." }, /* */
  { ST, X, "#.#." },  /* */
  { ST, S, "...." },  /* */
  { ST, XT, "###." }, /* */
  { ST, ST, "...." }, /* */
};

/* The holder's own, in the same directory: its one lock ends up in the mode asked for last. Elsewhere it gets
 * a second lock. It is never in its own way. */

typedef enum
{
  SAME_HOLDER,
  OTHER_HOLDER,
  OTHER_USER,
  MANUAL,      /* a claim of the same user, which is nobody's own */
  HELD_MANUAL, /* the same the other way round */
  N_RELATIONS
} Relation;

static Holder first, second;

static AglRequest *
make_wanted (Relation relation, const char *path, AglMode mode, AglConflict conflict)
{
  switch (relation)
    {
    case SAME_HOLDER:
      return make_request (path, &first, 1000, mode, conflict);
    case OTHER_HOLDER:
    case HELD_MANUAL:
      return make_request (path, &second, 1000, mode, conflict);
    case OTHER_USER:
      return make_request (path, &second, 1001, mode, conflict);
    case MANUAL:
      return make_request (path, NULL, 1000, mode, conflict);
    case N_RELATIONS:
      break;
    }
  g_assert_not_reached ();
}

static AglLock *
hold (World *world, AglMode mode, Relation relation)
{
  Holder *holder = relation == HELD_MANUAL ? NULL : &first;
  g_autoptr (AglRequest) request = make_request ("/1/2", holder, 1000, mode, AGL_CONFLICT_FAIL);
  g_autoptr (GError) error = NULL;
  AglLock *lock;
  AglWaiter *waiter;

  g_assert_cmpint (agl_lock_table_acquire (world->table, request, &lock, &waiter, NULL, &error), ==,
                   AGL_OUTCOME_GRANTED);
  g_assert_no_error (error);
  assert_told (world, "acquired 1\n");
  return lock;
}

static void
check_own (AglMode held, AglMode wanted, int place)
{
  g_auto (World) world = { 0 };
  g_autoptr (AglRequest) request = make_wanted (SAME_HOLDER, places[place], wanted, AGL_CONFLICT_FAIL);
  AglLock *own, *lock;
  AglWaiter *waiter;
  gboolean created;

  world_init (&world);
  own = hold (&world, held, SAME_HOLDER);
  g_assert_cmpint (agl_lock_table_acquire (world.table, request, &lock, &waiter, &created, NULL), ==,
                   AGL_OUTCOME_GRANTED);
  g_assert_cmpuint (lock->mode, ==, wanted);
  if (place == SAME)
    {
      g_assert_true (lock == own);
      g_assert_false (created);
      g_assert_cmpuint (agl_lock_table_count (world.table), ==, 1);
      assert_told (&world, held == wanted ? "" : "changed 1 mode\n");
    }
  else
    {
      g_assert_true (created);
      g_assert_cmpuint (own->mode, ==, held);
      g_assert_cmpuint (agl_lock_table_count (world.table), ==, 2);
      assert_told (&world, "acquired 2\n");
    }
}

static void
check_fail (AglMode held, AglMode wanted, int place, Relation relation, gboolean is_free)
{
  g_auto (World) world = { 0 };
  g_autoptr (AglRequest) request = make_wanted (relation, places[place], wanted, AGL_CONFLICT_FAIL);
  g_auto (AglBlockers) blockers = { 0 };
  g_autoptr (GError) error = NULL;
  AglLock *own, *lock;
  AglWaiter *waiter;

  world_init (&world);
  own = hold (&world, held, relation);
  g_assert_true (agl_lock_table_find_blockers (world.table, request, &blockers, NULL));
  g_assert_cmpint (agl_blockers_are_none (&blockers), ==, is_free);
  g_assert_cmpuint (blockers.locks->len, ==, is_free ? 0 : 1);
  g_assert_cmpint (agl_lock_table_acquire (world.table, request, &lock, &waiter, NULL, &error), ==,
                   is_free ? AGL_OUTCOME_GRANTED : AGL_OUTCOME_REFUSED);
  if (is_free)
    {
      g_assert_no_error (error);
      assert_told (&world, "acquired 2\n");
      return;
    }
  g_assert_error (error, AGL_ERROR, AGL_ERROR_HELD);
  g_assert_true (g_ptr_array_index (blockers.locks, 0) == own);
  g_assert_null (lock);
  g_assert_cmpuint (agl_lock_table_count (world.table), ==, 1);
  assert_told (&world, "");
}

static void
check_wait (AglMode held, AglMode wanted, int place, Relation relation, gboolean is_free)
{
  g_auto (World) world = { 0 };
  g_autoptr (AglRequest) request = make_wanted (relation, places[place], wanted, AGL_CONFLICT_WAIT);
  AglLock *own, *lock;
  AglWaiter *waiter;

  world_init (&world);
  own = hold (&world, held, relation);
  g_assert_cmpint (agl_lock_table_acquire (world.table, request, &lock, &waiter, NULL, NULL), ==,
                   is_free ? AGL_OUTCOME_GRANTED : AGL_OUTCOME_WAITING);
  if (is_free)
    return;
  assert_told (&world, "changed 1 waiters\nqueue\n");
  g_assert_cmpuint (own->n_waiters, ==, 1);
  agl_lock_table_release (world.table, own, AGL_RELEASE_RELEASED);
  assert_told (&world, "released 1 released waiters=1\nended 1 with 2\nacquired 2\nqueue\n");
}

static void
check_override (AglMode held, AglMode wanted, int place, Relation relation, gboolean is_free, gboolean steals)
{
  g_auto (World) world = { 0 };
  g_autoptr (AglRequest) request =
      make_wanted (relation, places[place], wanted, steals ? AGL_CONFLICT_STEAL : AGL_CONFLICT_JOIN);
  g_autoptr (GError) error = NULL;
  AglLock *lock;
  AglWaiter *waiter;

  world_init (&world);
  hold (&world, held, relation);
  if (!is_free && relation == OTHER_USER)
    {
      g_assert_cmpint (agl_lock_table_acquire (world.table, request, &lock, &waiter, NULL, &error), ==,
                       AGL_OUTCOME_REFUSED);
      g_assert_error (error, AGL_ERROR, AGL_ERROR_NOT_PERMITTED);
      assert_told (&world, "");
      request->asker.privileged = TRUE;
    }
  g_assert_cmpint (agl_lock_table_acquire (world.table, request, &lock, &waiter, NULL, NULL), ==,
                   AGL_OUTCOME_GRANTED);
  g_assert_cmpuint (agl_lock_table_count (world.table), ==, steals && !is_free ? 1 : 2);
  assert_told (&world, steals && !is_free ? "released 1 stolen\nacquired 2\n" : "acquired 2\n");
}

static void
test_matrix (void)
{
  guint n_cells = 0;

  holder_start (&first);
  holder_start (&second);
  for (guint i = 0; i < G_N_ELEMENTS (others); i++)
    {
      for (int place = 0; place < N_PLACES; place++)
        {
          gboolean is_free = others[i].places[place] == '.';

          check_own (others[i].held, others[i].wanted, place);
          n_cells++;
          for (int relation = OTHER_HOLDER; relation < N_RELATIONS; relation++)
            {
              check_fail (others[i].held, others[i].wanted, place, relation, is_free);
              check_wait (others[i].held, others[i].wanted, place, relation, is_free);
              check_override (others[i].held, others[i].wanted, place, relation, is_free, FALSE);
              check_override (others[i].held, others[i].wanted, place, relation, is_free, TRUE);
              n_cells++;
            }
        }
    }
  g_assert_cmpuint (n_cells, ==, 16 * N_PLACES * N_RELATIONS);
  holder_end (&first);
  holder_end (&second);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/conflict-matrix", test_matrix);
  return g_test_run ();
}
