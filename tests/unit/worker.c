/* SPDX-License-Identifier: MIT */
#include "core/worker.h"

#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "await.h"
#include "children.h"
#include "common/error.h"

#define ALICE 1000
#define BOB   1001

/* What a job gets: it tells that it runs, and where there is a gate waits there for a byte or the end, as it
 * would for a dead server. Pipes, so that ThreadSanitizer sees who waits for whom. */
typedef struct
{
  int running_fd; /* -1: tells nobody */
  int gate_fd;    /* -1: does not wait */
  int freed_fd;   /* told when the input is freed */
  gboolean fails;
} Input;

typedef struct
{
  GMainContext *context;
  AglWorker *worker;
  int running[2];
  int gate[2];
  int freed[2];

  guint n_done;
  guint n_results;
  guint n_refused;
  guint n_failed;
  GString *order;
  gboolean free_worker_when_done;
} Fixture;

/* The worker's clock, in the place of GLib's. What hangs for a second is passed by, and a test that is about
 * who waits for it must not depend on who gets a processor in that second: for it the clock stands still. */
static gint64 start_usec;
static gint passed_msec = -1; /* since the start; -1: it runs. Atomic: threads look at it */

gint64
g_get_monotonic_time (void)
{
  gint msec = g_atomic_int_get (&passed_msec);
  struct timespec now;

  if (msec >= 0)
    return start_usec + (gint64)msec * 1000;
  g_assert_cmpint (clock_gettime (CLOCK_MONOTONIC, &now), ==, 0);
  return (gint64)now.tv_sec * G_USEC_PER_SEC + now.tv_nsec / 1000;
}

static void
stop_clock_at (gint msec)
{
  g_atomic_int_set (&passed_msec, msec);
}

static void
write_byte (int fd)
{
  g_assert_cmpint (write (fd, "x", 1), ==, 1);
}

static void
read_byte (int fd)
{
  char byte;

  g_assert_cmpint (read (fd, &byte, 1), ==, 1);
}

static gpointer
work (gpointer data, GError **error)
{
  const Input *input = data;
  char byte;

  if (input->running_fd >= 0)
    write_byte (input->running_fd);
  if (input->gate_fd >= 0)
    g_assert_cmpint (read (input->gate_fd, &byte, 1), >=, 0);
  if (input->fails)
    {
      g_set_error (error, AGL_ERROR, AGL_ERROR_INVALID_DIRECTORY, "it fails");
      return NULL;
    }
  return g_strdup ("result");
}

static void
free_input (gpointer data)
{
  Input *input = data;

  if (input->freed_fd >= 0)
    write_byte (input->freed_fd);
  g_free (input);
}

static Input *
new_input (int running_fd, int gate_fd, int freed_fd)
{
  Input *input = g_new0 (Input, 1);

  input->running_fd = running_fd;
  input->gate_fd = gate_fd;
  input->freed_fd = freed_fd;
  return input;
}

static void
on_done (gpointer result, GError *error, gpointer user_data)
{
  Fixture *f = user_data;

  f->n_done++;
  if (error == NULL)
    {
      g_assert_cmpstr (result, ==, "result");
      g_free (result);
      f->n_results++;
    }
  else
    {
      g_assert_null (result);
      if (g_error_matches (error, AGL_ERROR, AGL_ERROR_UNAVAILABLE))
        f->n_refused++;
      else
        f->n_failed++;
    }
  if (f->free_worker_when_done)
    g_clear_pointer (&f->worker, agl_worker_free);
}

static void
push (Fixture *f, uid_t uid, Input *input)
{
  guint n_done = f->n_done;

  agl_worker_push (f->worker, uid, work, input, free_input, g_free, on_done, f);
  g_assert_cmpuint (f->n_done, ==, n_done); /* never from within */
}

/* A job that runs and hangs when this returns. */
static void
push_stuck (Fixture *f, uid_t uid)
{
  push (f, uid, new_input (f->running[1], f->gate[0], f->freed[1]));
  read_byte (f->running[0]);
}

static void
push_quick (Fixture *f, uid_t uid)
{
  push (f, uid, new_input (-1, -1, -1));
}

/* Threads but for the main one and GLib's own (pool-spawner), which stays for good. The number is the
 * kernel's: a listing of /proc/self/task skips living threads while others end, and a thread takes its name
 * after it has begun. */
static guint
count_threads (void)
{
  g_autoptr (GDir) dir = g_dir_open ("/proc/self/task", 0, NULL);
  g_autofree char *status = NULL;
  const char *name;
  guint own = 1;

  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename ("/proc/self/task", name, "comm", NULL);
      g_autofree char *comm = NULL;

      if (g_file_get_contents (path, &comm, NULL, NULL) && strcmp (comm, "pool-spawner\n") == 0)
        own++;
    }
  g_assert_true (g_file_get_contents ("/proc/self/status", &status, NULL, NULL));
  return (guint)atoi (strstr (status, "\nThreads:") + strlen ("\nThreads:")) - own;
}

/* Who is about to end, or has no name yet, counts for a moment longer. */
static void
wait_for_at_most (guint n_threads)
{
  gint64 limit_usec = g_get_monotonic_time () + PATIENCE_SEC * G_USEC_PER_SEC;

  while (count_threads () > n_threads)
    {
      g_assert_cmpint (g_get_monotonic_time (), <, limit_usec);
      g_thread_yield ();
    }
}

static void
wait_for_threads (guint n_threads)
{
  wait_for_at_most (n_threads);
  g_assert_cmpuint (count_threads (), ==, n_threads);
}

static void
set_up (Fixture *f, gconstpointer unused)
{
  wait_for_at_most (0); /* the former test's */
  f->context = g_main_context_new ();
  f->worker = agl_worker_new (f->context);
  agl_worker_set_timeout (f->worker, PATIENCE_SEC * 1000);
  g_assert_cmpint (pipe2 (f->running, O_CLOEXEC), ==, 0);
  g_assert_cmpint (pipe2 (f->gate, O_CLOEXEC), ==, 0);
  g_assert_cmpint (pipe2 (f->freed, O_CLOEXEC), ==, 0);
  f->order = g_string_new (NULL);
}

static void
open_gate (Fixture *f, guint n_stuck)
{
  for (guint i = 0; i < n_stuck; i++)
    write_byte (f->gate[1]);
}

static void
tear_down (Fixture *f, gconstpointer unused)
{
  g_clear_pointer (&f->worker, agl_worker_free);
  g_main_context_unref (f->context);
  stop_clock_at (-1);
  /* The gate is open for good now; the descriptors stay until nobody can mean them any more. */
  close (f->gate[1]);
  wait_for_at_most (0);
  close (f->gate[0]);
  for (guint i = 0; i < 2; i++)
    {
      close (f->running[i]);
      close (f->freed[i]);
    }
  g_string_free (f->order, TRUE);
}

static void
test_results_and_errors_come (Fixture *f, gconstpointer unused)
{
  Input *failing = new_input (-1, -1, f->freed[1]);

  failing->fails = TRUE;
  push_quick (f, ALICE);
  push (f, BOB, failing);
  g_assert_cmpuint (agl_worker_pending (f->worker), ==, 2);
  await_count (f->context, &f->n_done, 2);
  g_assert_cmpuint (f->n_results, ==, 1);
  g_assert_cmpuint (f->n_failed, ==, 1);
  g_assert_cmpuint (agl_worker_pending (f->worker), ==, 0);
  read_byte (f->freed[0]);
}

/* How long an idle main loop sleeps: for ever. */
static gint
next_timeout_msec (Fixture *f)
{
  GPollFD fds[8];
  gint timeout_msec = 0;
  gint priority;

  g_assert_true (g_main_context_acquire (f->context));
  g_main_context_prepare (f->context, &priority);
  g_main_context_query (f->context, G_MAXINT, &timeout_msec, fds, G_N_ELEMENTS (fds));
  g_main_context_release (f->context);
  return timeout_msec;
}

static void
test_idle_it_has_nothing (Fixture *f, gconstpointer unused)
{
  g_assert_cmpint (next_timeout_msec (f), ==, -1);
  push_stuck (f, ALICE);
  wait_for_threads (1);
  g_assert_cmpint (next_timeout_msec (f), >, 0);
  open_gate (f, 1);
  await_count (f->context, &f->n_done, 1);
  g_assert_cmpint (next_timeout_msec (f), ==, -1);
  wait_for_at_most (0);
}

static void
test_the_stuck_do_not_hold_up_others (Fixture *f, gconstpointer unused)
{
  stop_clock_at (0);
  for (guint i = 0; i < 2; i++)
    push_stuck (f, ALICE);
  push_quick (f, ALICE); /* two is her share */
  for (guint i = 0; i < 10; i++)
    push_quick (f, BOB);
  await_count (f->context, &f->n_done, 10);
  g_assert_cmpuint (f->n_results, ==, 10);
  g_assert_cmpuint (agl_worker_pending (f->worker), ==, 3);
  open_gate (f, 2);
  await_count (f->context, &f->n_done, 13);
  g_assert_cmpuint (f->n_results, ==, 13);
}

static void
test_too_many_are_refused (Fixture *f, gconstpointer unused)
{
  const guint n_queued = 1024;

  stop_clock_at (0);
  for (guint i = 0; i < 2; i++)
    push_stuck (f, ALICE);
  for (guint i = 0; i < n_queued; i++)
    push_quick (f, ALICE);
  /* (It is always ready: GLib's clock says that it is time to look who hangs, and ours that it is not.) */
  for (guint i = 0; i < 10; i++)
    g_main_context_iteration (f->context, FALSE);
  g_assert_cmpuint (f->n_done, ==, 0);

  push (f, ALICE, new_input (-1, -1, -1));
  await_count (f->context, &f->n_done, 1);
  g_assert_cmpuint (f->n_refused, ==, 1);
  push_quick (f, BOB);
  await_count (f->context, &f->n_done, 2);
  g_assert_cmpuint (f->n_results, ==, 1);

  open_gate (f, 2);
  await_count (f->context, &f->n_done, 2 + 2 + n_queued);
  g_assert_cmpuint (f->n_refused, ==, 1);
}

static void
test_threads_are_bounded (Fixture *f, gconstpointer unused)
{
  const guint n_threads = 32;

  for (guint i = 0; i < n_threads; i++)
    push_stuck (f, ALICE + i / 2);
  push_quick (f, ALICE + 100);
  run_what_is_ready (f->context);
  g_assert_cmpuint (f->n_done, ==, 0);
  wait_for_threads (n_threads);
  open_gate (f, 1); /* one free thread serves who waited */
  await_count (f->context, &f->n_done, 2);
  open_gate (f, n_threads - 1);
  await_count (f->context, &f->n_done, n_threads + 1);
}

/* What hangs keeps its user's other work waiting for a moment only, but for the last thread of that user. */
static void
test_what_hangs_is_passed_by (Fixture *f, gconstpointer unused)
{
  const guint n_threads = 8;

  for (guint i = 0; i < n_threads - 1; i++)
    push (f, ALICE, new_input (-1, f->gate[0], -1));
  push_quick (f, ALICE);
  await_count (f->context, &f->n_done, 1);
  g_assert_cmpuint (f->n_results, ==, 1);
  for (guint i = 0; i < 4; i++)
    push (f, ALICE, new_input (-1, f->gate[0], -1));
  push_quick (f, BOB);
  await_count (f->context, &f->n_done, 2);
  wait_for_at_most (n_threads + 1);
  open_gate (f, n_threads - 1 + 4);
  await_count (f->context, &f->n_done, 2 + n_threads - 1 + 4);
}

static gpointer
work_that_notes (gpointer data, GError **error)
{
  return data;
}

static void
on_noted (gpointer result, GError *error, gpointer user_data)
{
  Fixture *f = user_data;

  g_assert_no_error (error);
  g_string_append_c (f->order, (char)GPOINTER_TO_INT (result));
  f->n_done++;
}

/* With one thread left, of two users each with work to do neither waits for all of the other's. */
static void
test_users_take_turns (Fixture *f, gconstpointer unused)
{
  const guint n_threads = 32;

  for (guint i = 0; i < n_threads; i++)
    push_stuck (f, ALICE + i / 2);
  for (guint i = 0; i < 3; i++)
    agl_worker_push (f->worker, 7, work_that_notes, GINT_TO_POINTER ('a'), NULL, NULL, on_noted, f);
  for (guint i = 0; i < 3; i++)
    agl_worker_push (f->worker, 8, work_that_notes, GINT_TO_POINTER ('b'), NULL, NULL, on_noted, f);
  open_gate (f, 1);
  await_count (f->context, &f->n_done, 1 + 6);
  g_assert_cmpstr (f->order->str, ==, "ababab");
  open_gate (f, n_threads - 1);
  await_count (f->context, &f->n_done, n_threads + 6);
}

static void
test_time_runs_out (Fixture *f, gconstpointer unused)
{
  stop_clock_at (0);
  agl_worker_set_timeout (f->worker, 1);
  push_stuck (f, ALICE);
  push_stuck (f, ALICE);
  push_quick (f, ALICE); /* never starts */
  stop_clock_at (1);
  await_count (f->context, &f->n_done, 3);
  g_assert_cmpuint (f->n_refused, ==, 3);
  g_assert_cmpuint (agl_worker_pending (f->worker), ==, 0);
  g_assert_cmpint (next_timeout_msec (f), ==, -1);

  /* The results come late, and are nobody's; then there is work again. */
  open_gate (f, 2);
  read_byte (f->freed[0]);
  read_byte (f->freed[0]);
  run_what_is_ready (f->context);
  g_assert_cmpuint (f->n_done, ==, 3);
  agl_worker_set_timeout (f->worker, PATIENCE_SEC * 1000);
  push_quick (f, ALICE);
  await_count (f->context, &f->n_done, 4);
  g_assert_cmpuint (f->n_results, ==, 1);
}

/* Its share stays used while the timed-out hang: no thread more for the same dead mount. */
static void
test_the_timed_out_still_count (Fixture *f, gconstpointer unused)
{
  stop_clock_at (0);
  agl_worker_set_timeout (f->worker, 1);
  push_stuck (f, ALICE);
  push_stuck (f, ALICE);
  stop_clock_at (1);
  await_count (f->context, &f->n_done, 2);
  push (f, ALICE, new_input (f->running[1], -1, -1));
  stop_clock_at (2);
  await_count (f->context, &f->n_done, 3);
  g_assert_cmpuint (f->n_refused, ==, 3);
  wait_for_threads (2);
  open_gate (f, 2);
  wait_for_at_most (0);
}

static void
test_stopped_with_work_of_every_kind (Fixture *f, gconstpointer unused)
{
  push_stuck (f, ALICE);
  push_stuck (f, ALICE);
  push (f, ALICE, new_input (-1, -1, f->freed[1])); /* waits for a thread */
  push (f, BOB, new_input (f->running[1], -1, -1)); /* is done or about to be, and has not been told */
  read_byte (f->running[0]);
  agl_worker_stop (f->worker);
  read_byte (f->freed[0]);
  g_assert_cmpuint (f->n_done, ==, 4);
  g_assert_cmpuint (f->n_refused, ==, 4);
  g_assert_cmpuint (agl_worker_pending (f->worker), ==, 0);

  push (f, ALICE, new_input (-1, -1, -1));
  agl_worker_stop (f->worker);
  g_assert_cmpuint (f->n_refused, ==, 5);
  g_clear_pointer (&f->worker, agl_worker_free);
  open_gate (f, 2);
  wait_for_at_most (0);
  run_what_is_ready (f->context);
  g_assert_cmpuint (f->n_done, ==, 5);
}

static void
test_freed_with_stuck_threads (Fixture *f, gconstpointer unused)
{
  push_stuck (f, ALICE);
  push_stuck (f, ALICE);
  push (f, ALICE, new_input (-1, -1, f->freed[1]));
  g_clear_pointer (&f->worker, agl_worker_free);
  read_byte (f->freed[0]); /* the queued one's, at once */
  run_what_is_ready (f->context);
  g_assert_cmpuint (f->n_done, ==, 0);

  open_gate (f, 2);
  read_byte (f->freed[0]);
  read_byte (f->freed[0]);
  run_what_is_ready (f->context);
  g_assert_cmpuint (f->n_done, ==, 0);
  wait_for_at_most (0);
}

static void
test_freed_with_results_untold (Fixture *f, gconstpointer unused)
{
  push (f, ALICE, new_input (-1, -1, f->freed[1]));
  wait_for_at_most (0);
  g_clear_pointer (&f->worker, agl_worker_free);
  read_byte (f->freed[0]);
  g_assert_cmpuint (f->n_done, ==, 0);
}

static void
test_freed_while_telling (Fixture *f, gconstpointer unused)
{
  f->free_worker_when_done = TRUE;
  push_stuck (f, ALICE);
  push_quick (f, BOB);
  await_count (f->context, &f->n_done, 1);
  g_assert_null (f->worker);
  open_gate (f, 1);
  read_byte (f->freed[0]);
  run_what_is_ready (f->context);
  g_assert_cmpuint (f->n_done, ==, 1);
  wait_for_at_most (0);
}

static void
push_again (gpointer result, GError *error, gpointer user_data)
{
  Fixture *f = user_data;

  g_assert_no_error (error);
  g_free (result);
  f->n_done++;
  if (f->n_done < 500)
    agl_worker_push (f->worker, f->n_done % 7, work, new_input (-1, -1, -1), free_input, g_free, push_again,
                     f);
}

static void
test_many (Fixture *f, gconstpointer unused)
{
  for (guint i = 0; i < 300; i++)
    push_quick (f, ALICE + i % 20);
  await_count (f->context, &f->n_done, 300);
  g_assert_cmpuint (f->n_results, ==, 300);
  f->n_done = 0;
  agl_worker_push (f->worker, 0, work, new_input (-1, -1, -1), free_input, g_free, push_again, f);
  await_count (f->context, &f->n_done, 500);
}

/* Root is not bound by RLIMIT_NPROC, so another user asks. */
static void
no_thread_child (int unused)
{
  struct rlimit limit = { 0, 0 };
  Fixture f = { 0 };

  g_assert_true (geteuid () != 0 || setuid (65534) == 0);
  g_assert_cmpint (setrlimit (RLIMIT_NPROC, &limit), ==, 0);
  set_up (&f, NULL);
  push_quick (&f, ALICE);
  await_count (f.context, &f.n_done, 1);
  g_assert_cmpuint (f.n_refused, ==, 1);
  tear_down (&f, NULL);
}

static void
test_no_thread (void)
{
  run_child (no_thread_child);
}

int
main (int argc, char **argv)
{
  static const struct
  {
    const char *path;
    void (*func) (Fixture *f, gconstpointer unused);
  } tests[] = {
    { "/worker/results-and-errors", test_results_and_errors_come },
    { "/worker/idle", test_idle_it_has_nothing },
    { "/worker/stuck-do-not-hold-up-others", test_the_stuck_do_not_hold_up_others },
    { "/worker/too-many-are-refused", test_too_many_are_refused },
    { "/worker/threads-are-bounded", test_threads_are_bounded },
    { "/worker/what-hangs-is-passed-by", test_what_hangs_is_passed_by },
    { "/worker/users-take-turns", test_users_take_turns },
    { "/worker/time-runs-out", test_time_runs_out },
    { "/worker/timed-out-still-count", test_the_timed_out_still_count },
    { "/worker/stopped", test_stopped_with_work_of_every_kind },
    { "/worker/freed/with-stuck-threads", test_freed_with_stuck_threads },
    { "/worker/freed/with-results-untold", test_freed_with_results_untold },
    { "/worker/freed/while-telling", test_freed_while_telling },
    { "/worker/many", test_many },
  };

  start_usec = g_get_monotonic_time ();
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/worker/no-thread", test_no_thread);
  for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
    g_test_add (tests[i].path, Fixture, NULL, set_up, tests[i].func, tear_down);
  return g_test_run ();
}
