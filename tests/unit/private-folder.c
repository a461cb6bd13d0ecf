/* SPDX-License-Identifier: MIT */
#include "core/private-folder.h"

#include <sys/stat.h>
#include <unistd.h>

#include "common/error.h"
#include "sample-lock.h"
#include "shim.h"

typedef struct
{
  char *base;
  AglPrivateFolder *root;
  AglPrivateFolder *folder; /* "f" in it */
  char *path;
} Fixture;

static void
set_up (Fixture *self, gconstpointer durable)
{
  g_autoptr (GError) error = NULL;
  gboolean created = FALSE;

  self->base = sample_folder_new ();
  self->root = agl_private_folder_open (self->base, GPOINTER_TO_INT (durable), &error);
  g_assert_no_error (error);
  self->folder = agl_private_folder_open_child (self->root, "f", &created, &error);
  g_assert_no_error (error);
  g_assert_true (created);
  self->path = g_build_filename (self->base, "f", NULL);
}

static void
tear_down (Fixture *self, gconstpointer durable)
{
  agl_faults_set (NULL);
  agl_private_folder_free (self->folder);
  agl_private_folder_free (self->root);
  g_free (self->path);
  sample_folder_remove (self->base);
}

static gboolean
write_text (Fixture *self, const char *name, const char *text, GError **error)
{
  return agl_private_folder_write (self->folder, name, text, strlen (text), error);
}

static void
assert_contents (Fixture *self, const char *name, const char *text)
{
  g_autoptr (GString) contents = g_string_new ("left over");
  g_autoptr (GError) error = NULL;

  if (text == NULL)
    {
      g_assert_false (agl_private_folder_read (self->folder, name, 100, contents, &error));
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
      return;
    }
  agl_private_folder_read (self->folder, name, 100, contents, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (contents->str, ==, text);
}

static void
test_write (Fixture *self, gconstpointer durable)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *file = g_build_filename (self->path, "a", NULL);
  struct stat st;

  sample_file_write (self->path, "a.tmp", "left by a crash");
  sample_file_write (self->path, "a.old.tmp", "left by a crash");
  g_assert_true (write_text (self, "a", "one", &error));
  assert_contents (self, "a", "one");
  g_assert_true (write_text (self, "a", "two and more", &error));
  assert_contents (self, "a", "two and more");
  g_assert_no_error (error);
  g_assert_no_errno (stat (file, &st));
  g_assert_cmpint (st.st_mode & 07777, ==, 0600);
  g_assert_no_errno (stat (self->path, &st));
  g_assert_cmpint (st.st_mode & 07777, ==, 0700);
}

/* Every step that can fail does, with and without something there before. */
static void
test_failing_writes (Fixture *self, gconstpointer durable)
{
  static const struct
  {
    const char *rules;
    gboolean durable_only;
  } cases[] = {
    { "openat *.tmp * EMFILE", FALSE },
    { "openat *.tmp * ENOSPC", FALSE },
    { "openat *.tmp * EROFS", FALSE },
    { "write *.tmp * ENOSPC", FALSE },
    { "write *.tmp 1 short;write *.tmp 2 ENOSPC", FALSE },
    { "close *.tmp * EIO", FALSE },
    { "renameat */f/a * EIO", FALSE },
    { "renameat */f/a * ENOSPC", FALSE },
    { "fsync *.tmp * EIO", TRUE },
    { "fsync */f * EIO", TRUE },
    { "fsync */f * ENOSPC", TRUE },
    { "fsync */f * EIO;linkat * 9 EIO", TRUE },
  };

  for (gsize i = 0; i < 2 * G_N_ELEMENTS (cases); i++)
    {
      const char *before = i % 2 == 0 ? NULL : "before";
      g_autoptr (GError) error = NULL;

      if (cases[i / 2].durable_only && !GPOINTER_TO_INT (durable))
        continue;
      if (before != NULL)
        g_assert_true (write_text (self, "a", before, NULL));
      agl_faults_set (cases[i / 2].rules);
      g_assert_false (write_text (self, "a", "after", &error));
      g_assert_error (error, AGL_ERROR, AGL_ERROR_UNAVAILABLE);
      g_assert_nonnull (strstr (error->message, self->path));
      g_assert_cmpuint (agl_faults_count (), >, 0);
      agl_faults_set (NULL);

      assert_contents (self, "a", before);
      g_assert_cmpuint (sample_folder_count (self->path), ==, before != NULL ? 1 : 0);

      /* and all is well again when the cause is gone */
      g_assert_true (write_text (self, "a", "after", NULL));
      assert_contents (self, "a", "after");
      g_assert_true (agl_private_folder_remove (self->folder, "a", NULL));
    }
}

static void
test_short_writes_go_on (Fixture *self, gconstpointer durable)
{
  agl_faults_set ("write *.tmp 1 short;write *.tmp 2 EINTR;write *.tmp 3 short");
  g_assert_true (write_text (self, "a", "a text of some length", NULL));
  g_assert_cmpuint (agl_faults_count (), ==, 3);
  assert_contents (self, "a", "a text of some length");
}

static void
test_without_hard_links (Fixture *self, gconstpointer durable)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (write_text (self, "a", "one", NULL));
  agl_faults_set ("linkat * * EPERM");
  g_assert_true (write_text (self, "a", "two", &error));
  g_assert_no_error (error);
  assert_contents (self, "a", "two");
}

static void
test_rename (Fixture *self, gconstpointer durable)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (agl_private_folder_rename (self->folder, "a", "b", &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
  g_clear_error (&error);

  write_text (self, "a", "one", NULL);
  agl_faults_set (GPOINTER_TO_INT (durable) ? "fsync */f * EIO" : "renameat * * EIO");
  g_assert_false (agl_private_folder_rename (self->folder, "a", "b", &error));
  g_assert_error (error, AGL_ERROR, AGL_ERROR_UNAVAILABLE);
  agl_faults_set (NULL);
  assert_contents (self, "a", "one");
  assert_contents (self, "b", NULL);

  g_assert_true (agl_private_folder_rename (self->folder, "a", "b", NULL));
  assert_contents (self, "a", NULL);
  assert_contents (self, "b", "one");
}

static void
test_remove (Fixture *self, gconstpointer durable)
{
  g_autoptr (GError) error = NULL;

  write_text (self, "a", "one", NULL);
  agl_faults_set ("unlinkat * * EROFS");
  g_assert_false (agl_private_folder_remove (self->folder, "a", &error));
  g_assert_error (error, AGL_ERROR, AGL_ERROR_UNAVAILABLE);
  agl_faults_set (NULL);
  g_assert_true (agl_private_folder_remove (self->folder, "a", NULL));
  g_assert_true (agl_private_folder_remove (self->folder, "a", NULL));
}

static void
test_unreadable (Fixture *self, gconstpointer durable)
{
  static const char *const names[] = { "fifo", "folder", "link", "long", "open" };
  g_autofree char *fifo = g_build_filename (self->path, "fifo", NULL);
  g_autofree char *folder = g_build_filename (self->path, "folder", NULL);
  g_autofree char *link = g_build_filename (self->path, "link", NULL);
  g_autofree char *open = g_build_filename (self->path, "open", NULL);
  g_autofree char *text = g_strnfill (101, 'x');
  g_autoptr (GString) contents = g_string_new (NULL);

  g_assert_no_errno (mkfifo (fifo, 0600));
  g_assert_no_errno (mkdir (folder, 0700));
  sample_file_write (self->path, "target", "x");
  g_assert_no_errno (symlink ("target", link));
  sample_file_write (self->path, "long", text);
  sample_file_write (self->path, "open", "x");
  g_assert_no_errno (chmod (open, 0666));
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_false (agl_private_folder_read (self->folder, names[i], 100, contents, &error));
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA);
    }
}

static void
test_own_trouble_is_not_the_files (Fixture *self, gconstpointer durable)
{
  static const char *const rules[] = { "openat */a * EMFILE", "openat */a * ENFILE", "openat */a * ENOMEM" };
  g_autoptr (GString) contents = g_string_new (NULL);

  write_text (self, "a", "one", NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (rules); i++)
    {
      g_autoptr (GError) error = NULL;

      agl_faults_set (rules[i]);
      g_assert_false (agl_private_folder_read (self->folder, "a", 100, contents, &error));
      g_assert_error (error, AGL_ERROR, AGL_ERROR_UNAVAILABLE);
    }
  agl_faults_set ("openat */a * EIO");
  g_assert_false (agl_private_folder_read (self->folder, "a", 100, contents, NULL));
}

static void
test_set_aside (Fixture *self, gconstpointer durable)
{
  g_autofree char *message = NULL;

  for (guint i = 0; i < 4; i++)
    {
      g_autofree char *text = g_strdup_printf ("%u", i);

      if (i == 2) /* as on a filesystem that cannot refuse to replace */
        agl_faults_set ("renameat2 * * EINVAL");
      write_text (self, "a", text, NULL);
      agl_private_folder_set_aside (self->folder, "a", "a reason\n");
      agl_faults_set (NULL);
    }
  g_assert_cmpuint (sample_log_take (&message), ==, 4);
  g_assert_nonnull (strstr (message, "a reason\\n"));
  g_assert_nonnull (strstr (message, "a.bad.3"));
  assert_contents (self, "a", NULL);
  assert_contents (self, "a.bad", "0");
  assert_contents (self, "a.bad.1", "1");
  assert_contents (self, "a.bad.2", "2");
  assert_contents (self, "a.bad.3", "3");

  write_text (self, "b", "stays", NULL);
  agl_faults_set ("renameat2 * * EROFS");
  agl_private_folder_set_aside (self->folder, "b", "a reason");
  agl_faults_set (NULL);
  g_assert_cmpuint (sample_log_take (NULL), ==, 1);
  assert_contents (self, "b", "stays");
}

static void
test_aside_names (void)
{
  g_assert_true (agl_private_folder_is_set_aside ("a.bad"));
  g_assert_true (agl_private_folder_is_set_aside ("a.bad.7"));
  g_assert_true (agl_private_folder_is_set_aside ("a.bad.bad.70"));
  g_assert_false (agl_private_folder_is_set_aside ("a"));
  g_assert_false (agl_private_folder_is_set_aside (".bad"));
  g_assert_false (agl_private_folder_is_set_aside ("a.bad."));
  g_assert_false (agl_private_folder_is_set_aside ("a.bad.7x"));
  g_assert_false (agl_private_folder_is_set_aside ("a.bad.json"));
}

static void
test_list (Fixture *self, gconstpointer durable)
{
  g_autoptr (GPtrArray) names = NULL;
  g_autoptr (GError) error = NULL;

  write_text (self, "a", "", NULL);
  write_text (self, ".b", "", NULL);
  names = agl_private_folder_list (self->folder, NULL);
  g_assert_cmpuint (names->len, ==, 2);
  agl_faults_set ("openat */f/. * EMFILE");
  g_assert_null (agl_private_folder_list (self->folder, &error));
  g_assert_error (error, AGL_ERROR, AGL_ERROR_UNAVAILABLE);
}

static void
assert_child_refused (Fixture *self, const char *name, const char *why)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (AglPrivateFolder) child = agl_private_folder_open_child (self->root, name, NULL, &error);

  g_assert_null (child);
  g_assert_error (error, AGL_ERROR, AGL_ERROR_UNAVAILABLE);
  g_assert_nonnull (strstr (error->message, why));
  g_assert_nonnull (strstr (error->message, name));
}

static void
test_unsafe_folders (Fixture *self, gconstpointer durable)
{
  g_autofree char *link = g_build_filename (self->base, "link", NULL);
  g_autofree char *open = g_build_filename (self->base, "open", NULL);
  g_autoptr (AglPrivateFolder) child = NULL;
  g_autoptr (AglPrivateFolder) sticky = NULL;
  g_autoptr (GError) error = NULL;
  struct stat st;

  sample_file_write (self->base, "file", "");
  assert_child_refused (self, "file", "Not a directory");
  g_assert_no_errno (symlink ("f", link));
  assert_child_refused (self, "link", "Not a directory");
  g_assert_no_errno (mkdir (open, 0700));
  g_assert_no_errno (chmod (open, 0777));
  assert_child_refused (self, "open", "written to by others");

  /* Readable is no reason to refuse: it is made private. */
  g_assert_no_errno (chmod (open, 0755));
  child = agl_private_folder_open_child (self->root, "open", NULL, &error);
  g_assert_no_error (error);
  g_assert_no_errno (stat (open, &st));
  g_assert_cmpint (st.st_mode & 07777, ==, 0700);

  g_assert_no_errno (chmod (self->base, 0770));
  g_assert_null (agl_private_folder_open (self->base, FALSE, &error));
  g_assert_error (error, AGL_ERROR, AGL_ERROR_UNAVAILABLE);
  g_clear_error (&error);
  g_assert_no_errno (chmod (self->base, 01777));
  sticky = agl_private_folder_open (self->base, FALSE, &error);
  g_assert_no_error (error);
}

/* As root others' folders can be made; an ordinary user finds one that is root's. */
static void
test_folders_of_others (Fixture *self, gconstpointer durable)
{
  g_autofree char *theirs = g_build_filename (self->base, "theirs", NULL);
  g_autoptr (AglPrivateFolder) root = NULL;
  g_autoptr (GError) error = NULL;

  if (geteuid () == 0)
    {
      g_assert_no_errno (mkdir (theirs, 0700));
      g_assert_no_errno (chown (theirs, 65534, 65534));
      assert_child_refused (self, "theirs", "another user");
      g_assert_null (agl_private_folder_open (theirs, FALSE, &error));
      g_assert_error (error, AGL_ERROR, AGL_ERROR_UNAVAILABLE);
      g_assert_nonnull (strstr (error->message, "another user"));
      return;
    }
  root = agl_private_folder_open ("/", FALSE, &error);
  g_assert_no_error (error);
  g_assert_null (agl_private_folder_open_child (root, "etc", NULL, &error));
  g_assert_error (error, AGL_ERROR, AGL_ERROR_UNAVAILABLE);
}

static void
add (const char *name, void (*test) (Fixture *, gconstpointer))
{
  g_autofree char *volatile_path = g_strconcat ("/private-folder/volatile/", name, NULL);
  g_autofree char *durable_path = g_strconcat ("/private-folder/durable/", name, NULL);

  g_test_add (volatile_path, Fixture, GINT_TO_POINTER (FALSE), set_up, test, tear_down);
  g_test_add (durable_path, Fixture, GINT_TO_POINTER (TRUE), set_up, test, tear_down);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  sample_log_catch ();
  add ("write", test_write);
  add ("failing-writes", test_failing_writes);
  add ("short-writes-go-on", test_short_writes_go_on);
  add ("without-hard-links", test_without_hard_links);
  add ("rename", test_rename);
  add ("remove", test_remove);
  add ("unreadable", test_unreadable);
  add ("own-trouble-is-not-the-files", test_own_trouble_is_not_the_files);
  add ("set-aside", test_set_aside);
  add ("list", test_list);
  add ("unsafe-folders", test_unsafe_folders);
  add ("folders-of-others", test_folders_of_others);
  g_test_add_func ("/private-folder/aside-names", test_aside_names);
  return g_test_run ();
}
