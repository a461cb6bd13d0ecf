/* SPDX-License-Identifier: MIT */
#include "core/directory-private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>

AglDirectory *
agl_directory_new (const AglDirectoryId *id,
                   const AglFileHandle *handle,
                   const char *path,
                   gboolean foreign,
                   const AglDirectoryId *ancestors,
                   gsize n_ancestors)
{
  gsize n_path = strlen (path) + 1;
  gsize n_handle = handle != NULL ? handle->n_bytes : 0;
  AglDirectory *self;

  self = g_malloc (offsetof (AglDirectory, bytes) + n_handle + n_path);
  g_atomic_ref_count_init (&self->ref_count);
  self->ancestry = agl_ancestry_get (ancestors, MIN (n_ancestors, AGL_MAX_ANCESTORS));
  self->n_handle_bytes = n_handle;
  self->foreign = foreign != FALSE;
  self->id = *id;
  self->fsid = handle != NULL ? handle->fsid : 0;
  self->handle_type = handle != NULL ? handle->type : 0;
  if (n_handle > 0)
    memcpy (self->bytes, handle->bytes, n_handle);
  memcpy (self->bytes + n_handle, path, n_path);
  return self;
}

AglDirectory *
agl_directory_new_saved (const AglDirectoryId *id,
                         GBytes *handle,
                         const char *path,
                         gboolean foreign,
                         const AglDirectoryId *ancestors,
                         gsize n_ancestors)
{
  AglFileHandle unpacked;
  gsize n_bytes = 0;
  const guint8 *bytes = handle != NULL ? g_bytes_get_data (handle, &n_bytes) : NULL;
  const gsize head = offsetof (AglFileHandle, bytes);

  g_return_val_if_fail (id != NULL && path != NULL, NULL);

  /* Anything else than what agl_directory_dup_handle() gave is as good as none. */
  if (bytes == NULL || n_bytes <= head || n_bytes > sizeof unpacked)
    return agl_directory_new (id, NULL, path, foreign, ancestors, n_ancestors);
  memcpy (&unpacked, bytes, n_bytes);
  if (unpacked.n_bytes != n_bytes - head)
    return agl_directory_new (id, NULL, path, foreign, ancestors, n_ancestors);
  return agl_directory_new (id, &unpacked, path, foreign, ancestors, n_ancestors);
}

AglDirectory *
agl_directory_ref (AglDirectory *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
agl_directory_unref (AglDirectory *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  agl_ancestry_unref (self->ancestry);
  g_free (self);
}

const AglDirectoryId *
agl_directory_get_id (const AglDirectory *self)
{
  return &self->id;
}

gboolean
agl_directory_read_handle (const AglDirectory *self, AglFileHandle *handle)
{
  if (self->n_handle_bytes == 0)
    return FALSE;
  *handle = (AglFileHandle){ .fsid = self->fsid, .type = self->handle_type, .n_bytes = self->n_handle_bytes };
  memcpy (handle->bytes, self->bytes, handle->n_bytes);
  return TRUE;
}

GBytes *
agl_directory_dup_handle (const AglDirectory *self)
{
  AglFileHandle handle;

  if (!agl_directory_read_handle (self, &handle))
    return NULL;
  return g_bytes_new (&handle, offsetof (AglFileHandle, bytes) + handle.n_bytes);
}

const char *
agl_directory_get_path (const AglDirectory *self)
{
  return (const char *)self->bytes + self->n_handle_bytes;
}

gboolean
agl_directory_is_foreign (const AglDirectory *self)
{
  return self->foreign;
}

const AglDirectoryId *
agl_directory_get_ancestors (const AglDirectory *self, gsize *n_ancestors)
{
  return agl_ancestry_get_ids (self->ancestry, n_ancestors);
}

gboolean
agl_directory_id_equal (gconstpointer a, gconstpointer b)
{
  const AglDirectoryId *x = a;
  const AglDirectoryId *y = b;

  return x->ino == y->ino && x->dev == y->dev;
}

guint
agl_directory_id_hash (gconstpointer id)
{
  const AglDirectoryId *self = id;
  guint64 mixed = (self->ino ^ (self->dev << 40)) * G_GUINT64_CONSTANT (0x9e3779b97f4a7c15);

  return (guint)(mixed >> 32);
}

gboolean
agl_file_handle_equal (const AglFileHandle *a, const AglFileHandle *b)
{
  return a->type == b->type && a->n_bytes == b->n_bytes && memcmp (a->bytes, b->bytes, a->n_bytes) == 0;
}

gboolean
agl_directory_equal (gconstpointer a, gconstpointer b)
{
  const AglDirectory *x = a;
  const AglDirectory *y = b;

  if (!agl_directory_id_equal (&x->id, &y->id))
    return FALSE;
  if (x->n_handle_bytes == 0 || y->n_handle_bytes == 0)
    return TRUE;
  return x->handle_type == y->handle_type && x->n_handle_bytes == y->n_handle_bytes
         && memcmp (x->bytes, y->bytes, x->n_handle_bytes) == 0;
}

guint
agl_directory_hash (gconstpointer self)
{
  return agl_directory_id_hash (&((const AglDirectory *)self)->id);
}

gboolean
agl_directory_is_below (const AglDirectory *self, const AglDirectory *ancestor)
{
  gsize n_ids;
  const AglDirectoryId *ids = agl_ancestry_get_ids (self->ancestry, &n_ids);

  for (gsize i = 0; i < n_ids; i++)
    if (agl_directory_id_equal (&ids[i], &ancestor->id))
      return TRUE;
  return FALSE;
}

gboolean
agl_file_handle_read (int fd, const AglFilesystem *filesystem, AglFileHandle *handle)
{
  struct
  {
    struct file_handle head;
    guint8 bytes[MAX_HANDLE_SZ];
  } buffer = { .head.handle_bytes = MAX_HANDLE_SZ };
  int mount_id;

  G_STATIC_ASSERT (MAX_HANDLE_SZ == sizeof handle->bytes);
  if (!filesystem->keeps_handles)
    {
      errno = EOPNOTSUPP;
      return FALSE;
    }
  if (name_to_handle_at (fd, "", &buffer.head, &mount_id, AT_EMPTY_PATH) != 0)
    return FALSE;
  *handle = (AglFileHandle){
    .fsid = filesystem->fsid,
    .type = buffer.head.handle_type,
    .n_bytes = buffer.head.handle_bytes,
  };
  memcpy (handle->bytes, buffer.head.f_handle, handle->n_bytes);
  return TRUE;
}

AglMatch
agl_directory_match (const AglDirectory *self,
                     int fd,
                     const AglInode *inode,
                     const AglFilesystem *filesystem,
                     AglPatience patience)
{
  AglFileHandle ours;
  AglFileHandle theirs;
  AglFilesystem read;

  if (!agl_directory_id_equal (&self->id, &inode->id))
    return AGL_MATCH_OTHER;
  if (!agl_directory_read_handle (self, &ours))
    return AGL_MATCH_SAME;
  if (filesystem == NULL && !agl_filesystem_read (fd, inode, patience, &read))
    return AGL_MATCH_UNKNOWN;
  if (filesystem == NULL)
    filesystem = &read;
  if (!agl_file_handle_read (fd, filesystem, &theirs))
    return filesystem->keeps_handles ? AGL_MATCH_UNKNOWN : AGL_MATCH_OTHER;
  if (agl_file_handle_equal (&ours, &theirs))
    return AGL_MATCH_SAME;
  /* Another filesystem may have been mounted under the same device number meanwhile. */
  return ours.fsid == theirs.fsid ? AGL_MATCH_REBORN : AGL_MATCH_OTHER;
}

int
agl_directory_open_path (const char *path, AglPatience patience)
{
  /* A link of /proc would lead to this service's own files. */
  return agl_fd_open_directory (AT_FDCWD, path, RESOLVE_NO_MAGICLINKS, patience);
}

AglDirectory *
agl_directory_describe (int fd, const AglInode *inode, AglPatience patience)
{
  g_autoptr (GArray) ancestors = g_array_new (FALSE, FALSE, sizeof (AglDirectoryId));
  g_autofree char *path = agl_fd_dup_path (fd);
  g_auto (AglClimb) climb = { 0 };
  AglFilesystem filesystem;
  AglFileHandle handle;
  gboolean has_handle;

  if (path == NULL || !agl_filesystem_read (fd, inode, patience, &filesystem))
    return NULL;
  has_handle = agl_file_handle_read (fd, &filesystem, &handle);

  agl_climb_init (&climb, fd, inode, patience);
  while (ancestors->len < AGL_MAX_ANCESTORS && agl_climb_next (&climb))
    g_array_append_val (ancestors, climb.at.id);

  return agl_directory_new (&inode->id, has_handle ? &handle : NULL, path, FALSE,
                            (const AglDirectoryId *)(gpointer)ancestors->data, ancestors->len);
}

static const char *const cwd_names[] = {
  [AGL_CWD_INSIDE] = "inside",
  [AGL_CWD_OUTSIDE] = "outside",
  [AGL_CWD_UNKNOWN] = "unknown",
  [AGL_CWD_IGNORED] = "ignored",
};

const char *
agl_cwd_to_string (AglCwd cwd)
{
  g_return_val_if_fail ((guint)cwd < G_N_ELEMENTS (cwd_names), NULL);
  return cwd_names[cwd];
}

gboolean
agl_cwd_parse (const char *text, AglCwd *cwd)
{
  for (gsize i = 0; i < G_N_ELEMENTS (cwd_names); i++)
    if (strcmp (text, cwd_names[i]) == 0)
      {
        *cwd = (AglCwd)i;
        return TRUE;
      }
  return FALSE;
}
