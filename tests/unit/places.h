/* SPDX-License-Identifier: MIT */
#pragma once
#include <glib.h>
#include <glib/gstdio.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/error.h"
#include "core/directory.h"

/* A folder of the test's own, and what is looked for in it. */

static inline int
remove_one (const char *path, const struct stat *st, int type, struct FTW *ftw)
{
  return remove (path);
}

static inline void
remove_tree (const char *path)
{
  g_assert_cmpint (nftw (path, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT), ==, 0);
}

typedef struct
{
  char *base; /* without symbolic links */
} Folder;

static inline void
folder_set_up (Folder *folder, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *made = g_dir_make_tmp ("agl-XXXXXX", &error);

  g_assert_no_error (error);
  g_assert_cmpint (chmod (made, 0755), ==, 0);
  folder->base = realpath (made, NULL);
  g_assert_nonnull (folder->base);
}

static inline void
folder_tear_down (Folder *folder, gconstpointer data)
{
  remove_tree (folder->base);
  free (folder->base);
}

static inline char *
make_directory (const char *base, const char *name)
{
  char *path = g_build_filename (base, name, NULL);

  g_assert_cmpint (mkdir (path, 0755), ==, 0);
  return path;
}

static inline AglDirectory *
find_for (AglProcess *process, const char *path, AglPatience patience, GError **error)
{
  g_autoptr (AglSubject) subject = agl_subject_new (process, geteuid (), getegid (), NULL, 0, FALSE);

  return agl_directory_find (subject, path, -1, AGL_ACCESS_WRITE, patience, error);
}

static inline AglDirectory *
find (const char *path)
{
  g_autoptr (GError) error = NULL;
  AglDirectory *directory = find_for (NULL, path, AGL_PATIENCE_BLOCK, &error);

  g_assert_no_error (error);
  g_assert_nonnull (directory);
  return directory;
}

static inline void
assert_is (const AglDirectory *directory, const char *path)
{
  struct stat st;

  g_assert_cmpint (stat (path, &st), ==, 0);
  g_assert_cmpuint (agl_directory_get_id (directory)->ino, ==, st.st_ino);
  g_assert_cmpuint (agl_directory_get_id (directory)->dev, ==, st.st_dev);
}
