/* SPDX-License-Identifier: MIT */

/* test-slow-mount DIRECTORY: mounts a filesystem there and is its server, which can be put to sleep, until
 * standard input is closed. Whatever name is looked for is a directory, but for those with a dot in them,
 * which are not there, and those that end with "-file". Nothing is cached, so that each step into it asks us.
 *
 * Lines on standard input, each answered with one line on standard output:
 *
 *   sleep N [OPERATION...]   answers N more requests (of these operations: lookup, getattr, access, open,
 *                            flush, opendir, readdir, statfs; none named: of any), and from then on none of
 * them wake                     answers whatever waits, and what follows asleep                   the
 * operations that wait for an answer, as they came asked                    the operations that were asked
 * for since the last "asked" */
#define FUSE_USE_VERSION 31
#include <errno.h>
#include <fuse_lowlevel.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_NODES   4096
#define MAX_WAITING 65536
#define MAX_ASKED   65536
#define MAX_NAME    256

typedef enum
{
  LOOKUP,
  GETATTR,
  ACCESS,
  OPEN,
  FLUSH,
  OPENDIR,
  READDIR,
  STATFS,
  N_OPERATIONS
} Operation;

static const char *const operations[N_OPERATIONS] = { "lookup", "getattr", "access",  "open",
                                                      "flush",  "opendir", "readdir", "statfs" };

typedef struct
{
  Operation operation;
  fuse_req_t request;
  fuse_ino_t inode;
  struct fuse_file_info *info; /* a copy, of open and opendir */
  char name[MAX_NAME];         /* of lookup */
} Question;

/* Inode N is nodes[N - 1]; the root has no name. */
static struct
{
  fuse_ino_t parent;
  char name[MAX_NAME];
} nodes[MAX_NODES];
static size_t n_nodes = 1;

static Question *waiting[MAX_WAITING];
static size_t n_waiting;
static unsigned char asked[MAX_ASKED];
static size_t n_asked;
static bool is_asleep;
static bool sleeps_at[N_OPERATIONS];
static unsigned long n_to_answer; /* before sleep comes */

static void
fail (const char *what)
{
  perror (what);
  exit (1);
}

static bool
is_file (fuse_ino_t inode)
{
  const char *name = nodes[inode - 1].name;
  size_t length = strlen (name);

  return length >= 5 && strcmp (name + length - 5, "-file") == 0;
}

static struct stat
attributes (fuse_ino_t inode)
{
  return (struct stat){ .st_ino = inode,
                        .st_mode = is_file (inode) ? S_IFREG | 0666 : S_IFDIR | 0777,
                        .st_nlink = 2,
                        .st_uid = geteuid (),
                        .st_gid = getegid () };
}

static fuse_ino_t
find_node (fuse_ino_t parent, const char *name)
{
  size_t node = 0;

  while (node < n_nodes && (nodes[node].parent != parent || strcmp (nodes[node].name, name) != 0))
    node++;
  if (node < n_nodes)
    return node + 1;
  if (n_nodes == MAX_NODES)
    fail ("too many names");
  nodes[node].parent = parent;
  strcpy (nodes[node].name, name);
  n_nodes++;
  return node + 1;
}

/* A reply fails only when whoever asked was killed meanwhile. */
static void
answer (const Question *question)
{
  fuse_req_t request = question->request;
  struct stat st = attributes (question->inode);
  struct fuse_entry_param entry = { .generation = 1 };
  struct statvfs vfs = { .f_bsize = 4096, .f_namemax = MAX_NAME - 1 };

  switch (question->operation)
    {
    case LOOKUP:
      if (strchr (question->name, '.') != NULL)
        {
          fuse_reply_err (request, ENOENT);
          return;
        }
      entry.ino = find_node (question->inode, question->name);
      entry.attr = attributes (entry.ino);
      fuse_reply_entry (request, &entry);
      return;
    case GETATTR:
      fuse_reply_attr (request, &st, 0);
      return;
    case ACCESS:
    case FLUSH:
      fuse_reply_err (request, 0);
      return;
    case OPEN:
    case OPENDIR:
      fuse_reply_open (request, question->info);
      return;
    case READDIR:
      fuse_reply_buf (request, NULL, 0);
      return;
    case STATFS:
      fuse_reply_statfs (request, &vfs);
      return;
    case N_OPERATIONS:
      break;
    }
  abort ();
}

static bool
is_to_sleep (Operation operation)
{
  if (!is_asleep || !sleeps_at[operation])
    return false;
  if (n_to_answer == 0)
    return true;
  n_to_answer--;
  return false;
}

static void
take (const Question *question)
{
  if (n_asked < MAX_ASKED)
    asked[n_asked++] = (unsigned char)question->operation;
  if (!is_to_sleep (question->operation))
    {
      answer (question);
      return;
    }
  if (n_waiting == MAX_WAITING)
    fail ("too many requests");
  waiting[n_waiting] = malloc (sizeof *question);
  if (waiting[n_waiting] == NULL)
    fail ("malloc");
  *waiting[n_waiting] = *question;
  if (question->info != NULL)
    {
      waiting[n_waiting]->info = malloc (sizeof *question->info);
      if (waiting[n_waiting]->info == NULL)
        fail ("malloc");
      *waiting[n_waiting]->info = *question->info;
    }
  n_waiting++;
}

static void
on_lookup (fuse_req_t request, fuse_ino_t parent, const char *name)
{
  Question question = { .operation = LOOKUP, .request = request, .inode = parent };

  if (strlen (name) >= sizeof question.name)
    {
      fuse_reply_err (request, ENAMETOOLONG);
      return;
    }
  strcpy (question.name, name);
  take (&question);
}

static void
on_getattr (fuse_req_t request, fuse_ino_t inode, struct fuse_file_info *info)
{
  take (&(Question){ .operation = GETATTR, .request = request, .inode = inode });
}

static void
on_access (fuse_req_t request, fuse_ino_t inode, int mask)
{
  take (&(Question){ .operation = ACCESS, .request = request, .inode = inode });
}

static void
on_open (fuse_req_t request, fuse_ino_t inode, struct fuse_file_info *info)
{
  take (&(Question){ .operation = OPEN, .request = request, .inode = inode, .info = info });
}

static void
on_flush (fuse_req_t request, fuse_ino_t inode, struct fuse_file_info *info)
{
  take (&(Question){ .operation = FLUSH, .request = request, .inode = inode });
}

static void
on_opendir (fuse_req_t request, fuse_ino_t inode, struct fuse_file_info *info)
{
  take (&(Question){ .operation = OPENDIR, .request = request, .inode = inode, .info = info });
}

static void
on_readdir (fuse_req_t request, fuse_ino_t inode, size_t size, off_t offset, struct fuse_file_info *info)
{
  take (&(Question){ .operation = READDIR, .request = request, .inode = inode });
}

static void
on_statfs (fuse_req_t request, fuse_ino_t inode)
{
  take (&(Question){ .operation = STATFS, .request = request, .inode = inode });
}

/* Orders. */

static void
go_to_sleep (char *words)
{
  char *rest = NULL;
  char *word = strtok_r (words, " ", &rest);
  bool is_named = false;

  n_to_answer = word != NULL ? strtoul (word, NULL, 10) : 0;
  memset (sleeps_at, 0, sizeof sleeps_at);
  while ((word = strtok_r (NULL, " ", &rest)) != NULL)
    for (size_t i = 0; i < N_OPERATIONS; i++)
      if (strcmp (word, operations[i]) == 0)
        is_named = sleeps_at[i] = true;
  for (size_t i = 0; !is_named && i < N_OPERATIONS; i++)
    sleeps_at[i] = true;
  is_asleep = true;
  puts ("sleep");
}

static void
wake_up (void)
{
  is_asleep = false;
  for (size_t i = 0; i < n_waiting; i++)
    {
      answer (waiting[i]);
      free (waiting[i]->info);
      free (waiting[i]);
    }
  n_waiting = 0;
  puts ("wake");
}

static void
obey (char *line)
{
  line[strcspn (line, "\n")] = '\0';
  if (strncmp (line, "sleep ", 6) == 0)
    go_to_sleep (line + 6);
  else if (strcmp (line, "wake") == 0)
    wake_up ();
  else if (strcmp (line, "asleep") == 0)
    {
      for (size_t i = 0; i < n_waiting; i++)
        printf ("%s ", operations[waiting[i]->operation]);
      puts ("");
    }
  else if (strcmp (line, "asked") == 0)
    {
      for (size_t i = 0; i < n_asked; i++)
        printf ("%s ", operations[asked[i]]);
      n_asked = 0;
      puts ("");
    }
  else
    puts ("what?");
  fflush (stdout);
}

/* One line at a time: who orders waits for the answer. */
static bool
take_order (void)
{
  char line[256];
  ssize_t n_bytes = read (STDIN_FILENO, line, sizeof line - 1);

  if (n_bytes <= 0)
    return false;
  line[n_bytes] = '\0';
  obey (line);
  return true;
}

static void
serve (struct fuse_session *session)
{
  struct fuse_buf buffer = { .mem = NULL };

  while (!fuse_session_exited (session))
    {
      struct pollfd fds[] = { { STDIN_FILENO, POLLIN, 0 }, { fuse_session_fd (session), POLLIN, 0 } };

      if (poll (fds, 2, -1) < 0)
        fail ("poll");
      if ((fds[1].revents & POLLIN) != 0 && fuse_session_receive_buf (session, &buffer) > 0)
        fuse_session_process_buf (session, &buffer);
      if ((fds[0].revents & (POLLIN | POLLHUP)) != 0 && !take_order ())
        break;
      if ((fds[1].revents & (POLLERR | POLLHUP)) != 0)
        break;
    }
  free (buffer.mem);
}

int
main (int argc, char **argv)
{
  static const struct fuse_lowlevel_ops ops = {
    .lookup = on_lookup,
    .getattr = on_getattr,
    .access = on_access,
    .open = on_open,
    .flush = on_flush,
    .opendir = on_opendir,
    .readdir = on_readdir,
    .statfs = on_statfs,
  };
  struct fuse_args args = FUSE_ARGS_INIT (0, NULL);
  struct fuse_session *session;

  if (argc != 2)
    return 64;
  if (fuse_opt_add_arg (&args, "test-slow-mount") != 0
      || fuse_opt_add_arg (&args, "-oallow_other,subtype=test") != 0)
    return 1;
  session = fuse_session_new (&args, &ops, sizeof ops, NULL);
  if (session == NULL || fuse_session_mount (session, argv[1]) != 0)
    return 1;
  puts ("mounted");
  fflush (stdout);
  serve (session);
  /* No answer for those who wait: they get an error with the end of the connection. */
  fuse_session_unmount (session);
  fuse_session_destroy (session);
  fuse_opt_free_args (&args);
  return 0;
}
