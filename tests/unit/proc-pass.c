/* SPDX-License-Identifier: MIT */
#include "core/proc-pass.h"

#include <fcntl.h>

#include "children.h"

/* More than a hand, so that there is something to share. */
#define N_CHILDREN (3 * AGL_PROC_HAND)

typedef struct
{
  AglProcPass *pass;
  GArray *taken; /* pid_t */
} Taker;

static gpointer
take_all (gpointer data)
{
  Taker *taker = data;
  pid_t pids[AGL_PROC_HAND];
  int n;

  while ((n = agl_proc_pass_take (taker->pass, pids)) > 0)
    {
      g_assert_cmpint (n, <=, AGL_PROC_HAND);
      g_array_append_vals (taker->taken, pids, n);
    }
  g_assert_cmpint (n, ==, 0);
  return NULL;
}

static void
assert_ascending (GArray *pids)
{
  for (guint i = 1; i < pids->len; i++)
    g_assert_cmpint (g_array_index (pids, pid_t, i - 1), <, g_array_index (pids, pid_t, i));
}

static guint
count (GArray *pids, pid_t pid)
{
  guint n = 0;

  for (guint i = 0; i < pids->len; i++)
    n += g_array_index (pids, pid_t, i) == pid;
  return n;
}

/* Two threads: each process once, and none left out. */
static void
test_shared (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (AglProcPass) pass = agl_proc_pass_new (&error);
  g_autoptr (GArray) here = g_array_new (FALSE, FALSE, sizeof (pid_t));
  g_autoptr (GArray) there = g_array_new (FALSE, FALSE, sizeof (pid_t));
  Taker first = { pass, here }, second = { pass, there };
  pid_t children[N_CHILDREN];
  GThread *thread;

  g_assert_no_error (error);
  for (guint i = 0; i < N_CHILDREN; i++)
    children[i] = start_child (idle_child, NULL);
  thread = g_thread_new ("taker", take_all, &second);
  take_all (&first);
  g_thread_join (thread);

  assert_ascending (here);
  assert_ascending (there);
  g_assert_cmpuint (count (here, getpid ()) + count (there, getpid ()), ==, 1);
  for (guint i = 0; i < N_CHILDREN; i++)
    {
      g_assert_cmpuint (count (here, children[i]) + count (there, children[i]), ==, 1);
      kill_and_reap (children[i]);
    }
}

static void
test_ends (void)
{
  g_autoptr (AglProcPass) pass = agl_proc_pass_new (NULL);
  g_autoptr (GArray) all = g_array_new (FALSE, FALSE, sizeof (pid_t));
  Taker taker = { pass, all };
  pid_t pids[AGL_PROC_HAND];

  take_all (&taker);
  assert_ascending (all);
  g_assert_cmpuint (count (all, 1), ==, 1);
  g_assert_cmpuint (count (all, getpid ()), ==, 1);
  g_assert_cmpint (agl_proc_pass_take (pass, pids), ==, 0);
}

/* What cannot be read is no end. */
static void
test_unreadable (void)
{
  g_autoptr (AglProcPass) pass = agl_proc_pass_new (NULL);
  pid_t pids[AGL_PROC_HAND];
  int other = open ("/proc/self/stat", O_RDONLY | O_CLOEXEC);

  g_assert_cmpint (dup3 (other, agl_proc_pass_get_folder (pass), O_CLOEXEC), >=, 0);
  g_assert_cmpint (agl_proc_pass_take (pass, pids), ==, -1);
  close (other);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/proc-pass/shared", test_shared);
  g_test_add_func ("/proc-pass/ends", test_ends);
  g_test_add_func ("/proc-pass/unreadable", test_unreadable);
  return g_test_run ();
}
