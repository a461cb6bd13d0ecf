/* SPDX-License-Identifier: MIT */

/* No allocation and no GLib in here: this runs within whatever the program is doing. */

/* The 64-bit variants are defined here under their own names. */
#undef _FILE_OFFSET_BITS
#undef _FORTIFY_SOURCE
#include "shim.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MAX_RULES       32
#define MAX_RULES_BYTES 4096

typedef enum
{
  ACT_NONE,
  ACT_ERRNO,
  ACT_SHORT,
  ACT_LATE,
  ACT_KILL,
  ACT_KILL_AFTER
} Act;

typedef struct
{
  char call[16];
  char pattern[256];
  char action[24];
  unsigned first; /* 1 is the first */
  unsigned last;
  Act act;
  int code;
  unsigned seen;
} Rule;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static sigset_t mask_before; /* of the thread that has the lock */
static Rule rules[MAX_RULES];
static unsigned n_rules;
static unsigned n_failed;
static int is_set; /* the environment has been looked at, or a test has spoken */
static const char *rules_file;
static struct stat rules_stat;
static const char *log_file;

static void *
next (const char *name)
{
  void *found = dlsym (RTLD_NEXT, name);

  if (found == NULL)
    abort ();
  return found;
}

/* The real function of the name @call, looked up once (a race only looks up twice). */
#define REAL(call)                             \
  ({                                           \
    static __typeof__ (&call) real;            \
    if (real == NULL)                          \
      real = (__typeof__ (&call))next (#call); \
    real;                                      \
  })

/* Rules. */

static void
misunderstood (const char *line)
{
  fprintf (stderr, "faults: cannot understand \"%s\"\n", line);
  abort ();
}

static int
find_code (const char *name)
{
  static const struct
  {
    const char *name;
    int code;
  } names[] = {
    { "EIO", EIO },       { "ENOSPC", ENOSPC }, { "EMFILE", EMFILE }, { "ENFILE", ENFILE },
    { "EROFS", EROFS },   { "EACCES", EACCES }, { "EPERM", EPERM },   { "ENOMEM", ENOMEM },
    { "EDQUOT", EDQUOT }, { "EINTR", EINTR },   { "ENOENT", ENOENT }, { "EEXIST", EEXIST },
    { "EINVAL", EINVAL }, { "EXDEV", EXDEV },   { "EBUSY", EBUSY },   { "ENOSYS", ENOSYS },
  };

  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    if (strcmp (names[i].name, name) == 0)
      return names[i].code;
  return atoi (name);
}

static void
parse_rule (const char *line)
{
  Rule *rule = &rules[n_rules];
  char which[16];
  char *end;
  int n_words;

  memset (rule, 0, sizeof *rule);
  n_words = sscanf (line, "%15s %255s %15s %23s", rule->call, rule->pattern, which, rule->action);
  if (n_words <= 0 || rule->call[0] == '#')
    return;
  if (n_words != 4 || n_rules == MAX_RULES)
    misunderstood (line);

  rule->first = 1;
  rule->last = UINT_MAX;
  if (strcmp (which, "*") != 0)
    {
      rule->first = strtoul (which, &end, 10);
      if (rule->first == 0 || (*end != '\0' && strcmp (end, "+") != 0))
        misunderstood (line);
      if (*end == '\0')
        rule->last = rule->first;
    }

  rule->act = strcmp (rule->action, "short") == 0        ? ACT_SHORT
              : strcmp (rule->action, "late") == 0       ? ACT_LATE
              : strcmp (rule->action, "kill") == 0       ? ACT_KILL
              : strcmp (rule->action, "kill-after") == 0 ? ACT_KILL_AFTER
                                                         : ACT_ERRNO;
  rule->code = rule->act == ACT_ERRNO ? find_code (rule->action) : 0;
  if (rule->act == ACT_ERRNO && rule->code <= 0)
    misunderstood (line);
  n_rules++;
}

static void
parse_rules (char *text)
{
  char *rest = NULL;

  n_rules = 0;
  for (char *line = strtok_r (text, ";\n", &rest); line != NULL; line = strtok_r (NULL, ";\n", &rest))
    parse_rule (line);
}

static void
copy_rules (const char *text)
{
  char copy[MAX_RULES_BYTES];

  if (strlen (text) >= sizeof copy)
    misunderstood (text);
  strcpy (copy, text);
  parse_rules (copy);
}

static void
read_rules_file (void)
{
  char text[MAX_RULES_BYTES];
  struct stat st;
  ssize_t n;
  int fd = REAL (open) (rules_file, O_RDONLY | O_CLOEXEC);

  if (fd < 0 || fstat (fd, &st) != 0)
    {
      n_rules = 0;
      memset (&rules_stat, 0, sizeof rules_stat);
      if (fd >= 0)
        REAL (close) (fd);
      return;
    }
  n = read (fd, text, sizeof text - 1);
  REAL (close) (fd);
  text[n > 0 ? n : 0] = '\0';
  rules_stat = st;
  parse_rules (text);
}

static int
is_changed (const struct stat *st)
{
  return st->st_ino != rules_stat.st_ino || st->st_dev != rules_stat.st_dev
         || st->st_size != rules_stat.st_size || st->st_mtim.tv_sec != rules_stat.st_mtim.tv_sec
         || st->st_mtim.tv_nsec != rules_stat.st_mtim.tv_nsec;
}

static void
refresh (void)
{
  struct stat st;

  if (!is_set)
    {
      const char *text = getenv ("AGENTCTL_LOCKS_FAULTS");

      is_set = 1;
      rules_file = getenv ("AGENTCTL_LOCKS_FAULTS_FILE");
      log_file = getenv ("AGENTCTL_LOCKS_FAULTS_LOG");
      if (text != NULL)
        copy_rules (text);
    }
  if (rules_file == NULL)
    return;
  if (stat (rules_file, &st) != 0)
    memset (&st, 0, sizeof st);
  if (is_changed (&st))
    read_rules_file ();
}

/* No signal comes in between: a handler may write too, and would wait for its own thread. */
static void
take_lock (void)
{
  sigset_t all, before;

  sigfillset (&all);
  pthread_sigmask (SIG_SETMASK, &all, &before);
  pthread_mutex_lock (&lock);
  mask_before = before;
}

static void
give_lock (void)
{
  sigset_t before = mask_before;

  pthread_mutex_unlock (&lock);
  pthread_sigmask (SIG_SETMASK, &before, NULL);
}

void
agl_faults_set (const char *text)
{
  take_lock ();
  is_set = 1;
  rules_file = NULL;
  n_failed = 0;
  copy_rules (text != NULL ? text : "");
  give_lock ();
}

unsigned
agl_faults_count (void)
{
  return n_failed;
}

/* A child of fork() must not inherit the lock held by a thread that it does not have. */
__attribute__ ((constructor)) static void
survive_fork (void)
{
  pthread_atfork (take_lock, give_lock, give_lock);
}

/* Paths. */

static void
path_of_fd (int fd, char path[PATH_MAX])
{
  char link[64];
  ssize_t n;

  snprintf (link, sizeof link, "/proc/self/fd/%d", fd);
  n = readlink (link, path, PATH_MAX - 1);
  path[n > 0 ? n : 0] = '\0';
}

static void
path_at (int fd, const char *name, char path[PATH_MAX])
{
  size_t length;

  if (name == NULL || name[0] == '/' || fd == AT_FDCWD)
    {
      snprintf (path, PATH_MAX, "%s", name != NULL ? name : "");
      return;
    }
  path_of_fd (fd, path);
  length = strlen (path);
  snprintf (path + length, PATH_MAX - length, "/%s", name);
}

static int
is_wanted (const char *call)
{
  for (unsigned i = 0; i < n_rules; i++)
    if (strcmp (rules[i].call, call) == 0)
      return 1;
  return 0;
}

static void
note (const char *call, const char *path, const char *action)
{
  char line[PATH_MAX + 64];
  int fd, n;

  n_failed++;
  if (log_file == NULL)
    return;
  n = snprintf (line, sizeof line, "%s %s %s\n", call, path, action);
  fd = REAL (open) (log_file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0)
    return;
  if (REAL (write) (fd, line, n) != n)
    abort ();
  REAL (close) (fd);
}

/* Every rule counts the calls that it matches, whoever decides. */
static Act
apply (const char *call, const char *path, const char *other, int *code)
{
  const Rule *decides = NULL;

  for (unsigned i = 0; i < n_rules; i++)
    {
      Rule *rule = &rules[i];

      if (strcmp (rule->call, call) != 0
          || (fnmatch (rule->pattern, path, 0) != 0
              && (other == NULL || fnmatch (rule->pattern, other, 0) != 0)))
        continue;
      rule->seen++;
      if (decides == NULL && rule->seen >= rule->first && rule->seen <= rule->last)
        decides = rule;
    }
  if (decides == NULL)
    return ACT_NONE;
  if (decides->act != ACT_KILL_AFTER && decides->act != ACT_LATE)
    note (decides->call, path, decides->action);
  *code = decides->code;
  return decides->act;
}

/* What to do about this call: the one question each function below asks. @name, @to_name: NULL where the call
 * is on a descriptor or has one path only. Leaves errno alone unless it says ACT_ERRNO. */
static Act
judge (const char *call, int fd, const char *name, int to_fd, const char *to_name)
{
  char path[PATH_MAX], other[PATH_MAX];
  int before = errno, code = 0;
  Act act = ACT_NONE;

  take_lock ();
  refresh ();
  if (is_wanted (call))
    {
      if (name != NULL)
        path_at (fd, name, path);
      else
        path_of_fd (fd, path);
      if (to_name != NULL)
        path_at (to_fd, to_name, other);
      act = apply (call, path, to_name != NULL ? other : NULL, &code);
    }
  give_lock ();

  if (act == ACT_KILL)
    raise (SIGKILL);
  errno = act == ACT_ERRNO ? code : before;
  return act;
}

static void
kill_after (const char *call)
{
  note (call, "", "kill-after");
  raise (SIGKILL);
}

/* One pass of a call that gives -1 on failure. */
#define PASS(act, expression)                       \
  ({                                                \
    __typeof__ (expression) result = -1;            \
    if ((act) != ACT_ERRNO)                         \
      {                                             \
        result = (expression);                      \
        if ((act) == ACT_KILL_AFTER && result >= 0) \
          kill_after (__func__);                    \
      }                                             \
    result;                                         \
  })

/* The functions. */

#define READ_MODE(flags)                                          \
  mode_t mode = 0;                                                \
  if (((flags)&O_CREAT) != 0 || ((flags)&O_TMPFILE) == O_TMPFILE) \
    {                                                             \
      va_list arguments;                                          \
      va_start (arguments, flags);                                \
      mode = va_arg (arguments, mode_t);                          \
      va_end (arguments);                                         \
    }

int
open (const char *path, int flags, ...)
{
  READ_MODE (flags)
  Act act = judge ("open", AT_FDCWD, path, 0, NULL);

  return PASS (act, REAL (open) (path, flags, mode));
}

int
open64 (const char *path, int flags, ...)
{
  READ_MODE (flags)
  Act act = judge ("open", AT_FDCWD, path, 0, NULL);

  return PASS (act, REAL (open64) (path, flags, mode));
}

int
openat (int fd, const char *path, int flags, ...)
{
  READ_MODE (flags)
  Act act = judge ("openat", fd, path, 0, NULL);

  return PASS (act, REAL (openat) (fd, path, flags, mode));
}

int
openat64 (int fd, const char *path, int flags, ...)
{
  READ_MODE (flags)
  Act act = judge ("openat", fd, path, 0, NULL);

  return PASS (act, REAL (openat64) (fd, path, flags, mode));
}

int
creat (const char *path, mode_t mode)
{
  Act act = judge ("creat", AT_FDCWD, path, 0, NULL);

  return PASS (act, REAL (creat) (path, mode));
}

int
creat64 (const char *path, mode_t mode)
{
  Act act = judge ("creat", AT_FDCWD, path, 0, NULL);

  return PASS (act, REAL (creat64) (path, mode));
}

ssize_t
write (int fd, const void *data, size_t n_bytes)
{
  Act act = judge ("write", fd, NULL, 0, NULL);

  if (act == ACT_SHORT)
    n_bytes /= 2;
  return PASS (act, REAL (write) (fd, data, n_bytes));
}

int
rename (const char *from, const char *to)
{
  Act act = judge ("rename", AT_FDCWD, from, AT_FDCWD, to);

  return PASS (act, REAL (rename) (from, to));
}

int
renameat (int from_fd, const char *from, int to_fd, const char *to)
{
  Act act = judge ("renameat", from_fd, from, to_fd, to);

  return PASS (act, REAL (renameat) (from_fd, from, to_fd, to));
}

int
renameat2 (int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
  Act act = judge ("renameat2", from_fd, from, to_fd, to);

  return PASS (act, REAL (renameat2) (from_fd, from, to_fd, to, flags));
}

int
linkat (int from_fd, const char *from, int to_fd, const char *to, int flags)
{
  Act act = judge ("linkat", from_fd, from, to_fd, to);

  return PASS (act, REAL (linkat) (from_fd, from, to_fd, to, flags));
}

int
unlink (const char *path)
{
  Act act = judge ("unlink", AT_FDCWD, path, 0, NULL);

  return PASS (act, REAL (unlink) (path));
}

int
unlinkat (int fd, const char *path, int flags)
{
  Act act = judge ("unlinkat", fd, path, 0, NULL);

  return PASS (act, REAL (unlinkat) (fd, path, flags));
}

int
mkdir (const char *path, mode_t mode)
{
  Act act = judge ("mkdir", AT_FDCWD, path, 0, NULL);

  return PASS (act, REAL (mkdir) (path, mode));
}

int
mkdirat (int fd, const char *path, mode_t mode)
{
  Act act = judge ("mkdirat", fd, path, 0, NULL);

  return PASS (act, REAL (mkdirat) (fd, path, mode));
}

int
fsync (int fd)
{
  Act act = judge ("fsync", fd, NULL, 0, NULL);

  return PASS (act, REAL (fsync) (fd));
}

int
fdatasync (int fd)
{
  Act act = judge ("fdatasync", fd, NULL, 0, NULL);

  return PASS (act, REAL (fdatasync) (fd));
}

/* As on NFS: the descriptor is gone, yet what was written may be too. */
int
close (int fd)
{
  Act act = judge ("close", fd, NULL, 0, NULL);
  int code = errno;

  if (act != ACT_ERRNO)
    return PASS (act, REAL (close) (fd));
  REAL (close) (fd);
  errno = code;
  return -1;
}

static void
be_late (void)
{
  const struct timespec moment = { .tv_nsec = 20 * 1000 * 1000 };
  int before = errno;

  nanosleep (&moment, NULL);
  errno = before;
}

/* Of the main thread alone. */
int
poll (struct pollfd *fds, nfds_t n_fds, int timeout)
{
  Act act = syscall (SYS_gettid) == getpid () ? judge ("poll", -1, NULL, 0, NULL) : ACT_NONE;
  int n_ready = PASS (act, REAL (poll) (fds, n_fds, timeout));

  if (act == ACT_LATE)
    be_late ();
  return n_ready;
}

int
sendmmsg (int fd, struct mmsghdr *messages, unsigned n_messages, int flags)
{
  Act act = judge ("sendmmsg", fd, NULL, 0, NULL);

  return PASS (act, REAL (sendmmsg) (fd, messages, n_messages, flags));
}

int
epoll_ctl (int epoll, int operation, int fd, struct epoll_event *event)
{
  Act act = judge ("epoll_ctl", fd, NULL, 0, NULL);

  return PASS (act, REAL (epoll_ctl) (epoll, operation, fd, event));
}
