/* SPDX-License-Identifier: MIT */
#include "core/filesystem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "core/proc-thread.h"

/* Newer than the headers of some distributions that are to build this. */
#ifndef RESOLVE_CACHED
#define RESOLVE_CACHED 0x20
#endif
#define WANT_UNIQUE_MOUNT_ID 0x00004000U        /* STATX_MNT_ID_UNIQUE, Linux 6.8 */
#define SYS_STATMOUNT        (SYS_openat2 + 20) /* on every architecture; Linux 6.8 */
#define STATMOUNT_SB_BASIC   0x1U
#define STATMOUNT_MNT_BASIC  0x2U

/* Any rename or mount on the machine can disturb a lookup in memory, which then says EAGAIN as well. */
#define CACHED_TRIES 3

/* struct mnt_id_req and the head of struct statmount, <linux/mount.h> of Linux 6.8. */
typedef struct
{
  guint32 size;
  guint32 spare;
  guint64 mount_id;
  guint64 param;
} MountRequest;

typedef struct
{
  guint32 size;
  guint32 spare1;
  guint64 mask;
  guint32 device_major;
  guint32 device_minor;
  guint64 magic;
  guint32 superblock_flags;
  guint32 spare2;
  guint64 mount_id;
  guint64 parent_id;
  guint64 rest[57]; /* 512 bytes in all */
} MountReply;
G_STATIC_ASSERT (sizeof (MountReply) == 512);

/* Filesystems of this machine alone, by the magic of statfs(2). What stacks on another filesystem (overlayfs)
 * or has a server (FUSE, block devices or not, NFS, 9p, CIFS) is not among them: it may wait for others.
 * @keeps_handles: those that Linux exports over NFS with handles made of inode number and generation on disk
 * (or, tmpfs, for as long as the filesystem lives). Not vfat and exfat: theirs change when the inode leaves
 * memory. */
static const struct
{
  guint32 magic;
  gboolean keeps_handles;
  const char *types; /* as mountinfo names them */
} local_filesystems[] = {
  { 0xef53, TRUE, "ext2 ext3 ext4" },     { 0x58465342, TRUE, "xfs" },     { 0x9123683e, TRUE, "btrfs" },
  { 0x01021994, TRUE, "tmpfs devtmpfs" }, { 0xf2f52010, TRUE, "f2fs" },    { 0x2fc12fc1, TRUE, "zfs" },
  { 0xca451a4e, TRUE, "bcachefs" },       { 0x3153464a, TRUE, "jfs" },     { 0x858458f6, FALSE, "ramfs" },
  { 0x73717368, FALSE, "squashfs" },      { 0xe0f5e1e2, FALSE, "erofs" },  { 0x9660, FALSE, "iso9660" },
  { 0x15013346, FALSE, "udf" },           { 0x4d44, FALSE, "vfat msdos" }, { 0x2011bab0, FALSE, "exfat" },
  { 0x7366746e, FALSE, "ntfs3" },         { 0x482b, FALSE, "hfsplus" },    { 0x9fa0, FALSE, "proc" },
  { 0x62656572, FALSE, "sysfs" },
};

void
agl_fd_clear (int *fd)
{
  int saved = errno;

  if (*fd >= 0)
    close (*fd);
  *fd = -1;
  errno = saved;
}

static gboolean has_statmount (void);

gboolean
agl_inode_read (int at, const char *path, AglPatience patience, AglInode *inode)
{
  struct statx stx;
  int flags = AT_EMPTY_PATH | AT_NO_AUTOMOUNT;

  if (patience == AGL_PATIENCE_NONE)
    flags |= AT_STATX_DONT_SYNC;
  if (statx (at, path, flags,
             STATX_TYPE | STATX_INO | STATX_NLINK | STATX_BTIME | STATX_MNT_ID
                 | (has_statmount () ? WANT_UNIQUE_MOUNT_ID : 0),
             &stx)
      != 0)
    return FALSE;

  *inode = (AglInode){
    .id = { .dev = makedev (stx.stx_dev_major, stx.stx_dev_minor), .ino = stx.stx_ino },
    .mount_id = stx.stx_mnt_id,
    .n_links = stx.stx_nlink,
    .is_directory = S_ISDIR (stx.stx_mode),
    .is_mount_root = (stx.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0,
  };
  if ((stx.stx_mask & STATX_BTIME) != 0)
    inode->born_nsec = stx.stx_btime.tv_sec * G_GINT64_CONSTANT (1000000000) + stx.stx_btime.tv_nsec;
  return TRUE;
}

gboolean
agl_inode_same_place (const AglInode *a, const AglInode *b)
{
  return agl_directory_id_equal (&a->id, &b->id) && a->mount_id == b->mount_id;
}

int
agl_fd_open_directory (int at, const char *path, guint64 resolve, AglPatience patience)
{
  struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = resolve };
  int fd = -1;

  if (patience == AGL_PATIENCE_NONE)
    how.resolve |= RESOLVE_CACHED;
  for (guint i = 0; i < CACHED_TRIES; i++)
    {
      do
        fd = syscall (SYS_openat2, at, path, &how, sizeof how);
      while (fd < 0 && errno == EINTR);
      if (fd >= 0 || errno != EAGAIN || patience != AGL_PATIENCE_NONE)
        break;
    }
  if (fd >= 0)
    return fd;

  /* EINVAL: RESOLVE_CACHED came with Linux 5.12. EPERM: how some system call filters say ENOSYS. */
  if (patience == AGL_PATIENCE_NONE)
    {
      if (errno == ENOSYS || errno == EINVAL || errno == EPERM)
        errno = EAGAIN;
      return -1;
    }
  if (errno == ENOSYS && (resolve & RESOLVE_IN_ROOT) == 0)
    return openat (at, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  return -1;
}

char *
agl_fd_dup_path (int fd)
{
  char link[sizeof "/proc/self/fd/" + 11];
  char text[PATH_MAX];
  ssize_t n;

  g_snprintf (link, sizeof link, "/proc/self/fd/%d", fd);
  n = readlink (link, text, sizeof text);
  if (n < 0)
    return NULL;
  if ((gsize)n == sizeof text)
    {
      errno = ENAMETOOLONG;
      return NULL;
    }
  return g_strndup (text, n);
}

gboolean
agl_mounts_compare (pid_t pid, gboolean *same)
{
  static gsize known = 0;
  static char ours[64]; /* "mnt:[4026531841]"; a service stays where it was started */
  char theirs[sizeof ours] = { 0 };
  char folder[AGL_PROC_FOLDER_BYTES];
  char link[AGL_PROC_FOLDER_BYTES + 8];
  ssize_t n;

  if (g_once_init_enter (&known))
    {
      n = readlink ("/proc/self/ns/mnt", ours, sizeof ours - 1);
      g_once_init_leave (&known, n > 0 ? 1 : 2);
    }
  if (known != 1)
    {
      errno = ENOSYS;
      return FALSE;
    }
  g_snprintf (link, sizeof link, "/proc/%d/ns/mnt", (int)pid);
  n = readlink (link, theirs, sizeof theirs - 1);
  if (n < 0 && errno == ENOENT && agl_proc_find_thread (pid, folder))
    {
      g_snprintf (link, sizeof link, "%s/ns/mnt", folder);
      n = readlink (link, theirs, sizeof theirs - 1);
    }
  if (n < 0)
    return FALSE;
  *same = strcmp (ours, theirs) == 0;
  return TRUE;
}

static gboolean
look_up_magic (guint32 magic, AglFilesystem *filesystem)
{
  for (gsize i = 0; i < G_N_ELEMENTS (local_filesystems); i++)
    if (local_filesystems[i].magic == magic)
      {
        filesystem->is_local = TRUE;
        filesystem->keeps_handles = local_filesystems[i].keeps_handles;
        return TRUE;
      }
  return FALSE;
}

/* A mount, as the kernel's table has it. Reading that asks no filesystem. */
typedef struct
{
  gboolean is_local;
  guint64 parent_id;
} Mount;

static gboolean
call_statmount (guint64 mount_id, MountReply *reply)
{
  MountRequest request = {
    .size = sizeof request,
    .mount_id = mount_id,
    .param = STATMOUNT_SB_BASIC | STATMOUNT_MNT_BASIC,
  };

  return syscall (SYS_STATMOUNT, &request, reply, sizeof *reply, 0) == 0
         && (reply->mask & request.param) == request.param;
}

/* statmount(2) came with Linux 6.8, and system call filters (containers) may not know it. Without it mounts
 * have the ids of mountinfo, and are looked up there. */
static gboolean
has_statmount (void)
{
  static gsize known = 0;

  if (g_once_init_enter (&known))
    {
      struct statx stx;
      MountReply reply;
      gboolean works = g_getenv (AGL_DISABLE_STATMOUNT_ENV) == NULL
                       && statx (AT_FDCWD, "/", 0, WANT_UNIQUE_MOUNT_ID, &stx) == 0
                       && (stx.stx_mask & WANT_UNIQUE_MOUNT_ID) != 0
                       && call_statmount (stx.stx_mnt_id, &reply);

      g_once_init_leave (&known, works ? 1 : 2);
    }
  return known == 1;
}

static gboolean
is_local_type (const char *type)
{
  for (gsize i = 0; i < G_N_ELEMENTS (local_filesystems); i++)
    {
      g_auto (GStrv) types = g_strsplit (local_filesystems[i].types, " ", -1);

      if (g_strv_contains ((const char *const *)types, type))
        return TRUE;
    }
  return FALSE;
}

/* "36 35 98:0 /root /mount/point options… - type source options" (proc_pid_mountinfo(5)); spaces in paths are
 * escaped there. */
static gboolean
parse_mountinfo_line (const char *line, guint64 mount_id, Mount *mount)
{
  g_auto (GStrv) words = g_strsplit (line, " ", -1);
  guint n_words = g_strv_length (words);

  if (n_words < 10 || g_ascii_strtoull (words[0], NULL, 10) != mount_id)
    return FALSE;
  for (guint i = 6; i + 1 < n_words; i++)
    if (g_str_equal (words[i], "-"))
      {
        *mount = (Mount){ is_local_type (words[i + 1]), g_ascii_strtoull (words[1], NULL, 10) };
        return TRUE;
      }
  return FALSE;
}

static gboolean
read_mountinfo (guint64 mount_id, Mount *mount)
{
  g_autofree char *table = NULL;
  g_auto (GStrv) lines = NULL;

  if (!g_file_get_contents ("/proc/self/mountinfo", &table, NULL, NULL))
    return FALSE;
  lines = g_strsplit (table, "\n", -1);
  for (guint i = 0; lines[i] != NULL; i++)
    if (parse_mountinfo_line (lines[i], mount_id, mount))
      return TRUE;
  return FALSE;
}

/* FALSE also when it cannot be told: a mount of another namespace, for mountinfo. */
static gboolean
read_mount (guint64 mount_id, Mount *mount)
{
  AglFilesystem ignored;
  MountReply reply;

  if (!has_statmount ())
    return read_mountinfo (mount_id, mount);
  if (!call_statmount (mount_id, &reply))
    return FALSE;
  *mount = (Mount){ look_up_magic ((guint32)reply.magic, &ignored), reply.parent_id };
  return TRUE;
}

/* What a mount shows never changes, and the ids that statmount(2) goes by are not given twice: so each is
 * asked for once, as long as there are few. */
static gboolean
is_local_mount (guint64 mount_id)
{
  static GMutex mutex;
  static struct
  {
    guint64 mount_id;
    gboolean is_local;
  } known[32];
  const gsize slot = mount_id % G_N_ELEMENTS (known);
  gboolean is_known, is_local = FALSE;
  Mount mount;

  g_mutex_lock (&mutex);
  is_known = mount_id != 0 && known[slot].mount_id == mount_id;
  if (is_known)
    is_local = known[slot].is_local;
  g_mutex_unlock (&mutex);
  if (is_known)
    return is_local;

  if (!read_mount (mount_id, &mount))
    return FALSE;
  if (has_statmount ())
    {
      g_mutex_lock (&mutex);
      known[slot].mount_id = mount_id;
      known[slot].is_local = mount.is_local;
      g_mutex_unlock (&mutex);
    }
  return mount.is_local;
}

gboolean
agl_inode_is_local (const AglInode *inode)
{
  if (is_local_mount (inode->mount_id))
    return TRUE;
  errno = EAGAIN;
  return FALSE;
}

gboolean
agl_filesystem_read (int fd, const AglInode *inode, AglPatience patience, AglFilesystem *filesystem)
{
  struct statfs fs;

  /* statfs(2) asks the server where there is one. */
  if (patience == AGL_PATIENCE_NONE && !agl_inode_is_local (inode))
    return FALSE;

  if (fstatfs (fd, &fs) != 0)
    return FALSE;
  *filesystem = (AglFilesystem){ 0 };
  look_up_magic ((guint32)fs.f_type, filesystem);
  G_STATIC_ASSERT (sizeof fs.f_fsid == sizeof filesystem->fsid);
  memcpy (&filesystem->fsid, &fs.f_fsid, sizeof filesystem->fsid);
  return TRUE;
}

/* Any number of levels up, as the tail of one text. */
#define LEVELS_8   "../../../../../../../../"
#define LEVELS_64  LEVELS_8 LEVELS_8 LEVELS_8 LEVELS_8 LEVELS_8 LEVELS_8 LEVELS_8 LEVELS_8
#define MAX_LEVELS 64
static const char levels[] = LEVELS_64;
G_STATIC_ASSERT (sizeof levels == MAX_LEVELS * 3 + 1);

static const char *
levels_up (guint n)
{
  return n == 0 ? "." : levels + (MAX_LEVELS - n) * 3;
}

void
agl_climb_init (AglClimb *self, int fd, const AglInode *inode, AglPatience patience)
{
  *self = (AglClimb){ .at = *inode, .fd = fd, .patience = patience };
}

void
agl_climb_clear (AglClimb *self)
{
  if (self->owned)
    agl_fd_clear (&self->fd);
  self->owned = FALSE;
}

static gboolean
is_own_root (const AglInode *inode)
{
  AglInode root;

  return inode->is_mount_root && agl_inode_read (AT_FDCWD, "/", AGL_PATIENCE_NONE, &root)
         && agl_inode_same_place (inode, &root);
}

/* Going up from the root of a mount leads into another filesystem, and ".." makes some of them ask their
 * server (d_weak_revalidate of NFS). So that one has to be known first. */
static gboolean
may_leave_mount (const AglInode *inode)
{
  Mount mount;

  return read_mount (inode->mount_id, &mount) && is_local_mount (mount.parent_id);
}

gboolean
agl_climb_next (AglClimb *self)
{
  AglInode above;

  if (is_own_root (&self->at))
    {
      errno = 0;
      return FALSE;
    }
  if (self->patience == AGL_PATIENCE_NONE && self->at.is_mount_root && !may_leave_mount (&self->at))
    {
      errno = EAGAIN;
      return FALSE;
    }
  if (self->n_up == MAX_LEVELS)
    {
      int fd = agl_climb_open (self);

      if (fd < 0)
        return FALSE;
      agl_climb_clear (self);
      self->fd = fd;
      self->owned = TRUE;
      self->n_up = 0;
    }

  /* One statx(2) of "../.." a level costs half of opening each. */
  if (!agl_inode_read (self->fd, levels_up (self->n_up + 1), self->patience, &above))
    return FALSE;
  if (agl_inode_same_place (&above, &self->at))
    {
      errno = 0;
      return FALSE;
    }
  self->at = above;
  self->n_up++;
  return TRUE;
}

int
agl_climb_open (const AglClimb *self)
{
  return agl_fd_open_directory (self->fd, levels_up (self->n_up), 0, self->patience);
}
