/* SPDX-License-Identifier: MIT */
#include "children.h"
#include "places.h"

#include <grp.h>
#include <linux/fuse.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

/* Other views, other users, filesystems that do not answer: root can make them. An ordinary user's run tests
 * nothing here but that own rights are enough. */

#define NOBODY 65534
#define GROUP  65432

/* --- whose permission counts --- */

static void
judge (const char *path, const gid_t *groups, gsize n_groups, AglAccess access, gint code)
{
  g_autoptr (AglSubject) subject = agl_subject_new (NULL, NOBODY, NOBODY, groups, n_groups, TRUE);
  const AglPatience both[] = { AGL_PATIENCE_NONE, AGL_PATIENCE_BLOCK };

  for (gsize i = 0; i < G_N_ELEMENTS (both); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (AglDirectory) directory = agl_directory_find (subject, path, -1, access, both[i], &error);

      if (both[i] == AGL_PATIENCE_NONE && g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
        continue;
      if (code < 0)
        {
          g_assert_no_error (error);
          assert_is (directory, path);
        }
      else
        g_assert_error (error, AGL_ERROR, code);
    }
}

static void
test_permission (Folder *folder, gconstpointer data)
{
  g_autofree char *path = make_directory (folder->base, "d");
  g_autofree char *sub = make_directory (path, "sub");
  const gid_t groups[] = { GROUP };

  g_assert_cmpint (chmod (path, 0755), ==, 0);
  judge (path, NULL, 0, AGL_ACCESS_SEARCH, -1);
  judge (path, NULL, 0, AGL_ACCESS_WRITE, AGL_ERROR_NOT_PERMITTED);
  g_assert_cmpint (chmod (path, 0777), ==, 0);
  judge (path, NULL, 0, AGL_ACCESS_WRITE, -1);

  g_assert_cmpint (chmod (path, 0700), ==, 0);
  judge (path, NULL, 0, AGL_ACCESS_REACH, -1);
  judge (path, NULL, 0, AGL_ACCESS_SEARCH, AGL_ERROR_NOT_PERMITTED);
  judge (sub, NULL, 0, AGL_ACCESS_REACH, AGL_ERROR_INVALID_DIRECTORY); /* not reachable */

  g_assert_cmpint (chown (path, 0, GROUP), ==, 0);
  g_assert_cmpint (chmod (path, 0770), ==, 0);
  judge (path, NULL, 0, AGL_ACCESS_WRITE, AGL_ERROR_NOT_PERMITTED);
  judge (path, groups, 1, AGL_ACCESS_WRITE, -1);
  judge (sub, groups, 1, AGL_ACCESS_SEARCH, -1);
  g_assert_cmpint (chown (path, NOBODY, 0), ==, 0);
  judge (path, NULL, 0, AGL_ACCESS_WRITE, -1);
}

static void
test_acl (Folder *folder, gconstpointer data)
{
  g_autofree char *path = make_directory (folder->base, "d");
  const char *const argv[] = { "setfacl", "-m", "u:65534:rwx", path, NULL };
  g_autoptr (GError) error = NULL;
  int status;

  g_assert_cmpint (chmod (path, 0700), ==, 0);
  judge (path, NULL, 0, AGL_ACCESS_WRITE, AGL_ERROR_NOT_PERMITTED);
  g_spawn_sync (NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, &status, &error);
  g_assert_no_error (error);
  g_assert_cmpint (status, ==, 0);
  judge (path, NULL, 0, AGL_ACCESS_WRITE, -1);
}

static void
test_read_only (Folder *folder, gconstpointer data)
{
  g_autofree char *path = make_directory (folder->base, "d");

  g_assert_cmpint (mount ("tmpfs", path, "tmpfs", MS_RDONLY, NULL), ==, 0);
  judge (path, NULL, 0, AGL_ACCESS_SEARCH, -1);
  judge (path, NULL, 0, AGL_ACCESS_WRITE, AGL_ERROR_NOT_PERMITTED);
  g_assert_cmpint (umount (path), ==, 0);
}

/* What lies above a directory that came by descriptor is known, though the subject may not look. */
static void
test_descriptor_from_hidden (Folder *folder, gconstpointer data)
{
  g_autofree char *hidden = make_directory (folder->base, "hidden");
  g_autofree char *open_one = make_directory (hidden, "open");
  g_autoptr (AglSubject) subject = agl_subject_new (NULL, NOBODY, NOBODY, NULL, 0, TRUE);
  g_autoptr (AglDirectory) base = find (folder->base);
  g_autoptr (AglDirectory) directory = NULL;
  g_autoptr (GError) error = NULL;
  int fd = open (open_one, O_PATH | O_DIRECTORY | O_CLOEXEC);

  g_assert_cmpint (chmod (hidden, 0700), ==, 0);
  directory = agl_directory_find (subject, NULL, fd, AGL_ACCESS_SEARCH, AGL_PATIENCE_BLOCK, &error);
  g_assert_no_error (error);
  g_assert_true (agl_directory_is_below (directory, base));
  close (fd);
}

/* --- whose root counts --- */

static const char *child_place;

static void
in_chroot (int tell_fd)
{
  if (chroot (child_place) != 0 || chdir ("/") != 0)
    _exit (96);
  tell (tell_fd, 0);
}

static void
test_chroot (Folder *folder, gconstpointer data)
{
  g_autofree char *root = make_directory (folder->base, "root");
  g_autofree char *in = make_directory (root, "in");
  g_autofree char *link = g_build_filename (root, "link", NULL);
  g_autofree char *up = g_build_filename (root, "up", NULL);
  g_autoptr (AglDirectory) ours = find (in);
  g_autoptr (GError) error = NULL;
  g_autoptr (AglProcess) process = NULL;
  const char *const names[] = { "/in", "/link", "/up", "/../in" };
  pid_t pid;

  g_assert_cmpint (symlink ("/in", link), ==, 0);
  g_assert_cmpint (symlink ("../../../in", up), ==, 0);
  child_place = root;
  pid = start_child (in_chroot, NULL);
  process = agl_process_open (pid, &error);
  g_assert_no_error (error);
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autoptr (AglDirectory) directory = find_for (process, names[i], AGL_PATIENCE_BLOCK, &error);

      g_assert_no_error (error);
      g_assert_true (agl_directory_equal (directory, ours));
      g_assert_false (agl_directory_is_foreign (directory));
      g_assert_cmpstr (agl_directory_get_path (directory), ==, in);
    }
  {
    g_autoptr (AglDirectory) outside = find_for (process, folder->base, AGL_PATIENCE_BLOCK, &error);

    g_assert_null (outside);
    g_assert_error (error, AGL_ERROR, AGL_ERROR_INVALID_DIRECTORY);
  }
  kill_and_reap (pid);
}

/* A process that must not be looked into could live anywhere. */
static void
as_hidden (int tell_fd)
{
  if (setgroups (0, NULL) != 0 || setresuid (NOBODY, NOBODY, NOBODY) != 0 || prctl (PR_SET_DUMPABLE, 0) != 0)
    _exit (96);
  tell (tell_fd, 0);
}

static void
test_hidden_asker (Folder *folder, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (AglProcess) process = NULL;
  pid_t pid = start_child (as_hidden, NULL);
  pid_t asker;
  int status;

  process = agl_process_open (pid, &error);
  g_assert_no_error (error);
  asker = fork ();
  if (asker == 0)
    {
      g_autoptr (AglDirectory) directory = NULL;

      if (setgroups (0, NULL) != 0 || setresuid (NOBODY, NOBODY, NOBODY) != 0)
        _exit (9);
      directory = find_for (process, folder->base, AGL_PATIENCE_BLOCK, &error);
      _exit (directory == NULL && g_error_matches (error, AGL_ERROR, AGL_ERROR_INVALID_DIRECTORY)
                     && strstr (error->message, "directory-fd") != NULL
                 ? 0
                 : 8);
    }
  g_assert_cmpint (waitpid (asker, &status, 0), ==, asker);
  g_assert_cmpint (status, ==, 0);

  /* Root may look. */
  {
    g_autoptr (AglDirectory) G_GNUC_UNUSED directory =
        find_for (process, folder->base, AGL_PATIENCE_NONE, &error);

    if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
      g_assert_no_error (error);
  }
  kill_and_reap (pid);
}

/* --- a filesystem whose server does not answer --- */

static void
reply (int fd, guint64 unique, int error, gpointer data, gsize n_bytes)
{
  struct fuse_out_header head = { .len = sizeof head + n_bytes, .error = error, .unique = unique };
  struct iovec parts[] = { { &head, sizeof head }, { data, n_bytes } };

  if (writev (fd, parts, n_bytes > 0 ? 2 : 1) < 0)
    _exit (95);
}

static int fuse_fd;

/* Says enough for a process to enter the root, and nothing to whatever is asked besides. */
static void
serve (int tell_fd)
{
  g_autofree char *buffer = g_malloc (1 << 20);

  alarm (60); /* a test that asks it after all fails, not hangs: nothing else ends such a wait */
  tell (tell_fd, 0);
  while (read (fuse_fd, buffer, 1 << 20) > 0)
    {
      const struct fuse_in_header *in = (gpointer)buffer;

      if (in->opcode == FUSE_INIT)
        {
          struct fuse_init_out out = { .major = 7, .minor = 31, .max_write = 4096 };

          reply (fuse_fd, in->unique, 0, &out, sizeof out);
        }
      else if (in->opcode == FUSE_GETATTR)
        {
          struct fuse_attr_out out = {
            .attr_valid = 1000000,
            .attr = { .ino = 1, .mode = S_IFDIR | 0755, .nlink = 2 },
          };

          reply (fuse_fd, in->unique, 0, &out, sizeof out);
        }
      else if (in->opcode == FUSE_ACCESS)
        reply (fuse_fd, in->unique, -ENOSYS, NULL, 0);
    }
  _exit (0);
}

static void
working_there (int tell_fd)
{
  if (chdir (child_place) != 0)
    _exit (96);
  tell (tell_fd, 0);
}

static void
asking_patiently (int tell_fd)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (AglDirectory) directory = NULL;

  tell (tell_fd, 0);
  directory = find_for (NULL, child_place, AGL_PATIENCE_BLOCK, &error);
  g_assert_null (directory);
  g_assert_error (error, AGL_ERROR, AGL_ERROR_UNAVAILABLE);
  _exit (0);
}

static void
test_no_answer (Folder *folder, gconstpointer data)
{
  g_autofree char *path = make_directory (folder->base, "d");
  g_autofree char *below = g_build_filename (path, "below", NULL);
  g_autofree char *options = NULL;
  g_autoptr (AglDirectory) base = find (folder->base);
  g_autoptr (AglProcess) process = NULL;
  g_autoptr (GError) error = NULL;
  g_auto (AglSighting) sighting = { 0 };
  pid_t server;
  pid_t worker;
  pid_t patient;
  int status;

  fuse_fd = open ("/dev/fuse", O_RDWR | O_CLOEXEC);
  g_assert_cmpint (fuse_fd, >=, 0);
  options = g_strdup_printf ("fd=%d,rootmode=40000,user_id=0,group_id=0", fuse_fd);
  g_assert_cmpint (mount ("silent", path, "fuse", 0, options), ==, 0);
  server = start_child (serve, NULL);
  close (fuse_fd); /* the server's end is the mount's end */
  child_place = path;
  worker = start_child (working_there, NULL);
  child_place = below;
  patient = start_child (asking_patiently, NULL);
  process = agl_process_open (worker, &error);
  g_assert_no_error (error);

  /* Each of these would hang for ever if it asked the server. */
  {
    g_autoptr (AglDirectory) root = find_for (NULL, path, AGL_PATIENCE_NONE, &error);

    g_assert_null (root);
    g_assert_error (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK);
    g_clear_error (&error);
  }
  {
    g_autoptr (AglDirectory) in = find_for (NULL, below, AGL_PATIENCE_NONE, &error);

    g_assert_null (in);
    g_assert_error (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK);
    g_clear_error (&error);
  }
  {
    AglDirectoryId id = { .dev = 1, .ino = 1 };
    g_autoptr (AglDirectory) saved = agl_directory_new_saved (&id, NULL, below, FALSE, NULL, 0);

    agl_directory_probe (saved, AGL_PATIENCE_NONE, NULL, &error);
    g_assert_error (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK);
    g_clear_error (&error);
  }
  g_assert_false (agl_directory_sight (base, process, NULL, AGL_PATIENCE_NONE, &sighting, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK);
  g_assert_cmpint (sighting.cwd, ==, AGL_CWD_UNKNOWN);

  /* Who waited learns of the server's end. */
  kill_and_reap (server);
  g_assert_cmpint (waitpid (patient, &status, 0), ==, patient);
  g_assert_cmpint (status, ==, 0);
  kill_and_reap (worker);
  g_assert_cmpint (umount2 (path, MNT_DETACH), ==, 0);
}

static void
test_own_rights (Folder *folder, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (AglProcess) self = agl_process_open (getppid (), &error);
  g_autoptr (AglDirectory) directory = NULL;

  g_assert_no_error (error);
  directory = find_for (self, folder->base, AGL_PATIENCE_BLOCK, &error);
  if (error == NULL)
    assert_is (directory, folder->base);
  else
    g_assert_error (error, AGL_ERROR, AGL_ERROR_INVALID_DIRECTORY);
}

#define ADD(path, func) g_test_add (path, Folder, NULL, folder_set_up, func, folder_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/directory-view/own-rights", test_own_rights);
  if (geteuid () != 0)
    return g_test_run ();

  ADD ("/directory-view/permission", test_permission);
  ADD ("/directory-view/acl", test_acl);
  ADD ("/directory-view/read-only", test_read_only);
  ADD ("/directory-view/descriptor-from-hidden", test_descriptor_from_hidden);
  ADD ("/directory-view/chroot", test_chroot);
  ADD ("/directory-view/hidden-asker", test_hidden_asker);
  ADD ("/directory-view/no-answer", test_no_answer);
  return g_test_run ();
}
