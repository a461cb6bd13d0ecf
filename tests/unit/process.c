/* SPDX-License-Identifier: MIT */
#include "core/process.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "children.h"
#include "common/error.h"

#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL
#endif

static void
assert_cannot_open (pid_t pid, AglError code)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (agl_process_open (pid, &error));
  g_assert_error (error, AGL_ERROR, (gint)code);
}

/* --- Which process --- */

static void
test_the_same_process_twice (void)
{
  g_autoptr (AglProcess) one = open_ok (getpid ());
  g_autoptr (AglProcess) other = open_ok (getpid ());
  g_autoptr (AglProcess) parent = open_ok (getppid ());

  g_assert_cmpint (agl_process_get_pid (one), ==, getpid ());
  g_assert_cmpint (agl_process_get_pidfd (one), !=, agl_process_get_pidfd (other));
  g_assert_true (agl_process_equal (one, other));
  g_assert_cmpuint (agl_process_hash (one), ==, agl_process_hash (other));
  g_assert_false (agl_process_equal (one, parent));
  g_assert_cmpint (fcntl (agl_process_get_pidfd (one), F_GETFD) & FD_CLOEXEC, !=, 0);
}

static void
test_no_such_process (void)
{
  pid_t pid = start_child (idle_child, NULL);

  kill_unreaped (pid);
  assert_cannot_open (pid, AGL_ERROR_NO_SUCH_PROCESS); /* a zombie */
  reap (pid);
  assert_cannot_open (pid, AGL_ERROR_NO_SUCH_PROCESS);
  assert_cannot_open (0, AGL_ERROR_NO_SUCH_PROCESS);
  assert_cannot_open (-1, AGL_ERROR_NO_SUCH_PROCESS);
  assert_cannot_open (G_MAXINT, AGL_ERROR_NO_SUCH_PROCESS);
}

static void
test_alive_until_dead (void)
{
  g_autoptr (AglProcess) process = NULL;
  siginfo_t info;
  pid_t pid = start_child (idle_child, NULL);

  process = open_ok (pid);
  g_assert_true (agl_process_is_alive (process));

  g_assert_cmpint (kill (pid, SIGSTOP), ==, 0);
  g_assert_cmpint (waitid (P_PID, (id_t)pid, &info, WSTOPPED), ==, 0);
  g_assert_true (agl_process_is_alive (process));

  kill_unreaped (pid);
  g_assert_false (agl_process_is_alive (process));
  reap (pid);
  g_assert_false (agl_process_is_alive (process));
}

static void *
thread_of_leaderless (void *data)
{
  char path[64];
  gboolean is_zombie = FALSE;

  /* The leader is seen to be gone before the test looks. */
  g_snprintf (path, sizeof path, "/proc/%d/stat", (int)getpid ());
  while (!is_zombie)
    {
      char text[512] = "";
      int fd = open (path, O_RDONLY);

      if (fd < 0 || read (fd, text, sizeof text - 1) <= 0)
        _exit (98);
      close (fd);
      is_zombie = strstr (text, ") Z ") != NULL;
      sched_yield ();
    }
  tell (GPOINTER_TO_INT (data), 0);
  sleep_for_ever ();
}

static void
leaderless_child (int tell_fd)
{
  pthread_t thread;

  if (pthread_create (&thread, NULL, thread_of_leaderless, GINT_TO_POINTER (tell_fd)) != 0)
    _exit (97);
  syscall (SYS_exit, 0);
}

static void
test_a_process_outlives_its_first_thread (void)
{
  g_autoptr (AglProcess) process = NULL;
  g_autoptr (AglProcess) again = NULL;
  g_autoptr (GError) error = NULL;
  AglProcessStatus status;
  pid_t pid = start_child (leaderless_child, NULL);

  process = open_ok (pid);
  g_assert_true (agl_process_is_alive (process));
  g_assert_true (agl_process_read_status (process, &status, &error));
  g_assert_no_error (error);
  g_assert_cmpint (status.parent, ==, getpid ());
  again = agl_process_reopen (agl_process_get_token (process), &error);
  g_assert_no_error (error);
  kill_and_reap (pid);
  g_assert_false (agl_process_is_alive (process));
}

/* --- By descriptor --- */

static int
pidfd_open_raw (pid_t pid, guint flags)
{
  return (int)syscall (SYS_pidfd_open, pid, flags);
}

static void
test_a_pidfd_is_taken (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (AglProcess) opened = NULL;
  AglProcess *taken;
  pid_t pid = start_child (idle_child, NULL);
  int pidfd = pidfd_open_raw (pid, 0);

  g_assert_cmpint (fcntl (pidfd, F_SETFD, 0), ==, 0);
  opened = open_ok (pid);
  taken = agl_process_new_take_pidfd (pidfd, &error);
  g_assert_no_error (error);
  g_assert_cmpint (agl_process_get_pid (taken), ==, pid);
  g_assert_cmpint (agl_process_get_pidfd (taken), ==, pidfd);
  g_assert_cmpint (fcntl (pidfd, F_GETFD), ==, FD_CLOEXEC);
  g_assert_true (agl_process_equal (taken, opened));
  agl_process_unref (agl_process_ref (taken));
  g_assert_cmpint (fcntl (pidfd, F_GETFD), >=, 0);
  agl_process_unref (taken);
  g_assert_cmpint (fcntl (pidfd, F_GETFD), ==, -1);
  kill_and_reap (pid);
}

/* Closes @fd, which must still be there. */
static void
assert_not_taken (int fd, AglError code)
{
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (fd, >=, 0);
  g_assert_null (agl_process_new_take_pidfd (fd, &error));
  g_assert_error (error, AGL_ERROR, (gint)code);
  g_assert_cmpint (close (fd), ==, 0);
}

static void
test_what_is_no_pidfd_is_refused (void)
{
  g_autoptr (GError) error = NULL;
  int pair[2];

  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM, 0, pair), ==, 0);
  assert_not_taken (pair[0], AGL_ERROR_INVALID_OPTION);
  assert_not_taken (pair[1], AGL_ERROR_INVALID_OPTION);
  assert_not_taken (open ("/proc/self/status", O_RDONLY), AGL_ERROR_INVALID_OPTION);
  assert_not_taken (open ("/proc/self", O_RDONLY | O_DIRECTORY), AGL_ERROR_INVALID_OPTION);
  assert_not_taken (open ("/", O_PATH), AGL_ERROR_INVALID_OPTION);
  assert_not_taken (eventfd (0, 0), AGL_ERROR_INVALID_OPTION);
  g_assert_null (agl_process_new_take_pidfd (-1, &error));
  g_assert_error (error, AGL_ERROR, AGL_ERROR_INVALID_OPTION);
  g_clear_error (&error);
  g_assert_null (agl_process_new_take_pidfd (pair[0], &error)); /* closed above */
  g_assert_error (error, AGL_ERROR, AGL_ERROR_INVALID_OPTION);
}

static void
test_the_pidfd_of_the_dead_is_refused (void)
{
  pid_t pid = start_child (idle_child, NULL);
  int of_zombie = pidfd_open_raw (pid, 0);
  int of_reaped = pidfd_open_raw (pid, 0);

  kill_unreaped (pid);
  assert_not_taken (of_zombie, AGL_ERROR_NO_SUCH_PROCESS);
  reap (pid);
  assert_not_taken (of_reaped, AGL_ERROR_NO_SUCH_PROCESS);
}

static void *
thread_that_tells_its_number (void *data)
{
  tell (GPOINTER_TO_INT (data), (gint32)syscall (SYS_gettid));
  sleep_for_ever ();
}

static void
threaded_child (int tell_fd)
{
  pthread_t thread;

  if (pthread_create (&thread, NULL, thread_that_tells_its_number, GINT_TO_POINTER (tell_fd)) != 0)
    _exit (97);
}

static void
test_the_pidfd_of_a_thread_is_its_process (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (AglProcess) process = NULL;
  gint32 tid;
  pid_t pid = start_child (threaded_child, &tid);
  int pidfd;

  g_assert_cmpint (tid, !=, pid);
  assert_cannot_open (tid, AGL_ERROR_NO_SUCH_PROCESS);

  /* Before Linux 6.9 there is no such thing, so nobody can send one. */
  pidfd = pidfd_open_raw (tid, PIDFD_THREAD);
  if (pidfd >= 0)
    {
      process = agl_process_new_take_pidfd (pidfd, &error);
      g_assert_no_error (error);
      g_assert_cmpint (agl_process_get_pid (process), ==, pid);
      g_assert_true (agl_process_is_alive (process));
      g_assert_cmpint (fcntl (agl_process_get_pidfd (process), F_GETFL) & PIDFD_THREAD, ==, 0);
    }
  kill_and_reap (pid);
}

static void
sees_nothing_outside_child (int unused)
{
  /* A pidfd from outside, seen from a PID namespace inside. */
  int outside = pidfd_open_raw (getppid (), 0);
  pid_t inside;
  int status;

  g_assert_cmpint (unshare (CLONE_NEWPID | CLONE_NEWNS), ==, 0);
  inside = fork ();
  if (inside == 0)
    {
      g_assert_cmpint (mount ("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), ==, 0);
      g_assert_cmpint (mount ("proc", "/proc", "proc", 0, NULL), ==, 0);
      assert_not_taken (outside, AGL_ERROR_NO_SUCH_PROCESS);
      _exit (0);
    }
  g_assert_cmpint (waitpid (inside, &status, 0), ==, inside);
  g_assert_cmpint (status, ==, 0);
}

static void
hidden_processes_child (int unused)
{
  g_autoptr (AglProcess) opened_before = open_ok (getppid ());
  g_autoptr (AglProcess) opened_after = NULL;
  g_autoptr (GError) error = NULL;
  AglProcessStatus status;

  g_assert_cmpint (unshare (CLONE_NEWNS), ==, 0);
  g_assert_cmpint (mount ("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), ==, 0);
  g_assert_cmpint (mount ("proc", "/proc", "proc", 0, "hidepid=2"), ==, 0);
  g_assert_cmpint (setgid (65534), ==, 0);
  g_assert_cmpint (setuid (65534), ==, 0);

  g_assert_true (agl_process_is_alive (opened_before));
  g_assert_false (agl_process_read_status (opened_before, &status, &error));
  g_assert_error (error, AGL_ERROR, AGL_ERROR_NOT_PERMITTED);
  g_clear_error (&error);

  opened_after = agl_process_reopen (agl_process_get_token (opened_before), &error);
  if (agl_process_get_token (opened_before)->kind == AGL_TOKEN_PIDFS)
    g_assert_no_error (error); /* pidfs hides nobody */
  else
    g_assert_error (error, AGL_ERROR, AGL_ERROR_NOT_PERMITTED);
}

/* --- After a restart --- */

static void
test_reopen_by_token (void)
{
  g_autoptr (AglProcess) process = NULL;
  g_autoptr (AglProcess) again = NULL;
  g_autoptr (GError) error = NULL;
  AglProcessToken other;
  pid_t pid = start_child (idle_child, NULL);

  process = open_ok (pid);
  again = agl_process_reopen (agl_process_get_token (process), &error);
  g_assert_no_error (error);
  g_assert_true (agl_process_equal (process, again));

  other = *agl_process_get_token (process);
  other.value--;
  g_assert_null (agl_process_reopen (&other, &error));
  g_assert_error (error, AGL_ERROR, AGL_ERROR_NO_SUCH_PROCESS);
  g_clear_error (&error);

  kill_unreaped (pid);
  g_assert_null (agl_process_reopen (agl_process_get_token (process), &error));
  g_assert_error (error, AGL_ERROR, AGL_ERROR_NO_SUCH_PROCESS);
  g_clear_error (&error);
  reap (pid);
  g_assert_null (agl_process_reopen (agl_process_get_token (process), &error));
  g_assert_error (error, AGL_ERROR, AGL_ERROR_NO_SUCH_PROCESS);
}

static guint64
own_start_time (void)
{
  g_autofree char *text = NULL;
  gsize n_bytes;
  guint64 start_time;

  g_assert_true (g_file_get_contents ("/proc/self/stat", &text, &n_bytes, NULL));
  g_assert_true (agl_process_parse_stat (text, n_bytes, NULL, &start_time));
  return start_time;
}

static void
test_reopen_by_start_time (void)
{
  AglProcessToken token = { AGL_TOKEN_START_TIME, getpid (), own_start_time () };
  g_autoptr (GError) error = NULL;
  g_autoptr (AglProcess) self = open_ok (getpid ());
  g_autoptr (AglProcess) again = agl_process_reopen (&token, &error);

  g_assert_no_error (error);
  g_assert_true (agl_process_equal (self, again));
  token.value++;
  g_assert_null (agl_process_reopen (&token, &error));
  g_assert_error (error, AGL_ERROR, AGL_ERROR_NO_SUCH_PROCESS);
}

static pid_t
fork_with_number (pid_t pid)
{
  struct clone_args args = { .exit_signal = SIGCHLD, .set_tid = (guint64)(gsize)&pid, .set_tid_size = 1 };
  pid_t child = (pid_t)syscall (SYS_clone3, &args, sizeof args);

  if (child == 0)
    {
      syscall (SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);
      for (;;)
        syscall (SYS_pause);
    }
  return child;
}

static void
test_a_number_used_again (void)
{
  g_autoptr (AglProcess) first = NULL;
  g_autoptr (AglProcess) second = NULL;
  g_autoptr (GError) error = NULL;
  pid_t pid = start_child (idle_child, NULL);

  first = open_ok (pid);
  kill_and_reap (pid);
  g_assert_cmpint (fork_with_number (pid), ==, pid);
  second = open_ok (pid);

  g_assert_false (agl_process_is_alive (first));
  g_assert_true (agl_process_is_alive (second));
  if (agl_process_get_token (first)->kind == AGL_TOKEN_PIDFS) /* a start time may fall into the same tick */
    {
      g_assert_false (agl_process_equal (first, second));
      g_assert_null (agl_process_reopen (agl_process_get_token (first), &error));
      g_assert_error (error, AGL_ERROR, AGL_ERROR_NO_SUCH_PROCESS);
    }
  kill_and_reap (pid);
}

static void
test_without_pidfs (void)
{
  if (g_test_subprocess ())
    {
      AglProcessToken of_pidfs = { AGL_TOKEN_PIDFS, getpid (), 1 };
      g_autoptr (GError) error = NULL;
      g_autoptr (AglProcess) self = open_ok (getpid ());

      g_assert_cmpint (agl_process_get_token (self)->kind, ==, AGL_TOKEN_START_TIME);
      g_assert_cmpuint (agl_process_get_token (self)->value, ==, own_start_time ());
      test_the_same_process_twice ();
      test_reopen_by_token ();
      test_a_pidfd_is_taken ();
      if (geteuid () == 0)
        run_child (hidden_processes_child);

      /* Cannot be compared: proves nothing, unless nobody has the number. */
      g_assert_null (agl_process_reopen (&of_pidfs, &error));
      g_assert_error (error, AGL_ERROR, AGL_ERROR_UNAVAILABLE);
      g_clear_error (&error);
      of_pidfs.pid = G_MAXINT;
      g_assert_null (agl_process_reopen (&of_pidfs, &error));
      g_assert_error (error, AGL_ERROR, AGL_ERROR_NO_SUCH_PROCESS);
      return;
    }
  g_setenv (AGL_DISABLE_PIDFS_ENV, "1", TRUE);
  g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_INHERIT_STDERR);
  g_unsetenv (AGL_DISABLE_PIDFS_ENV);
  g_test_trap_assert_passed ();
}

/* No descriptor left is no proof of anything. */
static void
no_descriptors_child (int unused)
{
  g_autoptr (AglProcess) self = open_ok (getpid ());
  g_autoptr (GError) error = NULL;
  AglProcessToken token = *agl_process_get_token (self);
  AglProcessStatus status;
  struct rlimit limit;
  int spare = open ("/", O_PATH);
  int dead = -1;
  pid_t pid = start_child (idle_child, NULL);

  dead = pidfd_open_raw (pid, 0);
  kill_and_reap (pid);
  g_assert_cmpint (getrlimit (RLIMIT_NOFILE, &limit), ==, 0);
  limit.rlim_cur = (rlim_t)MAX (spare, dead) + 1;
  g_assert_cmpint (setrlimit (RLIMIT_NOFILE, &limit), ==, 0);
  while (dup (spare) >= 0)
    ;

  assert_cannot_open (getpid (), AGL_ERROR_UNAVAILABLE);
  g_assert_null (agl_process_reopen (&token, &error));
  g_assert_error (error, AGL_ERROR, AGL_ERROR_UNAVAILABLE);
  g_clear_error (&error);
  g_assert_null (agl_process_new_take_pidfd (dead, &error));
  g_assert_error (error, AGL_ERROR, AGL_ERROR_UNAVAILABLE);
  g_clear_error (&error);
  g_assert_false (agl_process_read_status (self, &status, &error));
  g_assert_error (error, AGL_ERROR, AGL_ERROR_UNAVAILABLE);
  g_clear_error (&error);

  /* One left: enough for the pidfd, not for /proc. */
  close (spare);
  token.kind = AGL_TOKEN_START_TIME;
  g_assert_null (agl_process_reopen (&token, &error));
  g_assert_error (error, AGL_ERROR, AGL_ERROR_UNAVAILABLE);

  /* poll(2) refuses more descriptors than the limit, and a poll that fails has seen no death. */
  limit.rlim_cur = 0;
  g_assert_cmpint (setrlimit (RLIMIT_NOFILE, &limit), ==, 0);
  g_assert_true (agl_process_is_alive (self));
}

static void
test_in_a_child (gconstpointer child)
{
  run_child ((ChildFunc)(gsize)child);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/process/the-same-process-twice", test_the_same_process_twice);
  g_test_add_func ("/process/no-such-process", test_no_such_process);
  g_test_add_func ("/process/alive-until-dead", test_alive_until_dead);
  g_test_add_func ("/process/outlives-its-first-thread", test_a_process_outlives_its_first_thread);
  g_test_add_func ("/process/pidfd/is-taken", test_a_pidfd_is_taken);
  g_test_add_func ("/process/pidfd/what-is-none-is-refused", test_what_is_no_pidfd_is_refused);
  g_test_add_func ("/process/pidfd/of-the-dead-is-refused", test_the_pidfd_of_the_dead_is_refused);
  g_test_add_func ("/process/pidfd/of-a-thread", test_the_pidfd_of_a_thread_is_its_process);
  g_test_add_func ("/process/reopen/by-token", test_reopen_by_token);
  g_test_add_func ("/process/reopen/by-start-time", test_reopen_by_start_time);
  g_test_add_func ("/process/without-pidfs", test_without_pidfs);
  g_test_add_data_func ("/process/no-descriptors", (gconstpointer)(gsize)no_descriptors_child,
                        test_in_a_child);
  if (geteuid () == 0) /* other users and namespaces: root's to make */
    {
      g_test_add_func ("/process/reopen/a-number-used-again", test_a_number_used_again);
      g_test_add_data_func ("/process/pidfd/of-another-namespace",
                            (gconstpointer)(gsize)sees_nothing_outside_child, test_in_a_child);
      g_test_add_data_func ("/process/hidden", (gconstpointer)(gsize)hidden_processes_child, test_in_a_child);
    }
  return g_test_run ();
}
