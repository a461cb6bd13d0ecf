/* SPDX-License-Identifier: MIT */
#include "core/mount-guard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Types that wait for no machine but this one. What is not named here may: new network filesystems appear
 * more often than local ones. Sorted. */
static const char *const local_types[] = {
  "adfs",       "affs",      "anon_inodefs", "apparmorfs", "aufs",        "autofs",     "bcachefs",
  "bdev",       "befs",      "bfs",          "binder",     "binfmt_misc", "bpf",        "btrfs",
  "cgroup",     "cgroup2",   "configfs",     "cpuset",     "cramfs",      "dax",        "debugfs",
  "devpts",     "devtmpfs",  "dmabuf",       "drm",        "ecryptfs",    "efivarfs",   "efs",
  "erofs",      "exfat",     "ext2",         "ext3",       "ext4",        "f2fs",       "fuse",
  "fuseblk",    "fusectl",   "guest_memfd",  "hfs",        "hfsplus",     "hpfs",       "hugetlbfs",
  "iomem",      "iso9660",   "jffs2",        "jfs",        "minix",       "mqueue",     "msdos",
  "nfsd",       "nilfs2",    "nsfs",         "ntfs",       "ntfs3",       "nullfs",     "omfs",
  "overlay",    "pidfs",     "pipefs",       "proc",       "pstore",      "qnx4",       "qnx6",
  "ramfs",      "reiserfs",  "resctrl",      "romfs",      "rootfs",      "rpc_pipefs", "secretmem",
  "securityfs", "selinuxfs", "smackfs",      "sockfs",     "squashfs",    "sysfs",      "sysv",
  "tmpfs",      "tracefs",   "ubifs",        "udf",        "ufs",         "vfat",       "virtiofs",
  "xenfs",      "xfs",       "zfs",          "zonefs"
};

/* One mount namespace. */
typedef struct
{
  char *name;      /* "mnt:[4026531841]" */
  char *mountinfo; /* NULL: cannot be read */
} View;

struct _AglMountGuard
{
  gboolean is_needed;
  char *own_name; /* NULL: cannot be read */
  GPtrArray *views;
};

static const char *distrusted;

void
agl_mount_guard_distrust (const char *type)
{
  distrusted = type;
}

static gint
compare_type (const void *key, const void *element)
{
  return strcmp (key, *(const char *const *)element);
}

/* "fuse.sshfs" is fuse: mountinfo gives the subtype too. */
static gboolean
may_wait (const char *type)
{
  g_autofree char *main_type = g_strndup (type, strcspn (type, "."));

  if (g_strcmp0 (main_type, distrusted) == 0)
    return TRUE;
  return bsearch (main_type, local_types, G_N_ELEMENTS (local_types), sizeof *local_types, compare_type)
         == NULL;
}

static char *
read_file (int folder, const char *name)
{
  g_autoptr (GString) text = g_string_new (NULL);
  char piece[4096];
  gssize n;
  int fd = openat (folder, name, O_RDONLY | O_CLOEXEC);

  if (fd < 0)
    return NULL;
  do
    {
      n = read (fd, piece, sizeof piece);
      if (n > 0)
        g_string_append_len (text, piece, n);
    }
  while (n > 0 || (n < 0 && errno == EINTR));
  close (fd);
  return n < 0 ? NULL : g_string_free (g_steal_pointer (&text), FALSE);
}

/* The file has lines "nodev\ttmpfs" or "\text4". One that cannot be read proves nothing. */
static gboolean
knows_waiting_types (void)
{
  g_autofree char *text = read_file (AT_FDCWD, "/proc/filesystems");
  char *line;
  char *rest = text;

  if (text == NULL)
    return TRUE;
  while ((line = strsep (&rest, "\n")) != NULL)
    {
      const char *tab = strchr (line, '\t');

      if (tab != NULL && may_wait (tab + 1))
        return TRUE;
    }
  return FALSE;
}

static void
view_free (gpointer data)
{
  View *view = data;

  g_free (view->name);
  g_free (view->mountinfo);
  g_free (view);
}

static char *
read_view_name (int process)
{
  char name[64];
  gssize n = readlinkat (process, "ns/mnt", name, sizeof name);

  return n <= 0 || n == sizeof name ? NULL : g_strndup (name, n);
}

static View *
add_view (AglMountGuard *self, const char *name, int process)
{
  View *view = g_new0 (View, 1);

  view->name = g_strdup (name);
  view->mountinfo = read_file (process, "mountinfo");
  g_ptr_array_add (self->views, view);
  return view;
}

/* Our own mounts as we see them: those of another process in our namespace may be as seen from its root. */
static void
add_own_view (AglMountGuard *self)
{
  int own = open ("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);

  if (own < 0)
    return;
  self->own_name = read_view_name (own);
  if (self->own_name != NULL && self->is_needed)
    add_view (self, self->own_name, own);
  close (own);
}

AglMountGuard *
agl_mount_guard_new (void)
{
  AglMountGuard *self = g_new0 (AglMountGuard, 1);

  self->is_needed = knows_waiting_types ();
  self->views = g_ptr_array_new_with_free_func (view_free);
  add_own_view (self);
  return self;
}

void
agl_mount_guard_free (AglMountGuard *self)
{
  if (self == NULL)
    return;
  g_free (self->own_name);
  g_ptr_array_unref (self->views);
  g_free (self);
}

gboolean
agl_mount_guard_is_needed (const AglMountGuard *self)
{
  return self->is_needed;
}

/* Octal escapes, as the kernel writes space, tab, newline and backslash; in place. */
static void
unescape (char *text)
{
  char *to = text;

  while (*text != '\0')
    if (text[0] == '\\' && text[1] >= '0' && text[1] <= '3' && text[2] >= '0' && text[2] <= '7'
        && text[3] >= '0' && text[3] <= '7')
      {
        *to++ = (char)((text[1] - '0') << 6 | (text[2] - '0') << 3 | (text[3] - '0'));
        text += 4;
      }
    else
      *to++ = *text++;
  *to = '\0';
}

/* How far @mount_point leads into @path; 0: not at all. */
static gsize
covers (const char *mount_point, const char *path)
{
  gsize length = strlen (mount_point);

  if (path[0] != '/')
    return 0;
  if (strcmp (mount_point, "/") == 0)
    return 1;
  if (strncmp (path, mount_point, length) != 0 || (path[length] != '/' && path[length] != '\0'))
    return 0;
  return length;
}

/* "36 35 98:0 /root /mount/point rw,noatime master:1 - ext4 /dev/root rw": the mount point is the fifth
 * field, the type comes after the dash. FALSE when @line is not of that form. Writes into it. */
static gboolean
parse_mount (char *line, char **mount_point, char **type)
{
  char *dash = strstr (line, " - ");
  char *field = NULL;

  if (dash == NULL)
    return FALSE;
  *dash = '\0';
  *type = dash + 3;
  (*type)[strcspn (*type, " ")] = '\0';
  for (guint i = 0; i < 5; i++)
    {
      field = strsep (&line, " ");
      if (field == NULL)
        return FALSE;
    }
  *mount_point = field;
  unescape (*mount_point);
  return (*mount_point)[0] == '/';
}

AglMountVerdict
agl_mount_guard_parse (const char *mountinfo, const char *path)
{
  g_autofree char *text = g_strdup (mountinfo);
  char *rest = text;
  char *line;
  gsize best = 0;
  gboolean waits_here = TRUE;
  gboolean waits_anywhere = FALSE;

  while ((line = strsep (&rest, "\n")) != NULL)
    {
      char *mount_point;
      char *type;
      gboolean waits;
      gsize length;

      if (*line == '\0')
        continue;
      if (!parse_mount (line, &mount_point, &type))
        return AGL_MOUNTS_MAY_WAIT;
      waits = may_wait (type);
      waits_anywhere = waits_anywhere || waits;
      length = covers (mount_point, path);
      /* Of several on one point any may be meant: the text does not tell. */
      if (length > best)
        waits_here = waits;
      else if (length == best && length > 0)
        waits_here = waits_here || waits;
      best = MAX (best, length);
    }
  if (waits_here)
    return AGL_MOUNTS_MAY_WAIT;
  return waits_anywhere ? AGL_MOUNTS_HERE : AGL_MOUNTS_ANYWHERE;
}

static const View *
find_view (AglMountGuard *self, const char *name, int process)
{
  for (guint i = 0; i < self->views->len; i++)
    {
      const View *view = g_ptr_array_index (self->views, i);

      if (strcmp (view->name, name) == 0)
        return view;
    }
  return add_view (self, name, process);
}

gboolean
agl_mount_guard_is_same_view (const AglMountGuard *self, int process)
{
  g_autofree char *name = read_view_name (process);

  return name != NULL && g_strcmp0 (name, self->own_name) == 0;
}

AglMountVerdict
agl_mount_guard_judge (AglMountGuard *self, int process, const char *cwd, gboolean *same_view)
{
  g_autofree char *name = read_view_name (process);
  const View *view;

  *same_view = name != NULL && g_strcmp0 (name, self->own_name) == 0;
  if (name == NULL)
    return AGL_MOUNTS_MAY_WAIT;
  view = find_view (self, name, process);
  return view->mountinfo == NULL ? AGL_MOUNTS_MAY_WAIT : agl_mount_guard_parse (view->mountinfo, cwd);
}
