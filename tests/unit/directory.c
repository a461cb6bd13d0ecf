/* SPDX-License-Identifier: MIT */
#include "places.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#define INVALID AGL_ERROR_INVALID_DIRECTORY

static void
test_found (Folder *folder, gconstpointer data)
{
  g_autofree char *outer = make_directory (folder->base, "outer");
  g_autofree char *inner = make_directory (outer, "inner");
  g_autoptr (AglDirectory) above = find (outer);
  g_autoptr (AglDirectory) below = find (inner);
  const AglDirectoryId *ancestors;
  g_autofree char *walk = g_strdup (inner);
  gsize n;

  assert_is (below, inner);
  g_assert_cmpstr (agl_directory_get_path (below), ==, inner);
  g_assert_false (agl_directory_is_foreign (below));
  g_assert_true (agl_directory_is_below (below, above));
  g_assert_false (agl_directory_is_below (above, below));
  g_assert_false (agl_directory_is_below (above, above));

  ancestors = agl_directory_get_ancestors (below, &n);
  for (gsize i = 0; i < n; i++)
    {
      g_autofree char *parent = g_path_get_dirname (walk);
      struct stat st;

      g_assert_cmpint (stat (parent, &st), ==, 0);
      g_assert_cmpuint (ancestors[i].ino, ==, st.st_ino);
      g_assert_cmpuint (ancestors[i].dev, ==, st.st_dev);
      g_free (walk);
      walk = g_steal_pointer (&parent);
    }
  g_assert_cmpstr (walk, ==, "/");
}

static void
test_neighbours_share_what_is_above (Folder *folder, gconstpointer data)
{
  g_autofree char *outer = make_directory (folder->base, "outer");
  g_autofree char *one = make_directory (outer, "one"), *other = make_directory (outer, "other");
  g_autoptr (AglDirectory) above = find (outer);
  g_autoptr (AglDirectory) first = find (one), second = find (other);
  const AglDirectoryId *ids;
  gsize n, n_above;

  agl_directory_get_ancestors (above, &n_above);
  ids = agl_directory_get_ancestors (first, &n);
  g_assert_cmpuint (n, ==, n_above + 1);
  g_assert_true (ids == agl_directory_get_ancestors (second, &n));
  g_assert_true (ids != agl_directory_get_ancestors (above, &n));

  /* What is shared outlives the one that brought it. */
  g_clear_pointer (&first, agl_directory_unref);
  g_assert_true (agl_directory_is_below (second, above));
  g_assert_false (agl_directory_is_below (second, second));
}

static void
test_root (void)
{
  g_autoptr (AglSubject) subject = agl_subject_new (NULL, geteuid (), getegid (), NULL, 0, FALSE);
  g_autoptr (GError) error = NULL;
  g_autoptr (AglDirectory) root =
      agl_directory_find (subject, "/", -1, AGL_ACCESS_REACH, AGL_PATIENCE_BLOCK, &error);
  gsize n;

  g_assert_no_error (error);
  agl_directory_get_ancestors (root, &n);
  g_assert_cmpuint (n, ==, 0);
  g_assert_cmpstr (agl_directory_get_path (root), ==, "/");
}

/* Deeper than one step of the climb reaches. */
static void
test_deep (Folder *folder, gconstpointer data)
{
  g_autoptr (AglSubject) G_GNUC_UNUSED subject =
      agl_subject_new (NULL, geteuid (), getegid (), NULL, 0, FALSE);
  g_autoptr (AglDirectory) base = find (folder->base);
  g_autoptr (GString) path = g_string_new (folder->base);
  int fd = open (folder->base, O_PATH | O_DIRECTORY | O_CLOEXEC);
  gsize n_base;
  gsize n;

  agl_directory_get_ancestors (base, &n_base);
  for (guint i = 0; i < 200; i++)
    {
      int next;

      g_assert_cmpint (mkdirat (fd, "d", 0755), ==, 0);
      next = openat (fd, "d", O_PATH | O_DIRECTORY | O_CLOEXEC);
      g_assert_cmpint (next, >=, 0);
      close (fd);
      fd = next;
      g_string_append (path, "/d");
    }
  {
    g_autoptr (AglDirectory) deep = find (path->str);

    g_assert_cmpstr (agl_directory_get_path (deep), ==, path->str);
    agl_directory_get_ancestors (deep, &n);
    g_assert_cmpuint (n, ==, n_base + 200);
    g_assert_true (agl_directory_is_below (deep, base));
  }
  close (fd);
}

static void
assert_refused (const char *path, AglError code, const char *says)
{
  const AglPatience both[] = { AGL_PATIENCE_NONE, AGL_PATIENCE_BLOCK };

  for (gsize i = 0; i < G_N_ELEMENTS (both); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (AglDirectory) directory = find_for (NULL, path, both[i], &error);

      g_assert_null (directory);
      if (both[i] == AGL_PATIENCE_NONE && g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
        continue;
      g_assert_error (error, AGL_ERROR, (gint)code);
      g_assert_nonnull (strstr (error->message, says));
    }
}

static void
test_bad_paths (Folder *folder, gconstpointer data)
{
  g_autofree char *missing = g_build_filename (folder->base, "missing", NULL);
  g_autofree char *odd = g_build_filename (folder->base, "a\nb", NULL);
  g_autofree char *file = g_build_filename (folder->base, "file", NULL);
  g_autofree char *in_file = g_build_filename (file, "below", NULL);
  g_autofree char *loop = g_build_filename (folder->base, "loop", NULL);
  g_autofree char *long_path = g_malloc (5001);
  g_autofree char *long_name = g_malloc (302);

  g_assert_true (g_file_set_contents (file, "", 0, NULL));
  g_assert_cmpint (symlink ("loop", loop), ==, 0);
  memset (long_path, '/', 5000);
  long_path[5000] = '\0';
  memset (long_name, 'n', 301);
  long_name[0] = '/';
  long_name[301] = '\0';

  assert_refused ("", INVALID, "empty");
  assert_refused ("src", INVALID, "relative");
  assert_refused (".", INVALID, "relative");
  assert_refused (missing, INVALID, "does not exist");
  assert_refused (odd, INVALID, "a\\nb does not exist");
  assert_refused (file, INVALID, "not a directory");
  assert_refused (in_file, INVALID, "not a directory");
  assert_refused (loop, INVALID, "symbolic links");
  assert_refused (long_path, INVALID, "5000 bytes");
  assert_refused (long_name, INVALID, "too long");
  assert_refused ("/proc/self/cwd", INVALID, "/proc");
}

static void
test_symlinks (Folder *folder, gconstpointer data)
{
  g_autofree char *real = make_directory (folder->base, "real");
  g_autofree char *sub = make_directory (real, "sub");
  g_autofree char *link = g_build_filename (folder->base, "link", NULL);
  g_autofree char *through = g_build_filename (link, "sub", NULL);
  g_autoptr (AglDirectory) straight = find (real);
  g_autoptr (AglDirectory) straight_sub = find (sub);
  g_autoptr (AglDirectory) by_link = NULL;
  g_autoptr (AglDirectory) in_path = NULL;

  g_assert_cmpint (symlink ("real", link), ==, 0);
  by_link = find (link);
  in_path = find (through);
  g_assert_true (agl_directory_equal (straight, by_link));
  g_assert_true (agl_directory_equal (straight_sub, in_path));
  g_assert_cmpuint (agl_directory_hash (straight), ==, agl_directory_hash (by_link));
  g_assert_cmpstr (agl_directory_get_path (by_link), ==, real);
  g_assert_cmpstr (agl_directory_get_path (in_path), ==, sub);
  g_assert_false (agl_directory_equal (straight, straight_sub));
}

/* A filesystem that is asked without patience. */
static gboolean
is_promised (const char *path)
{
  struct statfs fs;

  g_assert_cmpint (statfs (path, &fs), ==, 0);
  return fs.f_type == 0xef53 || fs.f_type == 0x01021994 || fs.f_type == 0x58465342 || fs.f_type == 0x9123683e;
}

/* What the kernel has in memory is answered at once and in the same way. */
static void
test_impatient (Folder *folder, gconstpointer data)
{
  g_autoptr (AglDirectory) patient = find (folder->base);
  g_autoptr (GError) error = NULL;
  g_autoptr (AglDirectory) impatient = find_for (NULL, folder->base, AGL_PATIENCE_NONE, &error);
  gsize n;
  gsize m;

  if (!is_promised (folder->base))
    {
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK);
      return;
    }
  g_assert_no_error (error);
  g_assert_true (agl_directory_equal (patient, impatient));
  agl_directory_get_ancestors (patient, &n);
  agl_directory_get_ancestors (impatient, &m);
  g_assert_cmpuint (n, ==, m);
}

static void
test_odd_names (Folder *folder, gconstpointer data)
{
  const char *const names[] = { "x (deleted)", "not\xff utf8\xc3", "new\nline", " ", "\\" };

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *path = make_directory (folder->base, names[i]);
      g_autoptr (AglDirectory) directory = find (path);

      assert_is (directory, path);
      g_assert_cmpstr (agl_directory_get_path (directory), ==, path);
      g_assert_cmpint (agl_directory_probe (directory, AGL_PATIENCE_BLOCK, NULL, NULL), ==,
                       AGL_EXISTENCE_THERE);
    }
}

static void
test_descriptor (Folder *folder, gconstpointer data)
{
  g_autoptr (AglSubject) subject = agl_subject_new (NULL, geteuid (), getegid (), NULL, 0, FALSE);
  g_autofree char *path = make_directory (folder->base, "by-fd");
  g_autofree char *file = g_build_filename (folder->base, "file", NULL);
  g_autoptr (AglDirectory) by_path = find (path);
  g_autoptr (AglDirectory) by_fd = NULL;
  g_autoptr (AglDirectory) removed = NULL;
  g_autoptr (AglDirectory) no_directory = NULL;
  g_autoptr (GError) error = NULL;
  int fd = open (path, O_PATH | O_CLOEXEC);
  int file_fd;

  by_fd = agl_directory_find (subject, NULL, fd, AGL_ACCESS_WRITE, AGL_PATIENCE_BLOCK, &error);
  g_assert_no_error (error);
  g_assert_true (agl_directory_equal (by_path, by_fd));
  g_assert_cmpstr (agl_directory_get_path (by_fd), ==, path);
  g_assert_false (agl_directory_is_foreign (by_fd));

  g_assert_cmpint (rmdir (path), ==, 0);
  removed = agl_directory_find (subject, "", fd, AGL_ACCESS_WRITE, AGL_PATIENCE_BLOCK, &error);
  g_assert_null (removed);
  g_assert_error (error, AGL_ERROR, INVALID);
  g_assert_nonnull (strstr (error->message, "removed"));
  g_assert_cmpint (close (fd), ==, 0); /* stayed ours */
  g_clear_error (&error);

  g_assert_true (g_file_set_contents (file, "", 0, NULL));
  file_fd = open (file, O_RDONLY | O_CLOEXEC);
  no_directory = agl_directory_find (subject, NULL, file_fd, AGL_ACCESS_REACH, AGL_PATIENCE_BLOCK, &error);
  g_assert_null (no_directory);
  g_assert_error (error, AGL_ERROR, INVALID);
  close (file_fd);
}

static AglDirectory *
save_and_load (const AglDirectory *directory)
{
  g_autoptr (GBytes) handle = agl_directory_dup_handle (directory);
  gsize n;
  const AglDirectoryId *ancestors = agl_directory_get_ancestors (directory, &n);

  return agl_directory_new_saved (agl_directory_get_id (directory), handle,
                                  agl_directory_get_path (directory), agl_directory_is_foreign (directory),
                                  ancestors, n);
}

static void
test_saved (Folder *folder, gconstpointer data)
{
  g_autoptr (AglDirectory) found = find (folder->base);
  g_autoptr (AglDirectory) saved = save_and_load (found);
  g_autoptr (GBytes) damaged = g_bytes_new ("damaged", 7);
  g_autoptr (AglDirectory) without = agl_directory_new_saved (agl_directory_get_id (found), damaged,
                                                              agl_directory_get_path (found), FALSE, NULL, 0);
  g_autoptr (GBytes) handle = agl_directory_dup_handle (found);
  g_autoptr (GBytes) same = agl_directory_dup_handle (saved);

  g_assert_true (agl_directory_equal (found, saved));
  g_assert_cmpstr (agl_directory_get_path (saved), ==, folder->base);
  g_assert_true ((handle == NULL) == (same == NULL));
  if (handle != NULL)
    g_assert_true (g_bytes_equal (handle, same));
  g_assert_true (agl_directory_equal (found, without));
  g_assert_null (agl_directory_dup_handle (without));
  g_assert_cmpint (agl_directory_probe (saved, AGL_PATIENCE_BLOCK, NULL, NULL), ==, AGL_EXISTENCE_THERE);
}

/* After a reboot the disk may have another number; path, inode number and handle tell that it is the one. */
static void
test_renumbered (Folder *folder, gconstpointer data)
{
  g_autoptr (AglDirectory) found = find (folder->base);
  g_autoptr (GBytes) handle = agl_directory_dup_handle (found);
  AglDirectoryId other = *agl_directory_get_id (found);
  g_autoptr (AglDirectory) saved = NULL;
  g_autoptr (AglDirectory) moved = NULL;

  other.dev ^= 0xfff;
  saved = agl_directory_new_saved (&other, handle, folder->base, FALSE, NULL, 0);
  if (handle == NULL)
    {
      g_assert_cmpint (agl_directory_probe (saved, AGL_PATIENCE_BLOCK, &moved, NULL), ==,
                       AGL_EXISTENCE_UNKNOWN);
      return;
    }
  g_assert_cmpint (agl_directory_probe (saved, AGL_PATIENCE_BLOCK, &moved, NULL), ==, AGL_EXISTENCE_THERE);
  g_assert_true (agl_directory_equal (moved, found));
}

/* A new directory under the old name is another one, also with the old inode number (ext4 gives it out at
 * once). */
static void
test_made_anew (Folder *folder, gconstpointer data)
{
  g_autofree char *path = make_directory (folder->base, "again");
  g_autoptr (AglDirectory) old = find (path);
  gboolean has_handle;

  {
    g_autoptr (GBytes) handle = agl_directory_dup_handle (old);
    has_handle = handle != NULL;
  }
  for (guint i = 0; i < 64; i++)
    {
      g_autoptr (AglDirectory) anew = NULL;
      gboolean same_number;

      g_assert_cmpint (rmdir (path), ==, 0);
      g_assert_cmpint (mkdir (path, 0755), ==, 0);
      anew = find (path);
      same_number = agl_directory_id_equal (agl_directory_get_id (old), agl_directory_get_id (anew));
      if (same_number && !has_handle)
        break;
      g_assert_false (agl_directory_equal (old, anew));
      if (!same_number)
        continue;
      g_assert_cmpint (agl_directory_probe (old, AGL_PATIENCE_BLOCK, NULL, NULL), ==, AGL_EXISTENCE_REMOVED);
      break;
    }
}

static void
test_renamed_parent (Folder *folder, gconstpointer data)
{
  g_autofree char *parent = make_directory (folder->base, "parent");
  g_autofree char *child = make_directory (parent, "child");
  g_autofree char *elsewhere = g_build_filename (folder->base, "elsewhere", NULL);
  g_autofree char *now = g_build_filename (elsewhere, "child", NULL);
  g_autoptr (AglDirectory) before = find (child);
  g_autoptr (AglDirectory) after = NULL;
  g_autoptr (AglDirectory) moved = NULL;
  AglExistence existence;

  g_assert_cmpint (rename (parent, elsewhere), ==, 0);
  after = find (now);
  g_assert_true (agl_directory_equal (before, after));

  /* By handle, for who may; never taken for removed. */
  existence = agl_directory_probe (before, AGL_PATIENCE_BLOCK, &moved, NULL);
  g_assert_cmpint (existence, !=, AGL_EXISTENCE_REMOVED);
  if (existence == AGL_EXISTENCE_THERE)
    {
      g_assert_true (agl_directory_equal (moved, before));
      g_assert_cmpstr (agl_directory_get_path (moved), ==, now);
    }
  else
    g_assert_null (moved);
}

/* Needs CAP_DAC_READ_SEARCH, and a system call filter that lets it through. */
static gboolean
can_open_handles (const char *path)
{
  g_autofree struct file_handle *handle = g_malloc0 (sizeof *handle + MAX_HANDLE_SZ);
  int mount_id;
  int where;
  int fd;

  handle->handle_bytes = MAX_HANDLE_SZ;
  if (name_to_handle_at (AT_FDCWD, path, handle, &mount_id, 0) != 0)
    return FALSE;
  where = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  g_assert_cmpint (where, >=, 0);
  fd = open_by_handle_at (where, handle, O_RDONLY | O_CLOEXEC);
  close (where);
  if (fd >= 0)
    close (fd);
  return fd >= 0;
}

/* Whoever may open the handle gets the proof from it. */
static void
test_removed (Folder *folder, gconstpointer data)
{
  g_autofree char *path = make_directory (folder->base, "goes");
  g_autoptr (AglDirectory) directory = find (path);
  g_autoptr (GBytes) handle = agl_directory_dup_handle (directory);
  g_autoptr (AglDirectory) moved = NULL;
  g_autoptr (GError) error = NULL;
  AglExistence existence;

  g_assert_cmpint (agl_directory_probe (directory, AGL_PATIENCE_BLOCK, &moved, NULL), ==,
                   AGL_EXISTENCE_THERE);
  g_assert_null (moved);
  g_assert_cmpint (rmdir (path), ==, 0);

  existence = agl_directory_probe (directory, AGL_PATIENCE_NONE, &moved, &error);
  g_assert_cmpint (existence, ==, AGL_EXISTENCE_UNKNOWN);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK);

  existence = agl_directory_probe (directory, AGL_PATIENCE_BLOCK, &moved, NULL);
  g_assert_null (moved);
  if (handle != NULL && can_open_handles (folder->base))
    g_assert_cmpint (existence, ==, AGL_EXISTENCE_REMOVED);
  else
    g_assert_cmpint (existence, ==, AGL_EXISTENCE_UNKNOWN);
}

static void
test_cwd_names (void)
{
  AglCwd cwd;

  for (guint i = AGL_CWD_INSIDE; i <= AGL_CWD_IGNORED; i++)
    {
      g_assert_true (agl_cwd_parse (agl_cwd_to_string ((AglCwd)i), &cwd));
      g_assert_cmpuint (cwd, ==, i);
    }
  g_assert_false (agl_cwd_parse ("insides", &cwd));
}

#define ADD(path, func) g_test_add (path, Folder, NULL, folder_set_up, func, folder_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/directory/found", test_found);
  ADD ("/directory/neighbours-share-what-is-above", test_neighbours_share_what_is_above);
  g_test_add_func ("/directory/root", test_root);
  ADD ("/directory/deep", test_deep);
  ADD ("/directory/bad-paths", test_bad_paths);
  ADD ("/directory/symlinks", test_symlinks);
  ADD ("/directory/impatient", test_impatient);
  ADD ("/directory/odd-names", test_odd_names);
  ADD ("/directory/descriptor", test_descriptor);
  ADD ("/directory/saved", test_saved);
  ADD ("/directory/renumbered", test_renumbered);
  ADD ("/directory/made-anew", test_made_anew);
  ADD ("/directory/renamed-parent", test_renamed_parent);
  ADD ("/directory/removed", test_removed);
  g_test_add_func ("/directory/cwd-names", test_cwd_names);
  return g_test_run ();
}
