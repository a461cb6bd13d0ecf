/* SPDX-License-Identifier: MIT */
#include "children.h"
#include "places.h"

#include <grp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

/* A child that works somewhere and goes where it is told. */
typedef struct
{
  AglProcess *process;
  pid_t pid;
  int orders; /* paths, one write(2) each; answered by a byte on `done` */
  int done;
} Worker;

static int orders[2];
static int done[2];
static uid_t hidden_as;

static void
work (int tell_fd)
{
  char path[4096];
  ssize_t n;

  if (hidden_as != 0
      && (setgroups (0, NULL) != 0 || setresuid (hidden_as, hidden_as, hidden_as) != 0
          || prctl (PR_SET_DUMPABLE, 0) != 0))
    _exit (98);
  tell (tell_fd, 0);
  while ((n = read (orders[0], path, sizeof path - 1)) > 0)
    {
      path[n] = '\0';
      if (chdir (path) != 0 || write (done[1], "", 1) != 1)
        _exit (97);
    }
  _exit (0);
}

static void
worker_go (Worker *worker, const char *path)
{
  struct pollfd wait = { .fd = worker->done, .events = POLLIN };
  char byte;

  g_assert_cmpint (write (worker->orders, path, strlen (path)), ==, strlen (path));
  g_assert_cmpint (poll (&wait, 1, 30000), ==, 1);
  g_assert_cmpint (read (worker->done, &byte, 1), ==, 1);
}

static void
worker_start (Worker *worker, const char *path)
{
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (pipe2 (orders, O_CLOEXEC), ==, 0);
  g_assert_cmpint (pipe2 (done, O_CLOEXEC), ==, 0);
  worker->pid = start_child (work, NULL);
  close (orders[0]);
  close (done[1]);
  worker->orders = orders[1];
  worker->done = done[0];
  worker->process = agl_process_open (worker->pid, &error);
  g_assert_no_error (error);
  if (path != NULL)
    worker_go (worker, path);
}

static void
worker_stop (Worker *worker)
{
  kill_and_reap (worker->pid);
  close (worker->orders);
  close (worker->done);
  agl_process_unref (worker->process);
}

/* Both ways must agree, unless the impatient one cannot tell. Returns what @last becomes. */
static AglCwd
sight (AglDirectory *directory, Worker *worker, AglSighting *last)
{
  g_auto (AglSighting) impatient = { 0 };
  AglSighting patient = { 0 };
  g_autoptr (GError) error = NULL;

  g_assert_true (
      agl_directory_sight (directory, worker->process, last, AGL_PATIENCE_BLOCK, &patient, &error));
  g_assert_no_error (error);
  if (agl_directory_sight (directory, worker->process, last, AGL_PATIENCE_NONE, &impatient, &error))
    {
      g_assert_cmpint (impatient.cwd, ==, patient.cwd);
      g_assert_cmpint (impatient.removed, ==, patient.removed);
      g_assert_cmpstr (impatient.text, ==, patient.text);
      g_assert_cmpint (impatient.at_path, ==, patient.at_path);
      g_assert_cmpstr (impatient.moved_to, ==, patient.moved_to);
    }
  else
    {
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK);
      g_assert_cmpint (impatient.cwd, ==, AGL_CWD_UNKNOWN);
    }
  agl_sighting_clear (last);
  *last = patient;
  return last->cwd;
}

static void
test_places (Folder *folder, gconstpointer data)
{
  g_autofree char *path = make_directory (folder->base, "here");
  g_autofree char *below = make_directory (path, "below");
  g_autofree char *beside = make_directory (folder->base, "here too");
  g_autoptr (AglDirectory) directory = find (path);
  g_auto (AglSighting) last = { .cwd = AGL_CWD_UNKNOWN };
  struct stat st;
  Worker worker;

  worker_start (&worker, path);
  for (guint round = 0; round < 2; round++) /* the second time from what is known */
    {
      g_assert_cmpint (sight (directory, &worker, &last), ==, AGL_CWD_INSIDE);
      g_assert_true (last.at_path);
      g_assert_null (last.text);
      assert_is (directory, path);
      g_assert_cmpuint (last.seen.ino, ==, agl_directory_get_id (directory)->ino);
      g_assert_null (last.moved_to);
      g_assert_false (last.removed);
    }
  worker_go (&worker, below);
  for (guint round = 0; round < 2; round++)
    {
      g_assert_cmpint (sight (directory, &worker, &last), ==, AGL_CWD_INSIDE);
      g_assert_false (last.at_path);
      g_assert_cmpstr (last.text, ==, below);
      g_assert_cmpint (stat (below, &st), ==, 0);
      g_assert_cmpuint (last.seen.ino, ==, st.st_ino);
    }
  worker_go (&worker, beside);
  for (guint round = 0; round < 2; round++)
    {
      g_assert_cmpint (sight (directory, &worker, &last), ==, AGL_CWD_OUTSIDE);
      g_assert_cmpstr (last.text, ==, beside);
    }
  worker_go (&worker, folder->base);
  g_assert_cmpint (sight (directory, &worker, &last), ==, AGL_CWD_OUTSIDE);
  worker_go (&worker, "/");
  g_assert_cmpint (sight (directory, &worker, &last), ==, AGL_CWD_OUTSIDE);
  worker_go (&worker, path);
  g_assert_cmpint (sight (directory, &worker, &last), ==, AGL_CWD_INSIDE);
  worker_stop (&worker);
}

static void
test_dead (Folder *folder, gconstpointer data)
{
  g_autoptr (AglDirectory) directory = find (folder->base);
  g_auto (AglSighting) last = { .cwd = AGL_CWD_UNKNOWN };
  Worker worker;

  worker_start (&worker, folder->base);
  g_assert_cmpint (sight (directory, &worker, &last), ==, AGL_CWD_INSIDE);
  g_assert_false (last.ending);
  kill_unreaped (worker.pid);
  g_assert_cmpint (sight (directory, &worker, &last), ==, AGL_CWD_UNKNOWN);
  g_assert_true (last.ending);
  reap (worker.pid);
  g_assert_cmpint (sight (directory, &worker, &last), ==, AGL_CWD_UNKNOWN);
  g_assert_false (last.ending); /* nothing of it is to be seen: its pidfd tells */
  g_assert_false (last.removed);
  close (worker.orders);
  close (worker.done);
  agl_process_unref (worker.process);
}

static void
test_moved (Folder *folder, gconstpointer data)
{
  g_autofree char *parent = make_directory (folder->base, "parent");
  g_autofree char *path = make_directory (parent, "d");
  g_autofree char *below = make_directory (path, "below");
  g_autofree char *new_parent = g_build_filename (folder->base, "renamed", NULL);
  g_autofree char *now = g_build_filename (new_parent, "d", NULL);
  g_autoptr (AglDirectory) directory = find (path);
  g_auto (AglSighting) last = { .cwd = AGL_CWD_UNKNOWN };
  Worker worker;

  worker_start (&worker, below);
  g_assert_cmpint (sight (directory, &worker, &last), ==, AGL_CWD_INSIDE);
  g_assert_cmpint (rename (parent, new_parent), ==, 0);
  for (guint round = 0; round < 2; round++)
    {
      g_assert_cmpint (sight (directory, &worker, &last), ==, AGL_CWD_INSIDE);
      g_assert_cmpstr (last.moved_to, ==, now);
    }

  /* Another one under the old name changes nothing. */
  g_assert_cmpint (mkdir (parent, 0755), ==, 0);
  g_assert_cmpint (mkdir (path, 0755), ==, 0);
  agl_sighting_clear (&last);
  g_assert_cmpint (sight (directory, &worker, &last), ==, AGL_CWD_INSIDE);
  g_assert_cmpstr (last.moved_to, ==, now);
  worker_go (&worker, path);
  g_assert_cmpint (sight (directory, &worker, &last), ==, AGL_CWD_OUTSIDE);
  worker_stop (&worker);
}

static void
test_removed (Folder *folder, gconstpointer data)
{
  g_autofree char *path = make_directory (folder->base, "d");
  g_autofree char *below = make_directory (path, "below");
  g_autofree char *text = g_strconcat (path, " (deleted)", NULL);
  g_autoptr (AglDirectory) directory = find (path);
  g_auto (AglSighting) last = { .cwd = AGL_CWD_UNKNOWN };
  Worker worker;

  worker_start (&worker, below);
  g_assert_cmpint (rmdir (below), ==, 0);
  g_assert_cmpint (sight (directory, &worker, &last), ==, AGL_CWD_INSIDE);
  g_assert_false (last.removed); /* only what is below is */

  g_assert_cmpint (rmdir (path), ==, 0);
  g_assert_cmpint (sight (directory, &worker, &last), ==, AGL_CWD_INSIDE);
  g_assert_true (last.removed);
  /* The process in it is proof for the probe too. */
  g_assert_cmpint (agl_directory_probe (directory, AGL_PATIENCE_BLOCK, NULL, NULL), ==,
                   AGL_EXISTENCE_REMOVED);

  /* A directory of the very name that the kernel shows proves nothing for the other one. */
  g_assert_cmpint (mkdir (text, 0755), ==, 0);
  g_assert_cmpint (mkdir (path, 0755), ==, 0);
  {
    g_autoptr (AglDirectory) named = find (text);
    g_auto (AglSighting) other = { .cwd = AGL_CWD_UNKNOWN };

    g_assert_cmpint (sight (named, &worker, &other), ==, AGL_CWD_OUTSIDE);
    worker_go (&worker, text);
    g_assert_cmpint (sight (named, &worker, &other), ==, AGL_CWD_INSIDE);
    g_assert_false (other.removed);
    g_assert_cmpint (sight (directory, &worker, &last), ==, AGL_CWD_OUTSIDE);
  }
  worker_stop (&worker);
}

/* Out, removed and made anew, in again: the same text and, on ext4, the same inode number. */
static void
test_made_anew (Folder *folder, gconstpointer data)
{
  g_autofree char *path = make_directory (folder->base, "d");
  g_autoptr (AglDirectory) directory = find (path);
  g_auto (AglSighting) last = { .cwd = AGL_CWD_UNKNOWN };
  g_autoptr (GBytes) handle = agl_directory_dup_handle (directory);
  Worker worker;

  worker_start (&worker, path);
  g_assert_cmpint (sight (directory, &worker, &last), ==, AGL_CWD_INSIDE);
  worker_go (&worker, "/");
  for (guint i = 0; i < 64; i++)
    {
      struct statx stx;

      g_assert_cmpint (rmdir (path), ==, 0);
      g_usleep (1000); /* birth times are as fine as the kernel's tick */
      g_assert_cmpint (mkdir (path, 0755), ==, 0);
      g_assert_cmpint (statx (AT_FDCWD, path, 0, STATX_INO | STATX_BTIME, &stx), ==, 0);
      if (stx.stx_ino == last.seen.ino
          && stx.stx_btime.tv_sec * 1000000000LL + stx.stx_btime.tv_nsec != last.seen_born_nsec)
        break;
    }
  worker_go (&worker, path);
  if (handle != NULL)
    {
      /* The text alone does not tell; soon the directory itself is looked at. */
      for (guint i = 0; i < 8 && last.cwd == AGL_CWD_INSIDE; i++)
        sight (directory, &worker, &last);
      g_assert_cmpint (last.cwd, ==, AGL_CWD_OUTSIDE);
    }
  worker_stop (&worker);
}

/* --- root's own --- */

static char *sight_path;

/* Runs as another user: may not look into the hidden child. */
static void
test_hidden (Folder *folder, gconstpointer data)
{
  g_autoptr (AglDirectory) directory = find (folder->base);
  g_auto (AglSighting) sighting = { 0 };
  g_autoptr (GError) error = NULL;
  Worker worker;
  pid_t watcher;
  int status;

  hidden_as = 65533;
  worker_start (&worker, folder->base);
  hidden_as = 0;
  watcher = fork ();
  if (watcher == 0)
    {
      if (setgroups (0, NULL) != 0 || setresuid (65534, 65534, 65534) != 0)
        _exit (9);
      if (!agl_directory_sight (directory, worker.process, NULL, AGL_PATIENCE_BLOCK, &sighting, NULL))
        _exit (8);
      _exit (sighting.cwd == AGL_CWD_UNKNOWN && !sighting.removed && sighting.text == NULL ? 0 : 7);
    }
  g_assert_cmpint (waitpid (watcher, &status, 0), ==, watcher);
  g_assert_cmpint (status, ==, 0);
  g_assert_true (
      agl_directory_sight (directory, worker.process, NULL, AGL_PATIENCE_BLOCK, &sighting, &error));
  g_assert_cmpint (sighting.cwd, ==, AGL_CWD_INSIDE); /* root may */
  worker_stop (&worker);
}

static void
test_bind_mount (Folder *folder, gconstpointer data)
{
  g_autofree char *path = make_directory (folder->base, "d");
  g_autofree G_GNUC_UNUSED char *below = make_directory (path, "below");
  g_autofree char *mirror = make_directory (folder->base, "mirror");
  g_autofree char *mirrored = g_build_filename (mirror, "below", NULL);
  g_autoptr (AglDirectory) directory = find (path);
  g_auto (AglSighting) last = { .cwd = AGL_CWD_UNKNOWN };
  g_autoptr (AglDirectory) same = NULL;
  Worker worker;

  g_assert_cmpint (mount (path, mirror, NULL, MS_BIND, NULL), ==, 0);
  same = find (mirror);
  g_assert_true (agl_directory_equal (directory, same));
  g_assert_cmpstr (agl_directory_get_path (same), ==, mirror);

  worker_start (&worker, mirrored);
  g_assert_cmpint (sight (directory, &worker, &last), ==, AGL_CWD_INSIDE);
  g_assert_cmpstr (last.text, ==, mirrored);
  g_assert_null (last.moved_to);

  /* Unmounted under the process: what was above its directory is lost, so nothing is proven. */
  g_assert_cmpint (umount2 (mirror, MNT_DETACH), ==, 0);
  {
    g_autoptr (AglDirectory) base = find (folder->base);

    g_assert_cmpint (sight (directory, &worker, &last), ==, AGL_CWD_INSIDE);
    agl_sighting_clear (&last);
    g_assert_cmpint (sight (base, &worker, &last), ==, AGL_CWD_UNKNOWN);
  }
  worker_stop (&worker);
}

static void
in_other_mounts (int tell_fd)
{
  if (unshare (CLONE_NEWNS) != 0 || mount (NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0
      || mount ("tmpfs", sight_path, "tmpfs", 0, NULL) != 0 || chdir (sight_path) != 0
      || mkdir ("work", 0755) != 0 || chdir ("work") != 0)
    _exit (96);
  tell (tell_fd, 0);
}

static void
test_other_mounts (Folder *folder, gconstpointer data)
{
  g_autofree char *path = make_directory (folder->base, "d");
  g_autofree char *work_path = g_build_filename (path, "work", NULL);
  g_autoptr (AglDirectory) outside = find (path);
  g_autoptr (AglDirectory) base = find (folder->base);
  g_autoptr (AglDirectory) inside = NULL;
  g_autoptr (GError) error = NULL;
  g_auto (AglSighting) last = { .cwd = AGL_CWD_UNKNOWN };
  Worker worker = { .orders = -1, .done = -1 };

  sight_path = path;
  worker.pid = start_child (in_other_mounts, NULL);
  worker.process = agl_process_open (worker.pid, &error);
  g_assert_no_error (error);

  inside = find_for (worker.process, work_path, AGL_PATIENCE_NONE, &error);
  g_assert_null (inside);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK);
  g_clear_error (&error);
  inside = find_for (worker.process, work_path, AGL_PATIENCE_BLOCK, &error);
  g_assert_no_error (error);
  g_assert_true (agl_directory_is_foreign (inside));
  g_assert_cmpstr (agl_directory_get_path (inside), ==, work_path);
  g_assert_true (agl_directory_is_below (inside, base));
  g_assert_false (agl_directory_is_below (inside, outside)); /* mounted over */

  g_assert_cmpint (sight (inside, &worker, &last), ==, AGL_CWD_INSIDE);
  agl_sighting_clear (&last);
  g_assert_cmpint (sight (outside, &worker, &last), ==, AGL_CWD_OUTSIDE);
  g_assert_cmpint (agl_directory_probe (inside, AGL_PATIENCE_BLOCK, NULL, NULL), !=, AGL_EXISTENCE_REMOVED);
  kill_and_reap (worker.pid);
  agl_process_unref (worker.process);
}

#define ADD(path, func) g_test_add (path, Folder, NULL, folder_set_up, func, folder_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/directory-sight/places", test_places);
  ADD ("/directory-sight/dead", test_dead);
  ADD ("/directory-sight/moved", test_moved);
  ADD ("/directory-sight/removed", test_removed);
  ADD ("/directory-sight/made-anew", test_made_anew);
  if (geteuid () != 0)
    return g_test_run ();

  ADD ("/directory-sight/hidden", test_hidden);
  ADD ("/directory-sight/bind-mount", test_bind_mount);
  ADD ("/directory-sight/other-mounts", test_other_mounts);
  return g_test_run ();
}
