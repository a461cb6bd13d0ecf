/* SPDX-License-Identifier: MIT */
#pragma once
#include <glib.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/process.h"

/* Children: each tells through the pipe when it is set up, and ends with the test at the latest. */

typedef void (*ChildFunc) (int tell_fd);

static inline void G_GNUC_NORETURN
sleep_for_ever (void)
{
  for (;;)
    pause ();
}

static inline void
tell (int fd, gint32 value)
{
  if (write (fd, &value, sizeof value) != sizeof value)
    _exit (99);
}

static inline gint32
hear (int fd)
{
  gint32 value = -1;

  g_assert_cmpint (read (fd, &value, sizeof value), ==, sizeof value);
  return value;
}

/* Runs @child in a process of its own; returns its number. *@heard is what it told first. */
static inline pid_t
start_child (ChildFunc child, gint32 *heard)
{
  int ends[2];
  gint32 value;
  pid_t pid;

  g_assert_cmpint (pipe2 (ends, O_CLOEXEC), ==, 0);
  pid = fork ();
  g_assert_cmpint (pid, >=, 0);
  if (pid == 0)
    {
      prctl (PR_SET_PDEATHSIG, SIGKILL);
      close (ends[0]);
      child (ends[1]);
      sleep_for_ever ();
    }
  close (ends[1]);
  value = hear (ends[0]);
  close (ends[0]);
  if (heard != NULL)
    *heard = value;
  return pid;
}

static inline void
idle_child (int tell_fd)
{
  tell (tell_fd, 0);
}

static inline void
kill_unreaped (pid_t pid)
{
  siginfo_t info;

  g_assert_cmpint (kill (pid, SIGKILL), ==, 0);
  g_assert_cmpint (waitid (P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), ==, 0);
}

static inline void
reap (pid_t pid)
{
  g_assert_cmpint (waitpid (pid, NULL, 0), ==, pid);
}

static inline void
kill_and_reap (pid_t pid)
{
  g_assert_cmpint (kill (pid, SIGKILL), ==, 0);
  reap (pid);
}

/* Runs @child, which exits with 0 when all is well. Its assertions abort, and show on stderr. */
static inline void
run_child (ChildFunc child)
{
  int status;
  pid_t pid = fork ();

  g_assert_cmpint (pid, >=, 0);
  if (pid == 0)
    {
      prctl (PR_SET_PDEATHSIG, SIGKILL);
      child (-1);
      _exit (0);
    }
  g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
  g_assert_cmpint (status, ==, 0);
}

static inline AglProcess *
open_ok (pid_t pid)
{
  g_autoptr (GError) error = NULL;
  AglProcess *process = agl_process_open (pid, &error);

  g_assert_no_error (error);
  g_assert_nonnull (process);
  return process;
}
