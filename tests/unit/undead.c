/* SPDX-License-Identifier: MIT */
#include "core/undead.h"

#include <pthread.h>
#include <signal.h>

#include "children.h"

static void *
go_on (void *unused)
{
  for (;;)
    pause ();
  return NULL;
}

static void
run (int tell_fd)
{
  tell (tell_fd, 0);
  for (;;)
    pause ();
}

/* The main thread is gone and another goes on: /proc shows a zombie, which is alive. */
static void
run_without_main (int tell_fd)
{
  pthread_t thread;

  if (pthread_create (&thread, NULL, go_on, NULL) != 0)
    _exit (98);
  tell (tell_fd, 0);
  pthread_exit (NULL);
}

static char
state_of (pid_t pid)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/stat", (int)pid);
  g_autofree char *text = NULL;

  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  return strrchr (text, ')')[2];
}

static void
wait_for_state (pid_t pid, char state)
{
  gint64 limit = g_get_monotonic_time () + 30 * G_USEC_PER_SEC;

  while (state_of (pid) != state && g_get_monotonic_time () < limit)
    g_usleep (500);
  g_assert_cmpint (state_of (pid), ==, state);
}

static void
test_who_runs (void)
{
  pid_t pid = start_child (run, NULL);

  g_assert_cmpint (agl_life_of (getpid ()), ==, AGL_LIFE_UNKNOWN);
  g_assert_cmpint (agl_life_of (pid), ==, AGL_LIFE_UNKNOWN);
  kill (pid, SIGSTOP);
  wait_for_state (pid, 'T');
  g_assert_cmpint (agl_life_of (pid), ==, AGL_LIFE_UNKNOWN);
  kill_and_reap (pid);
  g_assert_cmpint (agl_life_of (pid), ==, AGL_LIFE_UNKNOWN);
}

static void
test_who_runs_without_its_main_thread (void)
{
  pid_t pid = start_child (run_without_main, NULL);

  wait_for_state (pid, 'Z');
  g_assert_cmpint (agl_life_of (pid), ==, AGL_LIFE_UNKNOWN);
  kill_and_reap (pid);
}

static void
test_a_zombie (void)
{
  pid_t pid = start_child (run, NULL);

  kill (pid, SIGKILL);
  wait_for_state (pid, 'Z');
  g_assert_cmpint (agl_life_of (pid), ==, AGL_LIFE_OVER);
  kill_and_reap (pid);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/undead/who-runs", test_who_runs);
  g_test_add_func ("/undead/who-runs-without-its-main-thread", test_who_runs_without_its_main_thread);
  g_test_add_func ("/undead/a-zombie", test_a_zombie);
  return g_test_run ();
}
