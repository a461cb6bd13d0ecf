/* SPDX-License-Identifier: MIT */
#include "core/keeper.h"

#include <errno.h>
#include <pthread.h>
#include <sys/ptrace.h>

#include "children.h"
#include "places.h"
#include "sample-lock.h"
#include "shim.h"
#include "store-fixture.h"

/* A keeper over a real store, with real children as holders; what it tells is written down as it comes. */
typedef struct
{
  StoreFixture *stored;
  AglWorker *worker;
  AglKeeper *keeper;
  char *inside, *outside; /* directories */
  GString *told;          /* "acquired 1; released 1 exited; " */
  GPtrArray *children;    /* pids */
  gboolean is_mute;       /* killed before anybody hears it */
} World;

static World *world; /* of the test that runs */

static void
on_acquired (AglLock *lock, gpointer user_data)
{
  g_string_append_printf (world->told, "acquired %" G_GUINT64_FORMAT "; ", lock->id);
  if (!world->is_mute)
    agl_told_set_acquired (agl_lock_store_get_told (world->stored->store), lock->id);
}

static void
on_released (AglLock *lock, AglReleaseReason reason, gpointer user_data)
{
  g_string_append_printf (world->told, "released %" G_GUINT64_FORMAT " %s; ", lock->id,
                          agl_release_reason_to_string (reason));
  agl_keeper_announced (world->keeper, lock->id);
}

static void
on_changed (AglLock *lock, AglChange what, gpointer user_data)
{
  if ((what & AGL_CHANGED_CWD) != 0)
    g_string_append_printf (world->told, "cwd %" G_GUINT64_FORMAT " %s; ", lock->id,
                            agl_cwd_to_string (lock->cwd));
  if ((what & AGL_CHANGED_DIRECTORY) != 0)
    g_string_append_printf (world->told, "moved %" G_GUINT64_FORMAT "; ", lock->id);
}

static void
on_counts (gpointer user_data)
{
}

static void
start_keeper (guint grace_msec)
{
  static const AglKeeperHooks hooks = { on_acquired, on_released, on_changed, on_counts };
  const AglKeeperSettings settings = { 10, grace_msec, 100, 10 };
  g_autoptr (GError) error = NULL;

  world->worker = agl_worker_new (NULL);
  world->keeper = agl_keeper_new (world->stored->store, world->worker, &hooks, NULL, &error);
  g_assert_no_error (error);
  agl_keeper_configure (world->keeper, &settings);
  agl_keeper_restore (world->keeper, &error);
  g_assert_no_error (error);
}

static void
stop_keeper (void)
{
  agl_keeper_stop (world->keeper);
  g_clear_pointer (&world->keeper, agl_keeper_free);
  g_clear_pointer (&world->worker, agl_worker_free);
}

static void
restart_keeper (void)
{
  stop_keeper ();
  store_fixture_crash (world->stored);
  g_string_truncate (world->told, 0);
  start_keeper (60000);
}

static void
set_up (StoreFixture *stored, guint grace_msec)
{
  world = g_new0 (World, 1);
  world->stored = stored;
  world->inside = make_directory (stored->base, "inside");
  world->outside = make_directory (stored->base, "outside");
  world->told = g_string_new (NULL);
  world->children = g_ptr_array_new ();
  start_keeper (grace_msec);
}

static void
tear_down (void)
{
  agl_faults_set (NULL);
  stop_keeper ();
  for (guint i = 0; i < world->children->len; i++)
    kill_and_reap (GPOINTER_TO_INT (g_ptr_array_index (world->children, i)));
  g_ptr_array_unref (world->children);
  g_string_free (world->told, TRUE);
  g_free (world->inside);
  g_free (world->outside);
  g_clear_pointer (&world, g_free);
}

/* Waits for what was told to end like this, however long the machine takes. */
static void
wait_until_told (const char *end)
{
  gint64 limit = g_get_monotonic_time () + 30 * G_USEC_PER_SEC;

  while (!g_str_has_suffix (world->told->str, end) && g_get_monotonic_time () < limit)
    g_main_context_iteration (NULL, FALSE) ? (void)0 : g_usleep (500);
  g_assert_cmpstr (world->told->str + MAX (0, (int)world->told->len - (int)strlen (end)), ==, end);
}

/* --- holders --- */

static void
go_inside (int signal)
{
  if (chdir (world->inside) < 0)
    _exit (98);
}

static void
go_outside (int signal)
{
  if (chdir (world->outside) < 0)
    _exit (98);
}

static void
moving_child (int tell_fd)
{
  go_inside (0);
  signal (SIGUSR1, go_inside);
  signal (SIGUSR2, go_outside);
  tell (tell_fd, 0);
}

static pid_t
start_holder (void)
{
  pid_t pid = start_child (moving_child, NULL);

  g_ptr_array_add (world->children, GINT_TO_POINTER (pid));
  return pid;
}

static void
kill_holder (pid_t pid)
{
  g_assert_true (g_ptr_array_remove (world->children, GINT_TO_POINTER (pid)));
  kill_and_reap (pid);
}

/* --- requests --- */

static AglRequest *
request_for (pid_t pid, const char *path)
{
  AglRequest *request = agl_request_new ();

  request->directory = find (path);
  request->uid = geteuid ();
  request->asker.uid = geteuid ();
  request->timeout_msec = -1;
  request->client = world;
  if (pid != 0)
    {
      request->holder = agl_process_open (pid, NULL);
      g_assert_nonnull (request->holder);
    }
  request->follow_cwd = pid != 0;
  return request;
}

typedef struct
{
  guint n_answers;
  guint64 id;
  GError *error;
} Answer;

static void
answer_clear (Answer *answer)
{
  g_clear_error (&answer->error);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Answer, answer_clear)

static void
on_done (AglLock *lock, const GError *error, gpointer user_data)
{
  Answer *answer = user_data;

  answer->n_answers++;
  answer->id = lock != NULL ? lock->id : 0;
  answer->error = error != NULL ? g_error_copy (error) : NULL;
  g_string_append (world->told, lock != NULL ? "answered; " : "refused; ");
}

static void
ask (AglRequest *request, Answer *answer)
{
  agl_keeper_acquire (world->keeper, request, on_done, answer);
  agl_request_unref (request);
}

static guint64
acquire (pid_t pid, const char *path)
{
  g_auto (Answer) answer = { 0 };

  ask (request_for (pid, path), &answer);
  g_assert_no_error (answer.error);
  g_assert_cmpuint (answer.n_answers, ==, 1);
  g_assert_cmpuint (answer.id, !=, 0);
  return answer.id;
}

static void
wait_for (AglRequest *request, Answer *answer)
{
  request->conflict = AGL_CONFLICT_WAIT;
  ask (request, answer);
  g_assert_no_error (answer->error);
  g_assert_cmpuint (answer->n_answers, ==, 0);
}

static AglLock *
lookup (guint64 id)
{
  return agl_lock_table_lookup (agl_keeper_get_table (world->keeper), id);
}

/* --- tests --- */

static void
test_a_grant_is_on_disk_and_answered_before_it_is_told (StoreFixture *stored, gconstpointer unused)
{
  pid_t holder;

  set_up (stored, 60000);
  holder = start_holder ();
  g_assert_cmpuint (acquire (holder, world->inside), ==, 1);
  g_assert_cmpstr (world->told->str, ==, "answered; acquired 1; ");
  store_fixture_assert_loaded (stored, "1");
  tear_down ();
}

static void
test_a_grant_that_cannot_be_saved_is_none (StoreFixture *stored, gconstpointer unused)
{
  static const char *const faults[] = {
    "openat */locks/* * ENOSPC", "write */locks/* * ENOSPC",
    "write */locks/* * short;write */locks/* 2+ ENOSPC",
    "renameat */locks/* * EIO;rename */locks/* * EIO;renameat2 */locks/* * EIO"
  };
  pid_t holder;

  set_up (stored, 60000);
  holder = start_holder ();
  for (guint i = 0; i < G_N_ELEMENTS (faults); i++)
    {
      g_auto (Answer) answer = { 0 };

      agl_faults_set (faults[i]);
      ask (request_for (holder, world->inside), &answer);
      g_assert_cmpuint (agl_faults_count (), >, 0);
      agl_faults_set (NULL);
      g_assert_error (answer.error, AGL_ERROR, AGL_ERROR_UNAVAILABLE);
      g_assert_cmpuint (agl_lock_table_count (agl_keeper_get_table (world->keeper)), ==, 0);
      store_fixture_assert_loaded (stored, "");
    }
  /* And then the cause is gone. */
  acquire (holder, world->inside);
  tear_down ();
}

static void
test_death (StoreFixture *stored, gconstpointer unused)
{
  pid_t holder;

  set_up (stored, 60000);
  holder = start_holder ();
  acquire (holder, world->inside);
  acquire (holder, stored->base); /* below it is in it */
  kill_holder (holder);
  wait_until_told ("released 2 exited; ");
  g_assert_cmpstr (world->told->str, ==,
                   "answered; acquired 1; answered; acquired 2; released 1 exited; released 2 exited; ");
  store_fixture_assert_loaded (stored, "");
  tear_down ();
}

static void
test_a_death_that_cannot_be_saved_ends_it_all_the_same (StoreFixture *stored, gconstpointer unused)
{
  pid_t holder;

  set_up (stored, 60000);
  holder = start_holder ();
  acquire (holder, world->inside);
  agl_faults_set ("renameat */locks/* * EIO;rename */locks/* * EIO;renameat2 */locks/* * EIO");
  kill_holder (holder);
  wait_until_told ("released 1 exited; ");
  g_assert_cmpuint (sample_log_take (NULL), ==, 1);
  agl_faults_set (NULL);
  acquire (start_holder (), world->inside);
  tear_down ();
}

static void
test_a_release_that_cannot_be_saved_is_none (StoreFixture *stored, gconstpointer unused)
{
  g_autoptr (GError) error = NULL;
  guint64 id;

  set_up (stored, 60000);
  id = acquire (start_holder (), world->inside);
  agl_faults_set ("renameat */locks/* * EIO;rename */locks/* * EIO;renameat2 */locks/* * EIO");
  g_assert_false (agl_keeper_release (world->keeper, lookup (id), AGL_RELEASE_RELEASED, &error));
  g_assert_error (error, AGL_ERROR, AGL_ERROR_UNAVAILABLE);
  g_assert_nonnull (lookup (id));
  agl_faults_set (NULL);
  g_clear_error (&error);
  g_assert_true (agl_keeper_release (world->keeper, lookup (id), AGL_RELEASE_RELEASED, &error));
  g_assert_null (lookup (id));
  agl_keeper_settle (world->keeper);
  wait_until_told ("released 1 released; ");
  tear_down ();
}

static void
test_who_is_elsewhere_gets_nothing (StoreFixture *stored, gconstpointer unused)
{
  g_auto (Answer) answer = { 0 };
  pid_t holder;

  set_up (stored, 60000);
  holder = start_holder ();
  ask (request_for (holder, world->outside), &answer);
  g_assert_error (answer.error, AGL_ERROR, AGL_ERROR_NOT_IN_DIRECTORY);
  g_assert_nonnull (strstr (answer.error->message, world->inside));
  g_assert_cmpuint (agl_lock_table_count (agl_keeper_get_table (world->keeper)), ==, 0);
  tear_down ();
}

static void
test_the_dead_get_nothing (StoreFixture *stored, gconstpointer unused)
{
  g_auto (Answer) answer = { 0 };
  AglRequest *request;
  pid_t holder;

  set_up (stored, 60000);
  holder = start_holder ();
  request = request_for (holder, world->inside);
  kill_holder (holder);
  ask (request, &answer);
  g_assert_error (answer.error, AGL_ERROR, AGL_ERROR_NO_SUCH_PROCESS);
  g_assert_cmpuint (answer.n_answers, ==, 1);
  tear_down ();
}

static void
test_out_for_the_grace_time (StoreFixture *stored, gconstpointer unused)
{
  pid_t holder;

  set_up (stored, 50);
  holder = start_holder ();
  acquire (holder, world->inside);
  kill (holder, SIGUSR2);
  wait_until_told ("cwd 1 outside; released 1 left; ");
  tear_down ();
}

static void
test_out_and_back (StoreFixture *stored, gconstpointer unused)
{
  pid_t holder;

  set_up (stored, 60000);
  holder = start_holder ();
  acquire (holder, world->inside);
  kill (holder, SIGUSR2);
  wait_until_told ("cwd 1 outside; ");
  kill (holder, SIGUSR1);
  wait_until_told ("cwd 1 inside; ");
  g_assert_nonnull (lookup (1));
  tear_down ();
}

static void
test_renamed (StoreFixture *stored, gconstpointer unused)
{
  g_autofree char *elsewhere = NULL;

  set_up (stored, 60000);
  acquire (start_holder (), world->inside);
  elsewhere = g_build_filename (stored->base, "elsewhere", NULL);
  g_assert_cmpint (rename (world->inside, elsewhere), ==, 0);
  wait_until_told ("moved 1; ");
  g_assert_cmpstr (agl_directory_get_path (lookup (1)->directory), ==, elsewhere);
  g_assert_cmpint (rename (elsewhere, world->inside), ==, 0);
  wait_until_told ("moved 1; moved 1; ");
  tear_down ();
}

static void
test_removed (StoreFixture *stored, gconstpointer unused)
{
  g_autofree char *claimed = NULL, *held = NULL;
  AglRequest *request;
  g_auto (Answer) answer = { 0 };

  set_up (stored, 60000);
  claimed = make_directory (stored->base, "claimed");
  held = make_directory (stored->base, "held");
  acquire (0, claimed);
  request = request_for (start_holder (), held);
  request->follow_cwd = FALSE;
  ask (request, &answer);
  g_assert_cmpuint (answer.id, ==, 2);
  g_assert_cmpint (rmdir (claimed), ==, 0);
  wait_until_told ("released 1 removed; ");
  g_assert_cmpint (rmdir (held), ==, 0);
  wait_until_told ("released 2 removed; ");
  tear_down ();
}

static void
test_claimed_for_a_time (StoreFixture *stored, gconstpointer unused)
{
  g_auto (Answer) answer = { 0 };
  AglRequest *request;

  set_up (stored, 60000);
  request = request_for (0, world->inside);
  request->ttl_sec = 1;
  ask (request, &answer);
  g_assert_cmpuint (answer.id, ==, 1);
  g_assert_cmpint (lookup (1)->expires_at_usec, ==, lookup (1)->acquired_at_usec + G_USEC_PER_SEC);
  wait_until_told ("released 1 expired; ");
  tear_down ();
}

static void
test_a_turn_comes_with_a_death (StoreFixture *stored, gconstpointer unused)
{
  g_auto (Answer) answer = { 0 };
  pid_t holder;

  set_up (stored, 60000);
  holder = start_holder ();
  acquire (holder, world->inside);
  wait_for (request_for (start_holder (), world->inside), &answer);
  kill_holder (holder);
  wait_until_told ("released 1 exited; answered; acquired 2; ");
  g_assert_cmpuint (answer.id, ==, 2);
  tear_down ();
}

static void
test_a_turn_that_cannot_be_saved_goes_to_the_next (StoreFixture *stored, gconstpointer unused)
{
  g_auto (Answer) first = { 0 }, second = { 0 };
  pid_t holder;

  set_up (stored, 60000);
  holder = start_holder ();
  acquire (holder, world->inside);
  wait_for (request_for (start_holder (), world->inside), &first);
  wait_for (request_for (start_holder (), world->inside), &second);
  agl_faults_set ("write */locks/* 1 ENOSPC");
  kill_holder (holder);
  wait_until_told ("released 1 exited; refused; answered; acquired 3; ");
  g_assert_error (first.error, AGL_ERROR, AGL_ERROR_UNAVAILABLE);
  g_assert_no_error (second.error);
  tear_down ();
}

static void
test_ends_of_a_wait (StoreFixture *stored, gconstpointer unused)
{
  g_auto (Answer) dies = { 0 }, cancels = { 0 }, hangs_up = { 0 }, runs_out = { 0 };
  AglRequest *request;
  pid_t waiter;

  set_up (stored, 60000);
  acquire (start_holder (), world->inside);

  waiter = start_holder ();
  wait_for (request_for (waiter, world->inside), &dies);
  kill_holder (waiter);
  wait_until_told ("refused; ");
  g_assert_error (dies.error, AGL_ERROR, AGL_ERROR_NO_SUCH_PROCESS);

  request = request_for (start_holder (), world->inside);
  request->ticket = g_strdup ("mine");
  wait_for (request, &cancels);
  g_assert_cmpuint (agl_keeper_cancel (world->keeper, world, "other"), ==, 0);
  g_assert_cmpuint (agl_keeper_cancel (world->keeper, world->told, "mine"), ==, 0);
  g_assert_cmpuint (agl_keeper_cancel (world->keeper, world, "mine"), ==, 1);
  g_assert_error (cancels.error, AGL_ERROR, AGL_ERROR_CANCELLED);

  wait_for (request_for (start_holder (), world->inside), &hangs_up);
  g_assert_cmpuint (agl_keeper_cancel (world->keeper, world, NULL), ==, 1);
  g_assert_error (hangs_up.error, AGL_ERROR, AGL_ERROR_CANCELLED);

  request = request_for (start_holder (), world->inside);
  request->timeout_msec = 20;
  wait_for (request, &runs_out);
  wait_until_told ("refused; refused; refused; refused; ");
  g_assert_error (runs_out.error, AGL_ERROR, AGL_ERROR_TIMED_OUT);
  g_assert_nonnull (strstr (runs_out.error->message, "; wait longer, "));
  g_assert_cmpuint (agl_lock_table_count_waiters (agl_keeper_get_table (world->keeper)), ==, 0);
  tear_down ();
}

static gboolean
is_not_wanted (gpointer client)
{
  return FALSE;
}

static gboolean has_hung_up;

static gboolean
is_wanted (gpointer client)
{
  return !has_hung_up;
}

static void
test_a_turn_of_one_who_hung_up_goes_to_the_next (StoreFixture *stored, gconstpointer unused)
{
  g_auto (Answer) first = { 0 }, second = { 0 };
  AglRequest *request;
  pid_t holder;

  set_up (stored, 60000);
  holder = start_holder ();
  acquire (holder, world->inside);
  request = request_for (start_holder (), world->inside);
  request->is_wanted = is_wanted;
  has_hung_up = FALSE;
  wait_for (request, &first);
  has_hung_up = TRUE;
  wait_for (request_for (start_holder (), world->inside), &second);
  kill_holder (holder);
  wait_until_told ("released 1 exited; refused; answered; acquired 2; ");
  g_assert_error (first.error, AGL_ERROR, AGL_ERROR_CANCELLED);
  g_assert_cmpuint (second.id, ==, 2);
  tear_down ();
}

/* Who hung up before the service came to its request may take itself for a waiter, and gets nothing for that
 * the way is free. But who asks to have it at once may well send that and go. */
static void
test_one_who_hung_up_gets_nothing_at_once (StoreFixture *stored, gconstpointer unused)
{
  g_auto (Answer) waiting = { 0 }, at_once = { 0 };
  AglRequest *request;

  set_up (stored, 60000);
  request = request_for (start_holder (), world->inside);
  request->is_wanted = is_not_wanted;
  request->conflict = AGL_CONFLICT_WAIT;
  ask (request, &waiting);
  g_assert_error (waiting.error, AGL_ERROR, AGL_ERROR_CANCELLED);
  g_assert_cmpuint (agl_lock_table_count (agl_keeper_get_table (world->keeper)), ==, 0);
  request = request_for (start_holder (), world->inside);
  request->is_wanted = is_not_wanted;
  ask (request, &at_once);
  g_assert_cmpuint (at_once.id, ==, 1);
  tear_down ();
}

static void *
thread_of_traced (void *data)
{
  tell (GPOINTER_TO_INT (data), gettid ());
  sleep_for_ever ();
}

static void
traced_child (int tell_fd)
{
  pthread_t thread;

  go_inside (0);
  if (pthread_create (&thread, NULL, thread_of_traced, GINT_TO_POINTER (tell_fd)) != 0)
    _exit (97);
}

/* Killed, it has given up its working directory some time before it is dead: for as long as we like, where
 * one of its threads is traced and its end not taken note of. */
static void
test_the_dying_get_nothing (StoreFixture *stored, gconstpointer unused)
{
  g_auto (Answer) waiting = { 0 }, at_once = { 0 };
  g_autofree char *link = NULL;
  char text[1];
  pid_t holder, dying;
  gint32 thread;

  set_up (stored, 60000);
  holder = start_holder ();
  acquire (holder, world->inside);
  dying = start_child (traced_child, &thread);
  link = g_strdup_printf ("/proc/%d/cwd", (int)dying);
  wait_for (request_for (dying, world->inside), &waiting);
  g_assert_cmpint (ptrace (PTRACE_SEIZE, thread, NULL, NULL), ==, 0);
  g_assert_cmpint (kill (dying, SIGKILL), ==, 0);
  while (readlink (link, text, sizeof text) >= 0)
    g_usleep (500);
  g_assert_cmpint (errno, ==, ENOENT);
  g_free (link);
  link = g_strdup_printf ("/proc/%d/task/%d/cwd", (int)dying, (int)thread);
  while (readlink (link, text, sizeof text) >= 0)
    g_usleep (500);
  {
    g_autoptr (AglProcess) process = agl_process_open (dying, NULL);

    g_assert_nonnull (process);
    g_assert_true (agl_process_is_alive (process));
  }

  ask (request_for (dying, world->inside), &at_once);
  g_assert_error (at_once.error, AGL_ERROR, AGL_ERROR_NO_SUCH_PROCESS);
  kill_holder (holder);
  wait_until_told ("released 1 exited; refused; ");
  g_assert_error (waiting.error, AGL_ERROR, AGL_ERROR_NO_SUCH_PROCESS);
  g_assert_cmpint (waitpid (thread, NULL, __WALL), ==, thread);
  reap (dying);
  tear_down ();
}

/* On a bus it is asked first whether the client is there still. */
static struct
{
  AglFoundFunc func;
  gpointer user_data;
  guint n_asked;
} search;

static void
find_client (gpointer client, AglFoundFunc func, gpointer user_data)
{
  search.func = func;
  search.user_data = user_data;
  search.n_asked++;
}

static AglRequest *
request_over_a_bus (gpointer client)
{
  AglRequest *request = request_for (start_holder (), world->inside);

  request->client = client;
  request->find_client = find_client;
  return request;
}

static void
test_a_turn_waits_for_word_of_the_client (StoreFixture *stored, gconstpointer unused)
{
  g_auto (Answer) first = { 0 }, second = { 0 }, third = { 0 };
  g_autoptr (GPtrArray) waiters = NULL;
  int one, two, three;
  pid_t holder;

  set_up (stored, 60000);
  holder = start_holder ();
  acquire (holder, world->inside);
  search.n_asked = 0;
  wait_for (request_over_a_bus (&one), &first);
  wait_for (request_over_a_bus (&two), &second);
  wait_for (request_over_a_bus (&three), &third);
  g_assert_cmpuint (search.n_asked, ==, 0);
  kill_holder (holder);
  wait_until_told ("released 1 exited; ");
  g_assert_cmpuint (search.n_asked, ==, 1);
  waiters = agl_lock_table_list_waiters (agl_keeper_get_table (world->keeper));
  agl_lock_table_try_again (agl_keeper_get_table (world->keeper), g_ptr_array_index (waiters, 0));
  agl_keeper_settle (world->keeper); /* nobody has answered yet */
  g_assert_cmpuint (search.n_asked, ==, 1);
  g_assert_cmpuint (agl_lock_table_count (agl_keeper_get_table (world->keeper)), ==, 0);

  search.func (FALSE, search.user_data); /* it hung up: the next one's turn */
  wait_until_told ("released 1 exited; refused; ");
  g_assert_error (first.error, AGL_ERROR, AGL_ERROR_CANCELLED);
  g_assert_cmpuint (search.n_asked, ==, 2);
  search.func (TRUE, search.user_data);
  wait_until_told ("refused; answered; acquired 2; ");
  g_assert_cmpuint (second.id, ==, 2);

  /* The answer comes when the wait is over, and when the keeper is. */
  agl_lock_table_release (agl_keeper_get_table (world->keeper), lookup (2), AGL_RELEASE_RELEASED);
  agl_keeper_settle (world->keeper);
  g_assert_cmpuint (search.n_asked, ==, 3);
  tear_down ();
  g_assert_error (third.error, AGL_ERROR, AGL_ERROR_UNAVAILABLE);
  search.func (TRUE, search.user_data);
}

/* What happens while the answer is out counts: somebody goes ahead, the holder-to-be dies, the wait is
 * cancelled. */
static void
test_a_turn_that_is_over_before_word_comes (StoreFixture *stored, gconstpointer unused)
{
  g_auto (Answer) first = { 0 }, thief = { 0 }, second = { 0 };
  pid_t holder, waiter;
  AglRequest *request;

  set_up (stored, 60000);
  holder = start_holder ();
  acquire (holder, world->inside);
  search.n_asked = 0;
  waiter = start_holder ();
  request = request_for (waiter, world->inside);
  request->find_client = find_client;
  wait_for (request, &first);
  kill_holder (holder);
  wait_until_told ("released 1 exited; ");
  g_assert_cmpuint (search.n_asked, ==, 1);
  request = request_for (start_holder (), world->inside);
  request->conflict = AGL_CONFLICT_STEAL;
  ask (request, &thief);
  g_assert_cmpuint (thief.id, ==, 2);
  search.func (TRUE, search.user_data);
  g_assert_cmpuint (first.n_answers, ==, 0);

  /* His turn once more, and another question. */
  agl_lock_table_release (agl_keeper_get_table (world->keeper), lookup (2), AGL_RELEASE_RELEASED);
  agl_keeper_settle (world->keeper);
  g_assert_cmpuint (search.n_asked, ==, 2);
  kill_holder (waiter);
  wait_until_told ("refused; ");
  g_assert_error (first.error, AGL_ERROR, AGL_ERROR_NO_SUCH_PROCESS);
  search.func (TRUE, search.user_data);

  holder = start_holder ();
  g_assert_cmpuint (acquire (holder, world->inside), ==, 3);
  wait_for (request_over_a_bus (&second), &second);
  kill_holder (holder);
  wait_until_told ("released 3 exited; ");
  g_assert_cmpuint (search.n_asked, ==, 3);
  g_assert_cmpuint (agl_keeper_cancel (world->keeper, &second, NULL), ==, 1);
  g_assert_error (second.error, AGL_ERROR, AGL_ERROR_CANCELLED);
  search.func (TRUE, search.user_data);
  g_assert_cmpuint (agl_lock_table_count (agl_keeper_get_table (world->keeper)), ==, 0);
  tear_down ();
}

static void
test_a_waiter_that_leaves (StoreFixture *stored, gconstpointer unused)
{
  g_auto (Answer) answer = { 0 };
  pid_t waiter;

  set_up (stored, 50);
  acquire (start_holder (), world->inside);
  waiter = start_holder ();
  wait_for (request_for (waiter, world->inside), &answer);
  kill (waiter, SIGUSR2);
  wait_until_told ("refused; ");
  g_assert_error (answer.error, AGL_ERROR, AGL_ERROR_NOT_IN_DIRECTORY);
  tear_down ();
}

static void
test_a_stop_releases_nothing_and_tells_who_waits (StoreFixture *stored, gconstpointer unused)
{
  g_auto (Answer) first = { 0 }, second = { 0 };

  set_up (stored, 60000);
  acquire (start_holder (), world->inside);
  wait_for (request_for (start_holder (), world->inside), &first);
  wait_for (request_for (start_holder (), world->inside), &second);
  agl_keeper_stop (world->keeper);
  g_assert_error (first.error, AGL_ERROR, AGL_ERROR_UNAVAILABLE);
  g_assert_error (second.error, AGL_ERROR, AGL_ERROR_UNAVAILABLE);
  g_assert_cmpstr (world->told->str, ==, "answered; acquired 1; refused; refused; ");
  store_fixture_assert_loaded (stored, "1");
  tear_down ();
}

static void
test_a_restart (StoreFixture *stored, gconstpointer unused)
{
  pid_t dies;

  set_up (stored, 60000);
  acquire (start_holder (), world->inside);
  dies = start_holder ();
  acquire (dies, stored->base);
  acquire (0, world->outside);
  stop_keeper ();
  kill_holder (dies);
  start_keeper (60000);
  g_string_truncate (world->told, 0);
  agl_keeper_announce_restored (world->keeper);
  g_assert_cmpstr (world->told->str, ==, "released 2 exited; ");
  g_assert_nonnull (lookup (1));
  g_assert_nonnull (lookup (1)->holder);
  g_assert_true (lookup (3)->manual);
  wait_until_told ("cwd 1 inside; ");
  g_assert_cmpuint (agl_keeper_get_counter (world->keeper, AGL_COUNTER_RESTORED), ==, 2);
  /* Told once, and never again. */
  restart_keeper ();
  agl_keeper_announce_restored (world->keeper);
  g_assert_cmpstr (world->told->str, ==, "");
  tear_down ();
}

/* Killed before it could say a word: granted and held, granted and over, stolen. */
static void
test_what_a_killed_one_had_not_told (StoreFixture *stored, gconstpointer unused)
{
  g_auto (Answer) answer = { 0 };
  AglRequest *request;
  pid_t dies;

  set_up (stored, 60000);
  acquire (start_holder (), world->inside);
  world->is_mute = TRUE;
  acquire (0, world->outside);
  dies = start_holder ();
  acquire (dies, stored->base);
  request = request_for (start_holder (), world->inside);
  request->conflict = AGL_CONFLICT_STEAL;
  ask (request, &answer);
  kill_holder (dies);
  restart_keeper ();
  agl_keeper_announce_restored (world->keeper);
  g_assert_cmpstr (world->told->str, ==, "acquired 2; acquired 3; released 3 exited; acquired 4; ");
  world->is_mute = FALSE;
  restart_keeper ();
  agl_keeper_announce_restored (world->keeper);
  g_assert_cmpstr (world->told->str, ==, "acquired 2; acquired 4; ");
  restart_keeper ();
  agl_keeper_announce_restored (world->keeper);
  g_assert_cmpstr (world->told->str, ==, "");
  g_assert_cmpuint (agl_keeper_get_counter (world->keeper, AGL_COUNTER_ACQUIRED), ==, 0);
  tear_down ();
}

static void
test_a_claim_that_ran_out_while_down (StoreFixture *stored, gconstpointer unused)
{
  g_auto (Answer) answer = { 0 };
  AglRequest *request;
  AglLock *lock;

  set_up (stored, 60000);
  request = request_for (0, world->inside);
  request->ttl_sec = 3600;
  ask (request, &answer);
  lock = lookup (answer.id);
  lock->expires_at_usec = g_get_real_time () - 1;
  store_fixture_save (stored, lock);
  restart_keeper ();
  agl_keeper_announce_restored (world->keeper);
  g_assert_cmpstr (world->told->str, ==, "released 1 expired; ");
  tear_down ();
}

static void
test_handed_over (StoreFixture *stored, gconstpointer unused)
{
  g_auto (Answer) answer = { 0 }, elsewhere = { 0 };
  g_autoptr (AglRequest) request = NULL, wrong = NULL;
  pid_t launcher, agent;

  set_up (stored, 60000);
  launcher = start_holder ();
  agent = start_holder ();
  acquire (launcher, world->inside);

  kill (agent, SIGUSR2);
  wrong = request_for (agent, world->inside);
  wrong->force = TRUE;
  for (gint64 limit = g_get_monotonic_time () + 30 * G_USEC_PER_SEC; g_get_monotonic_time () < limit;)
    {
      g_autofree char *link = g_strdup_printf ("/proc/%d/cwd", (int)agent);
      g_autofree char *cwd = g_file_read_link (link, NULL);

      if (g_strcmp0 (cwd, world->outside) == 0)
        break;
    }
  agl_keeper_transfer (world->keeper, lookup (1), wrong, on_done, &elsewhere);
  g_assert_error (elsewhere.error, AGL_ERROR, AGL_ERROR_NOT_IN_DIRECTORY);

  agent = start_holder ();
  request = request_for (agent, world->inside);
  request->force = TRUE;
  agl_keeper_transfer (world->keeper, lookup (1), request, on_done, &answer);
  g_assert_cmpuint (answer.id, ==, 1);
  kill_holder (launcher);
  kill_holder (agent);
  wait_until_told ("released 1 exited; ");
  g_assert_cmpuint (agl_keeper_get_counter (world->keeper, AGL_COUNTER_FIRST_RELEASE + AGL_RELEASE_EXITED),
                    ==, 1);
  tear_down ();
}

static void
test_a_claim_handed_over_is_a_lock_of_its_process (StoreFixture *stored, gconstpointer unused)
{
  g_auto (Answer) answer = { 0 };
  g_autoptr (AglRequest) request = NULL;
  pid_t agent;

  set_up (stored, 60000);
  acquire (0, world->inside);
  agent = start_holder ();
  request = request_for (agent, world->inside);
  agl_keeper_transfer (world->keeper, lookup (1), request, on_done, &answer);
  g_assert_cmpuint (answer.id, ==, 1);
  g_assert_false (lookup (1)->manual);
  restart_keeper ();
  g_assert_false (lookup (1)->manual);
  g_assert_nonnull (lookup (1)->holder);
  kill_holder (agent);
  wait_until_told ("released 1 exited; ");
  store_fixture_assert_loaded (stored, "");
  tear_down ();
}

static void
test_stolen (StoreFixture *stored, gconstpointer unused)
{
  g_auto (Answer) answer = { 0 };
  AglRequest *request;

  set_up (stored, 60000);
  acquire (start_holder (), world->inside);
  request = request_for (start_holder (), world->inside);
  request->conflict = AGL_CONFLICT_STEAL;
  ask (request, &answer);
  g_assert_cmpuint (answer.id, ==, 2);
  g_assert_cmpstr (world->told->str, ==, "answered; acquired 1; answered; released 1 stolen; acquired 2; ");
  store_fixture_assert_loaded (stored, "2");
  tear_down ();
}

/* A lock that follows its holder needs no watch of its directory, and one that does not follow does. */
static void
test_a_conversion_that_cannot_be_saved_changes_no_watch (StoreFixture *stored, gconstpointer unused)
{
  for (guint i = 0; i < 2; i++)
    {
      g_auto (Answer) granted = { 0 }, refused = { 0 };
      gboolean followed = i == 0;
      AglRequest *request;
      pid_t holder;

      set_up (stored, 60000);
      holder = start_holder ();
      request = request_for (holder, world->inside);
      request->follow_cwd = followed;
      ask (request, &granted);
      g_assert_no_error (granted.error);
      g_assert_cmpint (lookup (granted.id)->removal != NULL, ==, !followed);

      agl_faults_set ("renameat */locks/* * EIO");
      request = request_for (holder, world->inside);
      request->follow_cwd = !followed;
      ask (request, &refused);
      agl_faults_set (NULL);
      g_assert_error (refused.error, AGL_ERROR, AGL_ERROR_UNAVAILABLE);
      g_assert_cmpint (lookup (granted.id)->follow_cwd, ==, followed);
      g_assert_cmpint (lookup (granted.id)->removal != NULL, ==, !followed);

      g_clear_error (&refused.error);
      request = request_for (holder, world->inside);
      request->follow_cwd = !followed;
      ask (request, &refused);
      g_assert_no_error (refused.error);
      g_assert_cmpint (lookup (granted.id)->removal != NULL, ==, followed);
      g_assert_true (agl_keeper_release (world->keeper, lookup (granted.id), AGL_RELEASE_RELEASED, NULL));
      agl_keeper_settle (world->keeper);
      g_rmdir (world->inside);
      g_rmdir (world->outside);
      tear_down ();
    }
}

/* Who cannot be looked at may be an agent: nothing is granted, whoever it is. */
static void
test_who_is_there_cannot_be_told (StoreFixture *stored, gconstpointer unused)
{
  g_auto (Answer) refused = { 0 };
  g_auto (Answer) granted = { 0 };
  g_autofree char *file = g_build_filename (stored->base, "some.conf", NULL);
  const char *folders[] = { stored->base, NULL };
  g_autoptr (AglAgentCatalog) catalog = NULL;
  g_autofree char *rule = NULL;
  AglRequest *request;

  set_up (stored, 60000);
  g_assert_true (g_file_set_contents (file, "[Agent]\nCommand=nobody-is-called-that\n", -1, NULL));
  catalog = agl_agent_catalog_load (folders);
  g_assert_cmpuint (agl_agent_catalog_size (catalog), ==, 1);
  agl_keeper_set_catalog (world->keeper, catalog);

  rule = g_strdup_printf ("openat /proc/%d * EMFILE", (int)start_holder ());
  request = request_for (0, world->inside);
  request->detect_agents = TRUE;
  agl_faults_set (rule);
  ask (agl_request_ref (request), &refused);
  g_assert_error (refused.error, AGL_ERROR, AGL_ERROR_UNAVAILABLE);
  g_assert_cmpuint (agl_faults_count (), >, 0);
  agl_faults_set (NULL);
  ask (request, &granted);
  g_assert_no_error (granted.error);
  g_assert_cmpstr (world->told->str, ==, "refused; answered; acquired 1; ");
  tear_down ();
}

#define ADD(path, test) store_fixture_add ("/keeper/" path, test)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  sample_log_catch ();
  ADD ("a-grant-is-on-disk-and-answered-before-it-is-told",
       test_a_grant_is_on_disk_and_answered_before_it_is_told);
  ADD ("a-grant-that-cannot-be-saved-is-none", test_a_grant_that_cannot_be_saved_is_none);
  ADD ("death", test_death);
  ADD ("a-death-that-cannot-be-saved-ends-it-all-the-same",
       test_a_death_that_cannot_be_saved_ends_it_all_the_same);
  ADD ("a-release-that-cannot-be-saved-is-none", test_a_release_that_cannot_be_saved_is_none);
  ADD ("who-is-elsewhere-gets-nothing", test_who_is_elsewhere_gets_nothing);
  ADD ("the-dead-get-nothing", test_the_dead_get_nothing);
  ADD ("out-for-the-grace-time", test_out_for_the_grace_time);
  ADD ("out-and-back", test_out_and_back);
  ADD ("renamed", test_renamed);
  ADD ("removed", test_removed);
  ADD ("claimed-for-a-time", test_claimed_for_a_time);
  ADD ("a-turn-comes-with-a-death", test_a_turn_comes_with_a_death);
  ADD ("a-turn-that-cannot-be-saved-goes-to-the-next", test_a_turn_that_cannot_be_saved_goes_to_the_next);
  ADD ("ends-of-a-wait", test_ends_of_a_wait);
  ADD ("a-turn-of-one-who-hung-up-goes-to-the-next", test_a_turn_of_one_who_hung_up_goes_to_the_next);
  ADD ("one-who-hung-up-gets-nothing-at-once", test_one_who_hung_up_gets_nothing_at_once);
  ADD ("the-dying-get-nothing", test_the_dying_get_nothing);
  ADD ("a-turn-waits-for-word-of-the-client", test_a_turn_waits_for_word_of_the_client);
  ADD ("a-turn-that-is-over-before-word-comes", test_a_turn_that_is_over_before_word_comes);
  ADD ("a-waiter-that-leaves", test_a_waiter_that_leaves);
  ADD ("a-stop-releases-nothing-and-tells-who-waits", test_a_stop_releases_nothing_and_tells_who_waits);
  ADD ("a-restart", test_a_restart);
  ADD ("what-a-killed-one-had-not-told", test_what_a_killed_one_had_not_told);
  ADD ("a-claim-that-ran-out-while-down", test_a_claim_that_ran_out_while_down);
  ADD ("handed-over", test_handed_over);
  ADD ("a-claim-handed-over-is-a-lock-of-its-process", test_a_claim_handed_over_is_a_lock_of_its_process);
  ADD ("stolen", test_stolen);
  ADD ("a-conversion-that-cannot-be-saved-changes-no-watch",
       test_a_conversion_that_cannot_be_saved_changes_no_watch);
  ADD ("who-is-there-cannot-be-told", test_who_is_there_cannot_be_told);
  return g_test_run ();
}
