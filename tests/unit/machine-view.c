/* SPDX-License-Identifier: MIT */
#include "core/machine-view.h"

#include <gio/gio.h>
#include <sched.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/directory.h"

/* A service with mounts of its own, as its unit gives it, looks at who has the machine's. Where these tests
 * run in a mount namespace that is not process 1's, or may not ask, nobody here has the machine's view. */

static char *
dup_link (const char *path)
{
  char text[64];
  ssize_t n = readlink (path, text, sizeof text);

  return n < 0 ? NULL : g_strndup (text, (gsize)n);
}

static gboolean
are_machines_mounts (void)
{
  g_autofree char *ours = dup_link ("/proc/self/ns/mnt");
  g_autofree char *machines = dup_link ("/proc/1/ns/mnt");

  return machines != NULL && g_strcmp0 (ours, machines) == 0;
}

static void
test_ones_own_view_is_no_other (void)
{
  g_assert_false (agl_machine_view_is_of (getpid ()));
}

static void
test_who_is_gone_has_none (void)
{
  g_assert_false (agl_machine_view_is_of (0x3fffffff));
}

/* Runs in a child with mounts of its own; exits with what went wrong. */
static void
look_from_apart (pid_t machine_process, gboolean expected)
{
  g_autoptr (AglProcess) process = agl_process_open (machine_process, NULL);
  g_autoptr (AglSubject) subject = agl_subject_new (process, getuid (), getgid (), NULL, 0, FALSE);
  g_autoptr (AglDirectory) directory = NULL;
  g_autoptr (GError) error = NULL;
  int root;

  if (unshare (CLONE_NEWNS) != 0)
    _exit (2);
  if (agl_machine_view_is_of (machine_process) != expected)
    _exit (3);
  if (!expected)
    _exit (0);
  root = agl_machine_view_open_root ();
  if (root < 0)
    _exit (4);
  close (root);
  /* Before Linux 6.8 a filesystem cannot be told for local without asking it. */
  directory = agl_directory_find (subject, "/", -1, AGL_ACCESS_REACH, AGL_PATIENCE_BLOCK, &error);
  if (directory == NULL)
    _exit (5);
  if (g_strcmp0 (agl_directory_get_path (directory), "/") != 0 || agl_directory_is_foreign (directory))
    _exit (6);
  _exit (0);
}

static void
test_the_machines_view_from_apart (void)
{
  gboolean expected = geteuid () == 0 && are_machines_mounts ();
  pid_t parent = getpid ();
  pid_t child = fork ();
  int status;

  g_assert_cmpint (child, >=, 0);
  if (child == 0)
    {
      if (geteuid () != 0)
        _exit (agl_machine_view_is_of (parent) ? 1 : 0);
      look_from_apart (parent, expected);
    }
  g_assert_cmpint (waitpid (child, &status, 0), ==, child);
  g_assert_true (WIFEXITED (status));
  g_assert_cmpint (WEXITSTATUS (status), ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/machine-view/own", test_ones_own_view_is_no_other);
  g_test_add_func ("/machine-view/gone", test_who_is_gone_has_none);
  g_test_add_func ("/machine-view/apart", test_the_machines_view_from_apart);
  return g_test_run ();
}
