/* SPDX-License-Identifier: MIT */
#include "core/process-watch.h"

#include <sys/resource.h>
#include <sys/syscall.h>

#include "await.h"
#include "children.h"
#include "common/error.h"

#define N_STORM 1000

typedef struct
{
  GMainContext *context;
  AglProcessWatch *watch;
  GHashTable *died; /* AglProcess → how often */
  guint n_deaths;

  AglProcess *remove_at_death;
  AglProcess *add_at_death;
} Fixture;

static void
on_died (AglProcess *process, gpointer user_data)
{
  Fixture *f = user_data;
  guint n = GPOINTER_TO_UINT (g_hash_table_lookup (f->died, process));

  g_assert_false (agl_process_is_alive (process));
  g_hash_table_replace (f->died, agl_process_ref (process), GUINT_TO_POINTER (n + 1));
  f->n_deaths++;
  if (f->remove_at_death != NULL && !agl_process_equal (process, f->remove_at_death))
    agl_process_watch_remove (f->watch, f->remove_at_death);
  if (f->add_at_death != NULL)
    {
      AglProcess *added = g_steal_pointer (&f->add_at_death);

      g_assert_true (agl_process_watch_add (f->watch, added, NULL));
    }
}

static void
set_up (Fixture *f, gconstpointer unused)
{
  g_autoptr (GError) error = NULL;

  f->context = g_main_context_new ();
  f->died =
      g_hash_table_new_full (agl_process_hash, agl_process_equal, (GDestroyNotify)agl_process_unref, NULL);
  f->watch = agl_process_watch_new (f->context, on_died, f, &error);
  g_assert_no_error (error);
}

static void
tear_down (Fixture *f, gconstpointer unused)
{
  agl_process_watch_free (f->watch);
  g_hash_table_unref (f->died);
  g_main_context_unref (f->context);
}

static guint
deaths_of (Fixture *f, AglProcess *process)
{
  return GPOINTER_TO_UINT (g_hash_table_lookup (f->died, process));
}

static AglProcess *
start_process (void)
{
  g_autoptr (GError) error = NULL;
  AglProcess *process = agl_process_open (start_child (idle_child, NULL), &error);

  g_assert_no_error (error);
  return process;
}

static AglProcess *
watch_process (Fixture *f)
{
  g_autoptr (GError) error = NULL;
  AglProcess *process = start_process ();

  g_assert_true (agl_process_watch_add (f->watch, process, &error));
  g_assert_no_error (error);
  return process;
}

static void
test_death_is_told_once (Fixture *f, gconstpointer unused)
{
  g_autoptr (AglProcess) process = watch_process (f);
  g_autoptr (AglProcess) other = watch_process (f);

  g_assert_cmpuint (agl_process_watch_count (f->watch), ==, 2);
  run_what_is_ready (f->context);
  g_assert_cmpuint (f->n_deaths, ==, 0);

  kill_unreaped (agl_process_get_pid (process)); /* a zombie is dead */
  await_count (f->context, &f->n_deaths, 1);
  g_assert_cmpuint (deaths_of (f, process), ==, 1);
  g_assert_cmpuint (agl_process_watch_count (f->watch), ==, 1);

  reap (agl_process_get_pid (process));
  run_what_is_ready (f->context);
  g_assert_cmpuint (f->n_deaths, ==, 1);
  agl_process_watch_remove (f->watch, process); /* too late, and harmless */
  g_assert_cmpuint (agl_process_watch_count (f->watch), ==, 1);
  kill_and_reap (agl_process_get_pid (other));
}

/* All of them, without a turn of the loop, and once. */
static void
test_deaths_are_looked_for (Fixture *f, gconstpointer unused)
{
  const guint n = 300;
  g_autoptr (GPtrArray) processes = g_ptr_array_new_with_free_func ((GDestroyNotify)agl_process_unref);

  for (guint i = 0; i < n; i++)
    g_ptr_array_add (processes, watch_process (f));
  agl_process_watch_look (f->watch);
  g_assert_cmpuint (f->n_deaths, ==, 0);
  for (guint i = 0; i < n - 1; i++)
    kill_and_reap (agl_process_get_pid (processes->pdata[i]));
  agl_process_watch_look (f->watch);
  g_assert_cmpuint (f->n_deaths, ==, n - 1);
  agl_process_watch_look (f->watch);
  run_what_is_ready (f->context);
  g_assert_cmpuint (f->n_deaths, ==, n - 1);
  g_assert_cmpuint (g_hash_table_size (f->died), ==, n - 1);
  kill_and_reap (agl_process_get_pid (processes->pdata[n - 1]));
  await_count (f->context, &f->n_deaths, n);
}

static void
test_the_stopped_are_alive (Fixture *f, gconstpointer unused)
{
  g_autoptr (AglProcess) process = watch_process (f);
  siginfo_t info;
  pid_t pid = agl_process_get_pid (process);

  g_assert_cmpint (kill (pid, SIGSTOP), ==, 0);
  g_assert_cmpint (waitid (P_PID, (id_t)pid, &info, WSTOPPED), ==, 0);
  run_what_is_ready (f->context);
  g_assert_cmpuint (f->n_deaths, ==, 0);
  kill_and_reap (pid);
  await_count (f->context, &f->n_deaths, 1);
}

static void
test_dead_before_watched (Fixture *f, gconstpointer unused)
{
  g_autoptr (AglProcess) zombie = start_process ();
  g_autoptr (AglProcess) reaped = start_process ();

  kill_unreaped (agl_process_get_pid (zombie));
  kill_and_reap (agl_process_get_pid (reaped));
  g_assert_true (agl_process_watch_add (f->watch, zombie, NULL));
  g_assert_true (agl_process_watch_add (f->watch, reaped, NULL));
  g_assert_cmpuint (f->n_deaths, ==, 0);
  await_count (f->context, &f->n_deaths, 2);
  g_assert_cmpuint (deaths_of (f, zombie), ==, 1);
  g_assert_cmpuint (deaths_of (f, reaped), ==, 1);
  reap (agl_process_get_pid (zombie));
}

static void
test_watches_are_counted (Fixture *f, gconstpointer unused)
{
  g_autoptr (AglProcess) process = watch_process (f);
  g_autoptr (AglProcess) again = agl_process_open (agl_process_get_pid (process), NULL);

  g_assert_true (agl_process_watch_add (f->watch, again, NULL));
  g_assert_true (agl_process_watch_add (f->watch, process, NULL));
  g_assert_cmpuint (agl_process_watch_count (f->watch), ==, 1);
  agl_process_watch_remove (f->watch, process);
  agl_process_watch_remove (f->watch, process);
  g_assert_cmpuint (agl_process_watch_count (f->watch), ==, 1);
  kill_and_reap (agl_process_get_pid (process));
  await_count (f->context, &f->n_deaths, 1); /* one left is enough, and tells once */
  g_assert_cmpuint (agl_process_watch_count (f->watch), ==, 0);
}

static void
test_the_unwatched_die_unheard (Fixture *f, gconstpointer unused)
{
  g_autoptr (AglProcess) process = watch_process (f);
  g_autoptr (AglProcess) other = watch_process (f);

  agl_process_watch_remove (f->watch, process);
  kill_and_reap (agl_process_get_pid (process));
  kill_and_reap (agl_process_get_pid (other));
  await_count (f->context, &f->n_deaths, 1);
  run_what_is_ready (f->context);
  g_assert_cmpuint (deaths_of (f, process), ==, 0);
  g_assert_cmpuint (deaths_of (f, other), ==, 1);
}

/* Both died in one turn; whichever is told first removes the other, or is the other. */
static void
test_removed_while_telling (Fixture *f, gconstpointer unused)
{
  g_autoptr (AglProcess) a = watch_process (f);
  g_autoptr (AglProcess) b = watch_process (f);
  g_autoptr (AglProcess) c = watch_process (f);

  f->remove_at_death = c;
  kill_unreaped (agl_process_get_pid (a));
  kill_unreaped (agl_process_get_pid (b));
  kill_unreaped (agl_process_get_pid (c));
  await_count (f->context, &f->n_deaths, 2);
  run_what_is_ready (f->context);
  g_assert_cmpuint (deaths_of (f, a), ==, 1);
  g_assert_cmpuint (deaths_of (f, b), ==, 1);
  g_assert_cmpuint (deaths_of (f, c), ==, 0);
  g_assert_cmpuint (agl_process_watch_count (f->watch), ==, 0);
  reap (agl_process_get_pid (a));
  reap (agl_process_get_pid (b));
  reap (agl_process_get_pid (c));
}

static void
test_added_while_telling (Fixture *f, gconstpointer unused)
{
  g_autoptr (AglProcess) process = watch_process (f);

  f->add_at_death = process; /* even itself: it is dead, so it is told again */
  kill_and_reap (agl_process_get_pid (process));
  await_count (f->context, &f->n_deaths, 2);
  g_assert_cmpuint (deaths_of (f, process), ==, 2);
  g_assert_cmpuint (agl_process_watch_count (f->watch), ==, 0);
}

/* The client that sent a pidfd keeps its own copy of the descriptor. */
static void
test_a_copy_of_the_pidfd_tells_nothing (Fixture *f, gconstpointer unused)
{
  g_autoptr (GError) error = NULL;
  pid_t pid = start_child (idle_child, NULL);
  int pidfd = (int)syscall (SYS_pidfd_open, pid, 0);
  int copy = dup (pidfd);
  AglProcess *process = agl_process_new_take_pidfd (pidfd, &error);

  g_assert_no_error (error);
  g_assert_cmpint (copy, >=, 0);
  g_assert_true (agl_process_watch_add (f->watch, process, NULL));
  agl_process_watch_remove (f->watch, process);
  agl_process_unref (process);
  kill_and_reap (pid);
  run_what_is_ready (f->context);
  g_assert_cmpuint (f->n_deaths, ==, 0);
  close (copy);
}

static void
test_a_storm (Fixture *f, gconstpointer unused)
{
  g_autoptr (GPtrArray) processes = g_ptr_array_new_with_free_func ((GDestroyNotify)agl_process_unref);
  const guint n_rest = 10;

  for (guint i = 0; i < N_STORM + n_rest; i++)
    g_ptr_array_add (processes, watch_process (f));
  g_assert_cmpuint (agl_process_watch_count (f->watch), ==, N_STORM + n_rest);
  for (guint i = 0; i < N_STORM; i++)
    g_assert_cmpint (kill (agl_process_get_pid (processes->pdata[i]), SIGKILL), ==, 0);
  await_count (f->context, &f->n_deaths, N_STORM);

  for (guint i = 0; i < N_STORM; i++)
    {
      g_assert_cmpuint (deaths_of (f, processes->pdata[i]), ==, 1);
      reap (agl_process_get_pid (processes->pdata[i]));
    }
  g_assert_cmpuint (agl_process_watch_count (f->watch), ==, n_rest);
  for (guint i = N_STORM; i < N_STORM + n_rest; i++)
    {
      g_assert_cmpuint (deaths_of (f, processes->pdata[i]), ==, 0);
      kill_and_reap (agl_process_get_pid (processes->pdata[i]));
    }
  await_count (f->context, &f->n_deaths, N_STORM + n_rest);
}

static gboolean
note_request (gpointer user_data)
{
  Fixture *f = user_data;

  g_assert_cmpuint (f->n_deaths, ==, 1);
  f->n_deaths++;
  return G_SOURCE_REMOVE;
}

static void
test_a_death_comes_before_a_later_request (Fixture *f, gconstpointer unused)
{
  g_autoptr (AglProcess) process = watch_process (f);
  g_autoptr (GSource) request = g_idle_source_new ();

  g_source_set_priority (request, G_PRIORITY_DEFAULT);
  g_source_set_callback (request, note_request, f, NULL);
  kill_and_reap (agl_process_get_pid (process));
  g_source_attach (request, f->context);
  await_count (f->context, &f->n_deaths, 2);
}

static void
no_descriptor_child (int unused)
{
  g_autoptr (GError) error = NULL;
  struct rlimit none = { 0, 0 };

  g_assert_cmpint (setrlimit (RLIMIT_NOFILE, &none), ==, 0);
  g_assert_null (agl_process_watch_new (NULL, on_died, NULL, &error));
  g_assert_error (error, AGL_ERROR, AGL_ERROR_UNAVAILABLE);
}

static void
test_no_descriptor (void)
{
  run_child (no_descriptor_child);
}

/* A storm's pidfds are more than the usual 1024. */
static void
allow_many_descriptors (void)
{
  struct rlimit limit;

  g_assert_cmpint (getrlimit (RLIMIT_NOFILE, &limit), ==, 0);
  limit.rlim_cur = MIN (limit.rlim_max, 4096);
  g_assert_cmpint (setrlimit (RLIMIT_NOFILE, &limit), ==, 0);
}

int
main (int argc, char **argv)
{
  static const struct
  {
    const char *path;
    void (*func) (Fixture *f, gconstpointer unused);
  } tests[] = {
    { "/process-watch/death-is-told-once", test_death_is_told_once },
    { "/process-watch/looked-for", test_deaths_are_looked_for },
    { "/process-watch/stopped-is-alive", test_the_stopped_are_alive },
    { "/process-watch/dead-before-watched", test_dead_before_watched },
    { "/process-watch/counted", test_watches_are_counted },
    { "/process-watch/unwatched", test_the_unwatched_die_unheard },
    { "/process-watch/removed-while-telling", test_removed_while_telling },
    { "/process-watch/added-while-telling", test_added_while_telling },
    { "/process-watch/copy-of-the-pidfd", test_a_copy_of_the_pidfd_tells_nothing },
    { "/process-watch/storm", test_a_storm },
    { "/process-watch/before-a-later-request", test_a_death_comes_before_a_later_request },
  };

  g_test_init (&argc, &argv, NULL);
  allow_many_descriptors ();
  for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
    g_test_add (tests[i].path, Fixture, NULL, set_up, tests[i].func, tear_down);
  g_test_add_func ("/process-watch/no-descriptor", test_no_descriptor);
  return g_test_run ();
}
