/* SPDX-License-Identifier: MIT */
#include "core/process.h"

#include <string.h>

#include "children.h"
#include "common/error.h"

static void
test_status (void)
{
  g_autoptr (AglProcess) process = NULL;
  g_autoptr (GError) error = NULL;
  AglProcessStatus status;
  pid_t pid = start_child (idle_child, NULL);

  process = open_ok (pid);
  g_assert_true (agl_process_read_status (process, &status, &error));
  g_assert_no_error (error);
  g_assert_cmpint (status.parent, ==, getpid ());
  g_assert_cmpuint (status.real_uid, ==, getuid ());
  g_assert_cmpuint (status.effective_uid, ==, geteuid ());
  g_assert_cmpuint (status.saved_uid, ==, geteuid ());
  g_assert_cmpuint (status.effective_gid, ==, getegid ());

  kill_unreaped (pid);
  g_assert_false (agl_process_read_status (process, &status, &error));
  g_assert_error (error, AGL_ERROR, AGL_ERROR_NO_SUCH_PROCESS);
  reap (pid);
}

static void
three_uids_child (int tell_fd)
{
  if (setresgid (10, 11, 12) != 0 || setresuid (1, 2, 3) != 0)
    _exit (96);
  tell (tell_fd, 0);
}

static void
test_status_of_many_uids (void)
{
  g_autoptr (AglProcess) process = NULL;
  g_autoptr (GError) error = NULL;
  AglProcessStatus status;
  pid_t pid = start_child (three_uids_child, NULL);

  process = open_ok (pid);
  g_assert_true (agl_process_read_status (process, &status, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (status.real_uid, ==, 1);
  g_assert_cmpuint (status.effective_uid, ==, 2);
  g_assert_cmpuint (status.saved_uid, ==, 3);
  g_assert_cmpuint (status.effective_gid, ==, 11);
  kill_and_reap (pid);
}

static void
odd_name_child (int tell_fd)
{
  prctl (PR_SET_NAME, "a)\nUid:\t9\x1b\xff");
  tell (tell_fd, 0);
}

static void
test_a_name_is_harmless (void)
{
  g_autoptr (AglProcess) process = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *command = NULL;
  g_autofree char *afterwards = NULL;
  AglProcessStatus status;
  guint64 start_time;
  g_autofree char *path = NULL;
  g_autofree char *stat_text = NULL;
  gsize n_bytes;
  pid_t parent;
  pid_t pid = start_child (odd_name_child, NULL);

  process = open_ok (pid);
  command = agl_process_dup_command (process);
  g_assert_cmpstr (command, ==, "a)\\nUid:\\t9\\x1b\\xff");
  g_assert_true (agl_process_read_status (process, &status, &error));
  g_assert_cmpuint (status.real_uid, ==, getuid ());
  path = g_strdup_printf ("/proc/%d/stat", (int)pid);
  g_assert_true (g_file_get_contents (path, &stat_text, &n_bytes, NULL));
  g_assert_true (agl_process_parse_stat (stat_text, n_bytes, &parent, &start_time));
  g_assert_cmpint (parent, ==, getpid ());

  kill_unreaped (pid);
  afterwards = agl_process_dup_command (process);
  g_assert_cmpstr (afterwards, ==, "");
  reap (pid);
}

static void
parent_of_one_child (int tell_fd)
{
  pid_t pid = fork ();

  if (pid == 0)
    {
      prctl (PR_SET_PDEATHSIG, 0);
      tell (tell_fd, (gint32)getpid ());
      sleep_for_ever ();
    }
}

static void
test_descent (void)
{
  g_autoptr (AglProcess) self = open_ok (getpid ());
  g_autoptr (AglProcess) init = open_ok (1);
  g_autoptr (AglProcess) child = NULL;
  g_autoptr (AglProcess) grandchild = NULL;
  g_autoptr (AglProcess) sibling = NULL;
  gint32 grandchild_pid;
  pid_t child_pid = start_child (parent_of_one_child, &grandchild_pid);
  pid_t sibling_pid = start_child (idle_child, NULL);

  child = open_ok (child_pid);
  grandchild = open_ok (grandchild_pid);
  sibling = open_ok (sibling_pid);

  g_assert_true (agl_process_is_self_or_descendant_of (self, self));
  g_assert_true (agl_process_is_self_or_descendant_of (child, self));
  g_assert_true (agl_process_is_self_or_descendant_of (grandchild, child));
  g_assert_true (agl_process_is_self_or_descendant_of (grandchild, self));
  g_assert_true (agl_process_is_self_or_descendant_of (self, init));
  g_assert_false (agl_process_is_self_or_descendant_of (self, child));
  g_assert_false (agl_process_is_self_or_descendant_of (sibling, child));
  g_assert_false (agl_process_is_self_or_descendant_of (grandchild, sibling));

  /* Its parent dead, even unreaped, it descends from nobody here. */
  kill_unreaped (child_pid);
  g_assert_false (agl_process_is_self_or_descendant_of (grandchild, child));
  g_assert_false (agl_process_is_self_or_descendant_of (grandchild, self));
  g_assert_false (agl_process_is_self_or_descendant_of (child, self));
  reap (child_pid);
  g_assert_cmpint (kill (grandchild_pid, SIGKILL), ==, 0);
  kill_and_reap (sibling_pid);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/process-facts/status", test_status);
  g_test_add_func ("/process-facts/name", test_a_name_is_harmless);
  g_test_add_func ("/process-facts/descent", test_descent);
  if (geteuid () == 0) /* other users are root's to become */
    g_test_add_func ("/process-facts/status-of-many-uids", test_status_of_many_uids);
  return g_test_run ();
}
