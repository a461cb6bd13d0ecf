/* SPDX-License-Identifier: MIT */

/* test-slow-mount DIRECTORY: mounts a filesystem there and is its server, until standard input is closed.
 * Whatever name is looked for is a directory, but for those with a dot in them, which are not there, and
 * those that end with "-file", and nothing is cached, so that each step into it asks us. Lines on standard
 * input: "stall" (requests are taken and not answered), "go" (they are answered now, and what follows). Each
 * is answered with itself. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define MAX_REQUEST_BYTES (1 << 20)
#define MAX_NODES         4096
#define MAX_STALLED       65536

static int fuse_fd;
static bool stalled;
/* Inode N is nodes[N - 1]; the root has no name. */
static struct
{
  uint64_t parent;
  char name[256];
} nodes[MAX_NODES];
static uint64_t n_nodes = 1;
static void *waiting[MAX_STALLED];
static size_t n_waiting;

static void
fail (const char *what)
{
  perror (what);
  exit (1);
}

static void
reply (const struct fuse_in_header *in, int error, void *data, size_t n_bytes)
{
  struct fuse_out_header head = { .len = (uint32_t)(sizeof head + n_bytes),
                                  .error = error,
                                  .unique = in->unique };
  struct iovec parts[] = { { &head, sizeof head }, { data, n_bytes } };

  /* ENOENT: whoever asked was killed meanwhile. */
  if (writev (fuse_fd, parts, n_bytes > 0 ? 2 : 1) < 0 && errno != ENOENT)
    fail ("writev");
}

static bool
is_file (uint64_t inode)
{
  const char *name = nodes[inode - 1].name;
  size_t length = strlen (name);

  return length >= 5 && strcmp (name + length - 5, "-file") == 0;
}

static struct fuse_attr
attributes (uint64_t inode)
{
  return (struct fuse_attr){ .ino = inode,
                             .mode = is_file (inode) ? S_IFREG | 0666 : S_IFDIR | 0777,
                             .nlink = 2,
                             .uid = geteuid (),
                             .gid = getegid () };
}

static void
look_up (const struct fuse_in_header *in, const char *name)
{
  struct fuse_entry_out out = { 0 };
  uint64_t node = 0;

  if (strchr (name, '.') != NULL || strlen (name) >= sizeof nodes[0].name)
    {
      reply (in, -ENOENT, NULL, 0);
      return;
    }
  while (node < n_nodes && (nodes[node].parent != in->nodeid || strcmp (nodes[node].name, name) != 0))
    node++;
  if (node == n_nodes)
    {
      if (n_nodes == MAX_NODES)
        fail ("too many names");
      nodes[node].parent = in->nodeid;
      strcpy (nodes[node].name, name);
      n_nodes++;
    }
  out.nodeid = node + 1;
  out.generation = 1;
  out.attr = attributes (out.nodeid);
  reply (in, 0, &out, sizeof out);
}

static void
answer (const struct fuse_in_header *in)
{
  struct fuse_init_out init = { .major = 7, .minor = 31, .max_write = 65536 };
  struct fuse_attr_out attr = { .attr = attributes (in->nodeid) };
  struct fuse_open_out open_out = { .fh = 1 };
  struct fuse_statfs_out statfs_out = { .st = { .bsize = 4096, .namelen = 255 } };

  switch (in->opcode)
    {
    case FUSE_INIT:
      reply (in, 0, &init, sizeof init);
      break;
    case FUSE_LOOKUP:
      look_up (in, (const char *)(in + 1));
      break;
    case FUSE_GETATTR:
      reply (in, 0, &attr, sizeof attr);
      break;
    case FUSE_OPEN:
    case FUSE_OPENDIR:
      reply (in, 0, &open_out, sizeof open_out);
      break;
    case FUSE_STATFS:
      reply (in, 0, &statfs_out, sizeof statfs_out);
      break;
    case FUSE_FLUSH:
    case FUSE_READDIR:
    case FUSE_RELEASE:
    case FUSE_RELEASEDIR:
      reply (in, 0, NULL, 0);
      break;
    case FUSE_FORGET:
    case FUSE_BATCH_FORGET:
    case FUSE_INTERRUPT:
      break; /* nobody waits for an answer */
    default:
      reply (in, -ENOSYS, NULL, 0);
      break;
    }
}

static void
take_request (void)
{
  static char buffer[MAX_REQUEST_BYTES];
  ssize_t n_bytes = read (fuse_fd, buffer, sizeof buffer);
  const struct fuse_in_header *in = (const void *)buffer;

  if (n_bytes < 0 && (errno == ENODEV || errno == EINTR || errno == ENOENT || errno == EAGAIN))
    return;
  if (n_bytes < (ssize_t)sizeof *in)
    fail ("read");
  if (!stalled || in->opcode == FUSE_INIT)
    {
      answer (in);
      return;
    }
  if (n_waiting == MAX_STALLED)
    fail ("too many requests");
  waiting[n_waiting] = malloc ((size_t)n_bytes);
  if (waiting[n_waiting] == NULL)
    fail ("malloc");
  memcpy (waiting[n_waiting++], buffer, (size_t)n_bytes);
}

static bool
take_order (void)
{
  char line[64];
  ssize_t n_bytes = read (STDIN_FILENO, line, sizeof line - 1);

  if (n_bytes <= 0)
    return false;
  line[n_bytes] = '\0';
  stalled = strcmp (line, "stall\n") == 0;
  for (size_t i = 0; !stalled && i < n_waiting; i++)
    {
      answer (waiting[i]);
      free (waiting[i]);
    }
  if (!stalled)
    n_waiting = 0;
  return write (STDOUT_FILENO, line, (size_t)n_bytes) == n_bytes;
}

int
main (int argc, char **argv)
{
  char options[128];

  if (argc != 2)
    return 64;
  fuse_fd = open ("/dev/fuse", O_RDWR | O_CLOEXEC);
  if (fuse_fd < 0)
    fail ("/dev/fuse");
  snprintf (options, sizeof options, "fd=%d,rootmode=40000,user_id=%u,group_id=%u,allow_other", fuse_fd,
            (unsigned)geteuid (), (unsigned)getegid ());
  if (mount ("test-slow-mount", argv[1], "fuse.test", MS_NOSUID | MS_NODEV, options) != 0)
    fail ("mount");
  if (write (STDOUT_FILENO, "mounted\n", 8) != 8)
    return 1;
  for (;;)
    {
      struct pollfd fds[] = { { STDIN_FILENO, POLLIN, 0 }, { fuse_fd, POLLIN, 0 } };

      if (poll (fds, 2, -1) < 0)
        fail ("poll");
      if ((fds[1].revents & POLLIN) != 0)
        take_request ();
      if ((fds[0].revents & (POLLIN | POLLHUP)) != 0 && !take_order ())
        break;
      if ((fds[1].revents & (POLLERR | POLLHUP)) != 0)
        break;
    }
  return 0;
}
