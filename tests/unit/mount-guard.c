/* SPDX-License-Identifier: MIT */
#include "core/mount-guard.h"

#include "children.h"
#include "core/command-line.h"

#include <sched.h>

#define ROOT "22 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"
#define NFS  "23 22 0:30 / /home/ann/far rw shared:1 master:2 - nfs4 server:/x rw\n"
#define FUSE "24 22 0:31 / /home/ann/near rw - fuse.sshfs server: rw\n"

static void
test_parse (void)
{
  g_assert_cmpint (agl_mount_guard_parse (ROOT, "/a"), ==, AGL_MOUNTS_ANYWHERE);
  g_assert_cmpint (agl_mount_guard_parse (ROOT FUSE, "/home/ann/near/x"), ==, AGL_MOUNTS_ANYWHERE);
  g_assert_cmpint (agl_mount_guard_parse (ROOT NFS, "/home/ann/far"), ==, AGL_MOUNTS_MAY_WAIT);
  g_assert_cmpint (agl_mount_guard_parse (ROOT NFS, "/home/ann/far/a/b (deleted)"), ==, AGL_MOUNTS_MAY_WAIT);
  g_assert_cmpint (agl_mount_guard_parse (ROOT NFS, "/home/ann/farther"), ==, AGL_MOUNTS_HERE);
  g_assert_cmpint (agl_mount_guard_parse (ROOT NFS, "/home/ann"), ==, AGL_MOUNTS_HERE);
  /* A local mount inside a far one, and one upon the other. */
  g_assert_cmpint (agl_mount_guard_parse (ROOT NFS "9 23 1:1 / /home/ann/far/in rw - xfs /dev/b rw\n",
                                          "/home/ann/far/in/x"),
                   ==, AGL_MOUNTS_HERE);
  g_assert_cmpint (
      agl_mount_guard_parse (ROOT NFS "9 23 1:1 / /home/ann/far rw - xfs /dev/b rw\n", "/home/ann/far/x"), ==,
      AGL_MOUNTS_MAY_WAIT);
  /* Escapes. */
  g_assert_cmpint (agl_mount_guard_parse (ROOT "9 22 0:1 / /a\\040b\\134 rw - 9p x rw\n", "/a b\\/c"), ==,
                   AGL_MOUNTS_MAY_WAIT);
  /* What is not understood, proves nothing. */
  g_assert_cmpint (agl_mount_guard_parse ("", "/a"), ==, AGL_MOUNTS_MAY_WAIT);
  g_assert_cmpint (agl_mount_guard_parse (ROOT "1 2 3", "/a"), ==, AGL_MOUNTS_MAY_WAIT);
  g_assert_cmpint (agl_mount_guard_parse (ROOT "1 2 - ext4 x", "/a"), ==, AGL_MOUNTS_MAY_WAIT);
  g_assert_cmpint (agl_mount_guard_parse (ROOT, "(unreachable)/a"), ==, AGL_MOUNTS_MAY_WAIT);
}

static void
test_distrust (void)
{
  g_autoptr (AglMountGuard) wary = NULL;
  int process = agl_command_line_open (-1, getpid ());
  gboolean same_view = FALSE;

  agl_mount_guard_distrust ("proc");
  wary = agl_mount_guard_new ();
  g_assert_true (agl_mount_guard_is_needed (wary));
  g_assert_cmpint (agl_mount_guard_judge (wary, process, "/proc/self", &same_view), ==, AGL_MOUNTS_MAY_WAIT);
  g_assert_true (same_view);
  agl_mount_guard_distrust (NULL);
  close (process);
}

static void
leave_view (int tell_fd)
{
  /* As an ordinary user, by way of a user namespace of one's own. */
  tell (tell_fd, unshare (CLONE_NEWNS) == 0 || unshare (CLONE_NEWUSER | CLONE_NEWNS) == 0);
}

static void
test_view (void)
{
  g_autoptr (AglMountGuard) guard = agl_mount_guard_new ();
  gint32 is_away = 0;
  pid_t away = start_child (leave_view, &is_away);
  pid_t here = start_child (idle_child, NULL);
  int process = agl_command_line_open (-1, away);
  int other = agl_command_line_open (-1, here);

  g_assert_true (is_away);
  g_assert_false (agl_mount_guard_is_same_view (guard, process));
  g_assert_true (agl_mount_guard_is_same_view (guard, other));
  close (process);
  close (other);
  kill_and_reap (away);
  kill_and_reap (here);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/mount-guard/parse", test_parse);
  g_test_add_func ("/mount-guard/distrust", test_distrust);
  g_test_add_func ("/mount-guard/view", test_view);
  return g_test_run ();
}
