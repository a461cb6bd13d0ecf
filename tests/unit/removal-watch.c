/* SPDX-License-Identifier: MIT */
#include "core/removal-watch.h"

#include "children.h"
#include "places.h"

typedef struct
{
  AglRemovalWatch *watch;
  GPtrArray *removed;
} Heard;

static void
on_removed (AglDirectory *directory, gpointer user_data)
{
  Heard *heard = user_data;

  g_assert_false (agl_removal_watch_is_watching (heard->watch, directory));
  g_ptr_array_add (heard->removed, agl_directory_ref (directory));
}

static void
heard_init (Heard *heard)
{
  g_autoptr (GError) error = NULL;

  heard->removed = g_ptr_array_new_with_free_func ((GDestroyNotify)agl_directory_unref);
  heard->watch = agl_removal_watch_new (NULL, on_removed, heard, &error);
  g_assert_no_error (error);
}

static void
heard_clear (Heard *heard)
{
  agl_removal_watch_free (heard->watch);
  g_ptr_array_unref (heard->removed);
}

static void
add (Heard *heard, AglDirectory *directory)
{
  g_autoptr (GError) error = NULL;

  if (!agl_removal_watch_add (heard->watch, directory, AGL_PATIENCE_NONE, &error))
    {
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK);
      g_clear_error (&error);
      agl_removal_watch_add (heard->watch, directory, AGL_PATIENCE_BLOCK, &error);
    }
  g_assert_no_error (error);
  g_assert_true (agl_removal_watch_is_watching (heard->watch, directory));
}

/* Events come in order: when @marker's is there, those before it have been. */
static void
settle (Heard *heard, const char *base)
{
  g_autofree char *marker = make_directory (base, "marker");
  g_autoptr (AglDirectory) directory = find (marker);
  guint n;

  add (heard, directory);
  g_assert_cmpint (rmdir (marker), ==, 0);
  for (;;)
    {
      n = heard->removed->len;
      if (n > 0 && agl_directory_equal (g_ptr_array_index (heard->removed, n - 1), directory))
        break;
      g_main_context_iteration (NULL, TRUE);
    }
  g_ptr_array_set_size (heard->removed, n - 1);
}

static void
test_removed (Folder *folder, gconstpointer data)
{
  g_autofree char *path = make_directory (folder->base, "d");
  g_autofree char *other_path = make_directory (folder->base, "other");
  g_autofree char *now = g_build_filename (folder->base, "moved", NULL);
  g_autoptr (AglDirectory) directory = find (path);
  g_autoptr (AglDirectory) other = find (other_path);
  Heard heard;

  heard_init (&heard);
  add (&heard, directory);
  add (&heard, directory);
  add (&heard, other);
  g_assert_cmpuint (agl_removal_watch_count (heard.watch), ==, 2);

  /* Renamed is not removed, nor is what happens inside. */
  g_assert_cmpint (rename (path, now), ==, 0);
  {
    g_autofree char *sub = make_directory (now, "sub");

    g_assert_cmpint (rmdir (sub), ==, 0);
  }
  settle (&heard, folder->base);
  g_assert_cmpuint (heard.removed->len, ==, 0);
  g_assert_true (agl_removal_watch_is_watching (heard.watch, directory));

  g_assert_cmpint (rmdir (now), ==, 0);
  settle (&heard, folder->base);
  g_assert_cmpuint (heard.removed->len, ==, 1);
  g_assert_true (heard.removed->pdata[0] == directory);
  g_assert_cmpuint (agl_removal_watch_count (heard.watch), ==, 1);
  heard_clear (&heard);
}

static void
test_counted (Folder *folder, gconstpointer data)
{
  g_autofree char *path = make_directory (folder->base, "d");
  g_autoptr (AglDirectory) directory = find (path);
  g_autoptr (AglDirectory) again = find (path);
  Heard heard;

  heard_init (&heard);
  add (&heard, directory);
  add (&heard, again);
  agl_removal_watch_remove (heard.watch, directory);
  g_assert_true (agl_removal_watch_is_watching (heard.watch, again));
  agl_removal_watch_remove (heard.watch, again);
  g_assert_false (agl_removal_watch_is_watching (heard.watch, directory));
  agl_removal_watch_remove (heard.watch, again); /* harmless */
  g_assert_cmpint (rmdir (path), ==, 0);
  settle (&heard, folder->base);
  g_assert_cmpuint (heard.removed->len, ==, 0);
  heard_clear (&heard);
}

static void
test_refused (Folder *folder, gconstpointer data)
{
  g_autofree char *path = make_directory (folder->base, "d");
  g_autoptr (AglDirectory) gone = find (path);
  g_autoptr (GError) error = NULL;
  Heard heard;

  heard_init (&heard);
  g_assert_cmpint (rmdir (path), ==, 0);
  g_assert_false (agl_removal_watch_add (heard.watch, gone, AGL_PATIENCE_BLOCK, &error));
  g_assert_error (error, AGL_ERROR, AGL_ERROR_INVALID_DIRECTORY);
  g_assert_cmpuint (agl_removal_watch_count (heard.watch), ==, 0);
  heard_clear (&heard);
}

/* A process in it keeps it until it leaves. */
static const char *child_place;

static void
working_there (int tell_fd)
{
  if (chdir (child_place) != 0)
    _exit (96);
  tell (tell_fd, 0);
}

static void
test_in_use (Folder *folder, gconstpointer data)
{
  g_autofree char *path = make_directory (folder->base, "d");
  g_autoptr (AglDirectory) directory = find (path);
  Heard heard;
  pid_t pid;

  heard_init (&heard);
  add (&heard, directory);
  child_place = path;
  pid = start_child (working_there, NULL);
  g_assert_cmpint (rmdir (path), ==, 0);
  g_assert_cmpint (agl_directory_probe (directory, AGL_PATIENCE_BLOCK, NULL, NULL), ==,
                   AGL_EXISTENCE_REMOVED);
  settle (&heard, folder->base);
  g_assert_cmpuint (heard.removed->len, ==, 0);
  kill_and_reap (pid);
  while (heard.removed->len == 0)
    g_main_context_iteration (NULL, TRUE);
  g_assert_true (heard.removed->pdata[0] == directory);
  heard_clear (&heard);
}

/* No watch keeps a filesystem from being unmounted, and its end proves nothing about the directory. */
static void
test_unmounted (Folder *folder, gconstpointer data)
{
  g_autofree char *path = make_directory (folder->base, "d");
  g_autofree char *inner = NULL;
  g_autoptr (AglDirectory) directory = NULL;
  g_autoptr (GError) error = NULL;
  Heard heard;

  heard_init (&heard);
  g_assert_cmpint (mount ("tmpfs", path, "tmpfs", 0, NULL), ==, 0);
  inner = make_directory (path, "inner");
  directory = find (inner);
  add (&heard, directory);
  g_assert_cmpint (umount (path), ==, 0);
  settle (&heard, folder->base);
  g_assert_cmpuint (heard.removed->len, ==, 0);
  g_assert_false (agl_removal_watch_is_watching (heard.watch, directory));
  g_assert_cmpuint (agl_removal_watch_count (heard.watch), ==, 1);
  g_assert_cmpint (agl_directory_probe (directory, AGL_PATIENCE_BLOCK, NULL, NULL), ==,
                   AGL_EXISTENCE_UNKNOWN);
  g_assert_false (agl_removal_watch_add (heard.watch, directory, AGL_PATIENCE_BLOCK, &error));
  g_assert_error (error, AGL_ERROR, AGL_ERROR_INVALID_DIRECTORY);
  agl_removal_watch_remove (heard.watch, directory);
  g_assert_cmpuint (agl_removal_watch_count (heard.watch), ==, 0);
  heard_clear (&heard);
}

#define ADD(path, func) g_test_add (path, Folder, NULL, folder_set_up, func, folder_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/removal-watch/removed", test_removed);
  ADD ("/removal-watch/counted", test_counted);
  ADD ("/removal-watch/refused", test_refused);
  ADD ("/removal-watch/in-use", test_in_use);
  if (geteuid () == 0)
    ADD ("/removal-watch/unmounted", test_unmounted);
  return g_test_run ();
}
