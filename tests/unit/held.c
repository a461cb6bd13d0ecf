/* SPDX-License-Identifier: MIT */
#include "core/held.h"

#include "core/rules.h"
#include "table-script.h"

#define NEXT "; wait with conflict=wait, work beside it with conflict=join, or see agentctl-locks list"
/* To somebody who may not work beside it. */
#define NO_JOIN "; wait with conflict=wait, or see agentctl-locks list"

static Holder holder;

/* The clock of what is tested, in the place of GLib's: it stands still, so that a lock does not get older. */
gint64
g_get_real_time (void)
{
  return 1700000000 * (gint64)G_USEC_PER_SEC;
}

/* What is held: by @uid since 3 min 5 s, by a process that is called @command. */
static AglLock *
make_lock (const char *path, const char *command, uid_t uid, const char *reason)
{
  g_autoptr (AglRequest) request = make_request ("/1", &holder, uid, AGL_MODE_EXCLUSIVE, AGL_CONFLICT_FAIL);
  AglLock *lock = agl_request_draft (request);
  const AglDirectoryId id = { 1, 1 };

  agl_directory_unref (lock->directory);
  lock->directory = agl_directory_new_saved (&id, NULL, path, FALSE, NULL, 0);
  lock->id = 12;
  lock->acquired_at_usec = g_get_real_time () - 185 * G_USEC_PER_SEC - G_USEC_PER_SEC / 2;
  lock->command = g_strdup (command);
  g_clear_pointer (&lock->holder, agl_process_unref); /* whose name would be asked for */
  lock->texts.reason = g_strdup (reason);
  return lock;
}

static void
blockers_init (AglBlockers *blockers)
{
  blockers->locks = g_ptr_array_new_with_free_func ((GDestroyNotify)agl_lock_unref);
  blockers->waiters = g_ptr_array_new ();
  blockers->outsiders = g_ptr_array_new_with_free_func ((GDestroyNotify)agl_outsider_unref);
}

/* With %s for the time of day since when, and %d for the pid. */
static void
assert_message (const AglRequest *request, AglBlockers *blockers, const char *format)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GDateTime) since = NULL;
  g_autofree char *time = NULL, *expected = NULL;
  g_auto (GStrv) parts = NULL;
  g_autofree char *pid = g_strdup_printf ("%d", (int)holder.pid);

  if (blockers->locks->len > 0)
    {
      const AglLock *lock = g_ptr_array_index (blockers->locks, 0);

      since = g_date_time_new_from_unix_local (lock->acquired_at_usec / G_USEC_PER_SEC);
      time = g_date_time_format (since, "%Y-%m-%d %H:%M:%S");
      parts = g_strsplit (format, "TIME", 2);
      format = expected = g_strjoinv (time, parts);
    }
  g_strfreev (g_steal_pointer (&parts));
  parts = g_strsplit (format, "PID", 2);
  g_free (expected);
  expected = g_strjoinv (pid, parts);

  agl_set_held_error (&error, request, blockers);
  g_assert_error (error, AGL_ERROR, AGL_ERROR_HELD);
  g_assert_cmpstr (error->message, ==, expected);
}

static void
test_a_lock (void)
{
  g_autoptr (AglRequest) request = make_request ("/1", NULL, 0, AGL_MODE_EXCLUSIVE, AGL_CONFLICT_FAIL);
  g_auto (AglBlockers) blockers = { 0 };

  blockers_init (&blockers);
  g_ptr_array_add (blockers.locks, make_lock ("/home/u/proj", "claude", 0, "refactor"));
  assert_message (request, &blockers,
                  "\"/home/u/proj\" is held by claude (pid PID, user root) since TIME, for 3 min 5 s, "
                  "reason \"refactor\"" NEXT);

  g_ptr_array_add (blockers.locks, make_lock ("/x", "y", 0, NULL));
  assert_message (request, &blockers,
                  "\"/home/u/proj\" is held by claude (pid PID, user root) since TIME, for 3 min 5 s, "
                  "reason \"refactor\", and 1 more is in the way" NEXT);
}

static void
test_the_reason_is_not_for_everybody (void)
{
  g_autoptr (AglRequest) request = make_request ("/1", NULL, 1000, AGL_MODE_EXCLUSIVE, AGL_CONFLICT_FAIL);
  g_auto (AglBlockers) blockers = { 0 };

  blockers_init (&blockers);
  g_ptr_array_add (blockers.locks, make_lock ("/p", "claude", 0, "secret"));
  assert_message (request, &blockers,
                  "\"/p\" is held by claude (pid PID, user root) since TIME, for 3 min 5 s" NO_JOIN);
  request->asker.privileged = TRUE;
  assert_message (
      request, &blockers,
      "\"/p\" is held by claude (pid PID, user root) since TIME, for 3 min 5 s, reason \"secret\"" NEXT);
}

static void
test_text_from_outside_is_escaped (void)
{
  g_autoptr (AglRequest) request = make_request ("/1", NULL, 0, AGL_MODE_EXCLUSIVE, AGL_CONFLICT_FAIL);
  g_auto (AglBlockers) blockers = { 0 };

  blockers_init (&blockers);
  g_ptr_array_add (blockers.locks, make_lock ("/a\n\033[31m\xff", "", 4294967290u, "x\ny"));
  request->asker.uid = 4294967290u;
  assert_message (request, &blockers,
                  "\"/a\\n\\x1b[31m\\xff\" is held by a process (pid PID, user UID 4294967290) since TIME, "
                  "for 3 min 5 s, reason \"x\\ny\"" NEXT);
}

static void
test_modes_and_claims (void)
{
  g_autoptr (AglRequest) request = make_request ("/1", NULL, 1000, AGL_MODE_EXCLUSIVE, AGL_CONFLICT_FAIL);
  g_auto (AglBlockers) blockers = { 0 };
  AglLock *lock = make_lock ("/p", "", 0, NULL);

  blockers_init (&blockers);
  g_ptr_array_add (blockers.locks, lock);
  lock->mode = AGL_MODE_SHARED | AGL_MODE_SUBTREE;
  lock->manual = TRUE;
  lock->acquired_at_usec = g_get_real_time () - (gint64)((25 * 60 + 3) * 60 + 30) * G_USEC_PER_SEC;
  assert_message (request, &blockers,
                  "\"/p\" is held by a manual lock of user root (shared, with everything below) since TIME, "
                  "for 1 d 1 h" NO_JOIN);
}

/* A holder may have become another program since it took the lock. */
static void
test_the_name_of_now (void)
{
  g_autoptr (AglRequest) request = make_request ("/1", NULL, 1000, AGL_MODE_EXCLUSIVE, AGL_CONFLICT_FAIL);
  g_auto (AglBlockers) blockers = { 0 };
  g_autofree char *now = agl_process_dup_command (holder.process);
  g_autofree char *expected =
      g_strdup_printf ("\"/p\" is held by %s (pid PID, user root) since TIME, for 3 min 5 s" NO_JOIN, now);
  AglLock *lock = make_lock ("/p", "what-it-was", 0, NULL);

  blockers_init (&blockers);
  g_ptr_array_add (blockers.locks, lock);
  lock->holder = agl_process_ref (holder.process);
  assert_message (request, &blockers, expected);
}

static void
test_an_unregistered_agent (void)
{
  g_autoptr (AglRequest) request = make_request ("/1", NULL, 1000, AGL_MODE_EXCLUSIVE, AGL_CONFLICT_FAIL);
  g_auto (AglBlockers) blockers = { 0 };

  blockers_init (&blockers);
  g_ptr_array_add (blockers.outsiders, agl_outsider_new (holder.process, 0, "node", "claude"));
  assert_message (request, &blockers,
                  "\"/1\" is in use by the unregistered agent claude, node (pid PID, user root); wait with "
                  "conflict=wait, work beside it with conflict=join, or see agentctl-locks check \"/1\"");
}

/* No advice that would be refused, or that a shell would take for something else. */
static void
test_what_to_do_next (void)
{
  g_autoptr (AglRequest) request = make_request ("/1", NULL, 0, AGL_MODE_EXCLUSIVE, AGL_CONFLICT_WAIT);
  const AglDirectoryId id = { 1, 1 };
  const struct
  {
    const char *path, *out;
    gboolean with_lock;
    uid_t lock_uid;
  } cases[] = {
    { "/a b", "wait longer, work beside it with conflict=join, or see agentctl-locks check \"/a b\"", FALSE,
      0 },
    { "/$(x)", "wait longer, work beside it with conflict=join, or see agentctl-locks check DIR", FALSE, 0 },
    { "/\n", "wait longer, work beside it with conflict=join, or see agentctl-locks check DIR", FALSE, 0 },
    { "/1", "wait longer, work beside it with conflict=join, or see agentctl-locks check \"/1\"", TRUE, 0 },
    { "/1", "wait longer, or see agentctl-locks check \"/1\"", TRUE, 1000 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_auto (AglBlockers) blockers = { 0 };
      g_autoptr (GError) error = NULL;

      blockers_init (&blockers);
      agl_directory_unref (request->directory);
      request->directory = agl_directory_new_saved (&id, NULL, cases[i].path, FALSE, NULL, 0);
      /* An agent of whatever user is nobody to be refused for. */
      g_ptr_array_add (blockers.outsiders, agl_outsider_new (holder.process, 1000, "node", "claude"));
      if (cases[i].with_lock)
        g_ptr_array_add (blockers.locks, make_lock ("/1", "codex", cases[i].lock_uid, NULL));
      agl_set_held_error (&error, request, &blockers);
      g_assert_true (g_str_has_suffix (error->message, cases[i].out));
    }
}

static void
test_a_waiter (void)
{
  g_auto (World) world = { 0 };
  g_autoptr (AglRequest) request = make_request ("/1", NULL, 0, AGL_MODE_SHARED, AGL_CONFLICT_FAIL);
  g_auto (AglBlockers) blockers = { 0 };
  g_autoptr (AglRequest) first = make_request ("/1", &holder, 0, AGL_MODE_EXCLUSIVE, AGL_CONFLICT_WAIT);
  AglLock *lock;
  AglWaiter *waiter;
  g_autofree char *command = agl_process_dup_command (holder.process);
  g_autofree char *expected = g_strdup_printf ("\"/1\" is waited for by %s (pid PID, user root), who came "
                                               "first" NEXT,
                                               command);

  world_init (&world);
  g_assert_cmpint (ask (&world, "/1", NULL, AGL_MODE_SHARED, AGL_CONFLICT_FAIL, NULL), ==,
                   AGL_OUTCOME_GRANTED);
  g_assert_cmpint (agl_lock_table_acquire (world.table, first, &lock, &waiter, NULL, NULL), ==,
                   AGL_OUTCOME_WAITING);
  g_assert_true (agl_lock_table_find_blockers (world.table, request, &blockers, NULL));
  g_assert_false (agl_blockers_are_none (&blockers));
  g_assert_cmpuint (blockers.locks->len, ==, 0);
  assert_message (request, &blockers, expected);

  /* To go ahead of another user's is not for everybody. */
  request->asker.uid = 1000;
  g_free (expected);
  expected =
      g_strdup_printf ("\"/1\" is waited for by %s (pid PID, user root), who came first" NO_JOIN, command);
  assert_message (request, &blockers, expected);
}

static void
test_other_refusals (void)
{
  g_autoptr (AglRequest) request = make_request ("/1", NULL, 1000, AGL_MODE_EXCLUSIVE, AGL_CONFLICT_STEAL);
  g_autoptr (AglLock) lock = make_lock ("/p", "claude", 0, "secret");
  g_autoptr (AglLock) other = make_lock ("/p", "codex", 0, "secret");
  g_autoptr (GError) error = NULL;

  agl_set_not_yours_error (&error, request, lock);
  g_assert_error (error, AGL_ERROR, AGL_ERROR_NOT_PERMITTED);
  g_assert_nonnull (strstr (error->message, "\"/p\" is held by claude (pid "));
  g_assert_nonnull (strstr (error->message, "conflict=steal needs the same user or privilege"));
  g_assert_null (strstr (error->message, "secret"));
  g_clear_error (&error);

  other->id = 13;
  agl_set_transfer_held_error (&error, lock, other);
  g_assert_error (error, AGL_ERROR, AGL_ERROR_HELD);
  g_assert_nonnull (strstr (error->message, "codex"));
  g_assert_nonnull (strstr (error->message, "as lock 13, in the way of handing lock 12 over"));
  g_assert_null (strstr (error->message, "secret"));
}

/* Users have names in every refusal. */
static void
test_limits (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (agl_rules_allow_lock (0, 3, 3, &error));
  g_assert_cmpstr (
      error->message, ==,
      "User root holds 3 locks and may hold no more than 3 (MaxLocksPerUser); release some first");
  g_clear_error (&error);
  g_assert_false (agl_rules_allow_waiter (0, 2, 2, &error));
  g_assert_nonnull (strstr (error->message, "2 requests of user root are waiting and no more than 2 may"));
}

static void
test_a_circle_through_a_claim (void)
{
  g_auto (World) world = { 0 };
  g_autoptr (AglRequest) claim = make_request ("/1", NULL, 0, AGL_MODE_SUBTREE, AGL_CONFLICT_WAIT);
  g_autoptr (AglRequest) last = make_request ("/2", &holder, 0, AGL_MODE_EXCLUSIVE, AGL_CONFLICT_WAIT);
  g_autoptr (GError) error = NULL;
  Holder other;
  AglLock *lock;
  AglWaiter *waiter;

  holder_start (&other);
  world_init (&world);
  assert_granted (&world, "/1/3", &holder, AGL_MODE_EXCLUSIVE, AGL_CONFLICT_FAIL);
  assert_granted (&world, "/2", &other, AGL_MODE_EXCLUSIVE, AGL_CONFLICT_FAIL);
  g_assert_cmpint (agl_lock_table_acquire (world.table, claim, &lock, &waiter, NULL, NULL), ==,
                   AGL_OUTCOME_WAITING);
  assert_waits (&world, "/1", &other, AGL_MODE_EXCLUSIVE);
  g_assert_cmpint (agl_lock_table_acquire (world.table, last, &lock, &waiter, NULL, &error), ==,
                   AGL_OUTCOME_REFUSED);
  g_assert_error (error, AGL_ERROR, AGL_ERROR_DEADLOCK);
  g_assert_nonnull (strstr (error->message, "for \"/1\" on a manual claim of user root"));
  holder_end (&other);
}

int
main (int argc, char **argv)
{
  int result;

  g_test_init (&argc, &argv, NULL);
  holder_start (&holder);
  g_test_add_func ("/held/a-lock", test_a_lock);
  g_test_add_func ("/held/the-reason-is-not-for-everybody", test_the_reason_is_not_for_everybody);
  g_test_add_func ("/held/text-from-outside-is-escaped", test_text_from_outside_is_escaped);
  g_test_add_func ("/held/modes-and-claims", test_modes_and_claims);
  g_test_add_func ("/held/the-name-of-now", test_the_name_of_now);
  g_test_add_func ("/held/an-unregistered-agent", test_an_unregistered_agent);
  g_test_add_func ("/held/what-to-do-next", test_what_to_do_next);
  g_test_add_func ("/held/a-waiter", test_a_waiter);
  g_test_add_func ("/held/other-refusals", test_other_refusals);
  g_test_add_func ("/held/limits", test_limits);
  g_test_add_func ("/held/a-circle-through-a-claim", test_a_circle_through_a_claim);
  result = g_test_run ();
  holder_end (&holder);
  return result;
}
