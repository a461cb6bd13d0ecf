/* SPDX-License-Identifier: MIT */
#include "client/service.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/exit-status.h"
#include "config.h"

#define DAEMON_NAME "agentctl-locksd"

/* For trying out a build that is not installed. */
#define DAEMON_ENV "AGENTCTL_LOCKS_DAEMON"

/* It reads its saved locks first: ten thousand take well under a second. */
#define READY_TIMEOUT_MSEC 15000

/* An instance that nobody uses for ten minutes ends; the next command starts another. */
#define IDLE_EXIT "--idle-exit=600"

/* What the service writes to its standard error is kept beside its socket, up to this size per start. */
#define LOG_NAME      "log"
#define MAX_LOG_BYTES (1024 * 1024)

/* Of a failed start, this much of its last words is shown. */
#define MAX_SHOWN_BYTES 2048

static gboolean
set_start_error (GError **error, const char *what, int saved_errno)
{
  /* Translators: what failed, why */
  g_set_error (error, AGL_EXIT_ERROR, AGL_EXIT_NO_SERVICE, _ ("cannot start the service: %s: %s"), what,
               g_strerror (saved_errno));
  return FALSE;
}

static char *
find_daemon (void)
{
  const char *override = g_getenv (DAEMON_ENV);
  g_autofree char *self = g_file_read_link ("/proc/self/exe", NULL);
  g_autofree char *folder = self == NULL ? NULL : g_path_get_dirname (self);
  g_autofree char *beside = folder == NULL ? NULL : g_build_filename (folder, DAEMON_NAME, NULL);

  if (override != NULL && *override != '\0')
    return g_strdup (override);
  if (beside != NULL && access (beside, X_OK) == 0)
    return g_steal_pointer (&beside);
  if (access (AGL_DAEMON, X_OK) == 0)
    return g_strdup (AGL_DAEMON);
  return g_find_program_in_path (DAEMON_NAME);
}

/* sd_notify(3): a datagram socket whose name stands in $NOTIFY_SOCKET. Bound without a name, the kernel gives
 * it an abstract one (unix(7), "autobind"), which is gone with us and leaves no file. */
static int
open_notify_socket (char **name, GError **error)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  socklen_t length = sizeof address;
  int fd = socket (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

  if (fd < 0 || bind (fd, (struct sockaddr *)&address, sizeof (sa_family_t)) < 0
      || getsockname (fd, (struct sockaddr *)&address, &length) < 0)
    {
      set_start_error (error, "socket", errno);
      if (fd >= 0)
        close (fd);
      return -1;
    }
  *name = g_strndup (address.sun_path + 1, length - offsetof (struct sockaddr_un, sun_path) - 1);
  return fd;
}

/* The daemon's standard error; -1 where there is no place for one. *offset: where this start's words begin.
 */
static int
open_log (const char *runtime_dir, off_t *offset)
{
  g_autofree char *path = g_build_filename (runtime_dir, LOG_NAME, NULL);
  struct stat st;
  int fd;

  if (g_mkdir_with_parents (runtime_dir, 0700) < 0)
    return -1;
  fd = open (path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
  if (fd < 0)
    return -1;
  if (fstat (fd, &st) < 0 || !S_ISREG (st.st_mode)
      || (st.st_size > MAX_LOG_BYTES && (ftruncate (fd, 0) < 0 || fstat (fd, &st) < 0)))
    {
      close (fd);
      return -1;
    }
  *offset = st.st_size;
  return fd;
}

static char *
read_log (int fd, off_t offset)
{
  char buffer[MAX_SHOWN_BYTES];
  struct stat st;
  ssize_t n;

  if (fd < 0 || fstat (fd, &st) < 0)
    return g_strdup ("");
  offset = MAX (offset, st.st_size - (off_t)sizeof buffer);
  n = pread (fd, buffer, sizeof buffer, offset);
  while (n > 0 && g_ascii_isspace (buffer[n - 1]))
    n--;
  return n > 0 ? g_strndup (buffer, n) : g_strdup ("");
}

/* --- between fork(2) and exec: async-signal-safe calls only --- */

typedef struct
{
  const char *program;
  char **argv;
  char **envp;
  int log_fd;
} Launch;

static void
close_from (int first)
{
#ifdef SYS_close_range
  if (syscall (SYS_close_range, (unsigned)first, ~0U, 0) == 0) /* Linux 5.9 */
    return;
#endif
  for (int fd = first; fd < 1024; fd++)
    (void)close (fd);
}

static void
reset_signals (void)
{
  struct sigaction plain = { .sa_handler = SIG_DFL };
  sigset_t none;

  for (int number = 1; number < NSIG; number++)
    (void)sigaction (number, &plain, NULL); /* SIGKILL and SIGSTOP refuse, as they should */
  if (sigemptyset (&none) == 0)
    (void)sigprocmask (SIG_SETMASK, &none, NULL);
}

static void G_GNUC_NORETURN
become_daemon (const Launch *launch)
{
  int null = open ("/dev/null", O_RDWR);

  reset_signals ();
  umask (0077);
  if (null < 0 || chdir ("/") < 0 || dup2 (null, STDIN_FILENO) < 0 || dup2 (null, STDOUT_FILENO) < 0
      || dup2 (launch->log_fd >= 0 ? launch->log_fd : null, STDERR_FILENO) < 0)
    _exit (AGL_EXIT_NOT_EXECUTABLE);
  close_from (STDERR_FILENO + 1);
  execve (launch->program, launch->argv, launch->envp);
  _exit (errno == ENOENT ? AGL_EXIT_NOT_FOUND : AGL_EXIT_NOT_EXECUTABLE);
}

/* The process between us and the daemon. It leads the new session, so that no terminal's end reaches the
 * daemon, and lives only until the start is decided: it ends when the daemon does, in the same way, or we end
 * it, and then the daemon is nobody's child but init's. */
static void G_GNUC_NORETURN
stand_between (const Launch *launch)
{
  int status;
  pid_t pid;

  if (setsid () < 0)
    _exit (AGL_EXIT_NOT_EXECUTABLE);
  pid = fork ();
  if (pid < 0)
    _exit (AGL_EXIT_NOT_EXECUTABLE);
  if (pid == 0)
    become_daemon (launch);
  while (waitpid (pid, &status, 0) < 0)
    if (errno != EINTR)
      _exit (AGL_EXIT_NOT_EXECUTABLE);
  _exit (WIFEXITED (status) ? WEXITSTATUS (status) : 128 + WTERMSIG (status));
}

/* --- in this process again --- */

/* TRUE when a datagram says READY=1. */
static gboolean
read_notification (int fd)
{
  char buffer[4096];
  ssize_t n = recv (fd, buffer, sizeof buffer - 1, 0);
  g_auto (GStrv) lines = NULL;

  if (n <= 0)
    return FALSE;
  buffer[n] = '\0';
  lines = g_strsplit (buffer, "\n", -1);
  return g_strv_contains ((const char *const *)lines, "READY=1");
}

typedef enum
{
  START_READY,
  START_ENDED,
  START_TIMED_OUT
} StartResult;

/* @alive_fd: a pipe whose other end the process between holds. */
static StartResult
wait_until_ready (int notify_fd, int alive_fd)
{
  gint64 deadline = g_get_monotonic_time () + READY_TIMEOUT_MSEC * G_TIME_SPAN_MILLISECOND;

  while (TRUE)
    {
      struct pollfd fds[] = { { .fd = notify_fd, .events = POLLIN }, { .fd = alive_fd, .events = POLLIN } };
      gint64 left_msec = (deadline - g_get_monotonic_time ()) / G_TIME_SPAN_MILLISECOND;
      int n = poll (fds, G_N_ELEMENTS (fds), (int)MAX (left_msec, 0));

      if (n == 0 || (n < 0 && errno != EINTR))
        return START_TIMED_OUT;
      if (n < 0)
        continue;
      if (fds[0].revents != 0 && read_notification (notify_fd))
        return START_READY;
      if (fds[1].revents != 0)
        return START_ENDED;
    }
}

static int
reap (pid_t pid)
{
  int status = 0;

  while (waitpid (pid, &status, 0) < 0)
    if (errno != EINTR)
      return AGL_EXIT_FAILED;
  return WIFEXITED (status) ? WEXITSTATUS (status) : 128 + WTERMSIG (status);
}

static void
set_ended_error (GError **error, const char *program, int status, int log_fd, off_t offset)
{
  g_autofree char *words = read_log (log_fd, offset);

  if (status == AGL_EXIT_NOT_FOUND || status == AGL_EXIT_NOT_EXECUTABLE)
    g_set_error (error, AGL_EXIT_ERROR, AGL_EXIT_NO_SERVICE,
                 _ ("cannot start the service: %s cannot be executed"), program);
  else if (*words == '\0')
    g_set_error (error, AGL_EXIT_ERROR, AGL_EXIT_NO_SERVICE,
                 /* Translators: a program, a number */
                 _ ("cannot start the service: %s ended at once with status %d"), program, status);
  else
    /* Translators: the second %s is what the service wrote, in English, on lines of its own */
    g_set_error (error, AGL_EXIT_ERROR, AGL_EXIT_NO_SERVICE, _ ("cannot start the service: %s said:\n%s"),
                 program, words);
}

static gboolean
launch_and_wait (const Launch *launch, int notify_fd, off_t log_offset, GError **error)
{
  int alive[2];
  StartResult result;
  pid_t pid;
  int status;

  if (pipe2 (alive, O_CLOEXEC) < 0)
    return set_start_error (error, "pipe", errno);
  pid = fork ();
  if (pid < 0)
    {
      int saved_errno = errno;

      close (alive[0]);
      close (alive[1]);
      return set_start_error (error, "fork", saved_errno);
    }
  if (pid == 0)
    stand_between (launch);
  close (alive[1]);
  result = wait_until_ready (notify_fd, alive[0]);
  close (alive[0]);
  if (result != START_ENDED)
    (void)kill (pid, SIGKILL); /* only the one between */
  status = reap (pid);

  switch (result)
    {
    case START_READY:
      return TRUE;
    case START_ENDED:
      set_ended_error (error, launch->program, status, launch->log_fd, log_offset);
      return FALSE;
    case START_TIMED_OUT:
      g_set_error (error, AGL_EXIT_ERROR, AGL_EXIT_NO_SERVICE,
                   /* Translators: a program, a number of seconds */
                   ngettext ("cannot start the service: %s did not say within %d second that it is ready",
                             "cannot start the service: %s did not say within %d seconds that it is ready",
                             READY_TIMEOUT_MSEC / 1000),
                   launch->program, READY_TIMEOUT_MSEC / 1000);
      return FALSE;
    }
  g_return_val_if_reached (FALSE);
}

gboolean
agl_service_start (const char *runtime_dir, GError **error)
{
  g_autofree char *program = find_daemon ();
  char *argv[] = { (char *)DAEMON_NAME, (char *)"--user", (char *)IDLE_EXIT, NULL };
  g_auto (GStrv) envp = g_get_environ ();
  g_autofree char *name = NULL;
  g_autofree char *notify = NULL;
  off_t offset = 0;
  gboolean started;
  Launch launch;
  int notify_fd;

  if (program == NULL)
    {
      g_set_error (error, AGL_EXIT_ERROR, AGL_EXIT_NO_SERVICE,
                   /* Translators: %s is the name of a program */
                   _ ("no service runs, and %s is not installed, so that it cannot be started"), DAEMON_NAME);
      return FALSE;
    }
  notify_fd = open_notify_socket (&name, error);
  if (notify_fd < 0)
    return FALSE;
  notify = g_strconcat ("@", name, NULL);
  envp = g_environ_setenv (envp, "NOTIFY_SOCKET", notify, TRUE);
  launch = (Launch){ program, argv, envp, open_log (runtime_dir, &offset) };
  started = launch_and_wait (&launch, notify_fd, offset, error);
  close (notify_fd);
  if (launch.log_fd >= 0)
    close (launch.log_fd);
  return started;
}
