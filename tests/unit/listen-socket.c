/* SPDX-License-Identifier: MIT */
#include "service/listen-socket.h"

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static void
make_folder (char **folder, gconstpointer data)
{
  *folder = g_dir_make_tmp ("agl-listen-XXXXXX", NULL);
  g_assert_nonnull (*folder);
}

static void
remove_folder (char **folder, gconstpointer data)
{
  /* Which also says that no test leaves a socket behind. */
  g_assert_cmpint (rmdir (*folder), ==, 0);
  g_free (*folder);
}

static gboolean
can_connect (const char *name, gboolean is_abstract)
{
  struct sockaddr_un where = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  gboolean can;

  memcpy (where.sun_path + (is_abstract ? 1 : 0), name, strlen (name));
  can = connect (fd, (struct sockaddr *)&where,
                 (socklen_t)(G_STRUCT_OFFSET (struct sockaddr_un, sun_path) + strlen (name) + 1))
        == 0;
  close (fd);
  return can;
}

static AglListenSocket *
listen_at (const char *folder, const char *name, mode_t mode)
{
  g_autofree char *address = g_strdup_printf ("unix:path=%s/%s", folder, name);
  g_autoptr (GError) error = NULL;
  AglListenSocket *socket = agl_listen_socket_new (address, mode, &error);

  g_assert_no_error (error);
  g_assert_cmpstr (agl_listen_socket_get_address (socket), ==, address);
  return socket;
}

static void
test_path (char **folder, gconstpointer data)
{
  static const mode_t modes[] = { 0600, 0666 };
  g_autofree char *path = g_build_filename (*folder, "bus", NULL);
  mode_t mask = umask (0027);

  for (gsize i = 0; i < G_N_ELEMENTS (modes); i++)
    {
      g_autoptr (AglListenSocket) socket = listen_at (*folder, "bus", modes[i]);
      struct stat st;

      g_assert_cmpint (agl_listen_socket_get_fd (socket), >=, 0);
      g_assert_cmpint (lstat (path, &st), ==, 0);
      g_assert_true (S_ISSOCK (st.st_mode));
      g_assert_cmpint (st.st_mode & 0777, ==, modes[i]);
      g_assert_true (can_connect (path, FALSE));
    }
  umask (mask);
  g_assert_cmpint (access (path, F_OK), !=, 0);
}

static void
test_escaped (char **folder, gconstpointer data)
{
  g_autofree char *address = g_strdup_printf ("unix:guid=0123,path=%s/a%%20b%%2cc", *folder);
  g_autofree char *path = g_build_filename (*folder, "a b,c", NULL);
  g_autofree char *expected = g_strdup_printf ("unix:path=%s/a%%20b%%2Cc", *folder);
  g_autoptr (GError) error = NULL;
  g_autoptr (AglListenSocket) socket = agl_listen_socket_new (address, 0600, &error);
  g_autofree char *given = NULL;

  g_assert_no_error (error);
  given = g_ascii_strdown (agl_listen_socket_get_address (socket), -1);
  g_assert_true (can_connect (path, FALSE));
  g_assert_cmpint (g_ascii_strcasecmp (given, expected), ==, 0);
}

static void
test_folders (char **folder, gconstpointer data)
{
  static const char *const keys[] = { "dir", "tmpdir" };

  for (gsize i = 0; i < G_N_ELEMENTS (keys); i++)
    {
      g_autofree char *address = g_strdup_printf ("unix:%s=%s", keys[i], *folder);
      g_autofree char *start = g_strdup_printf ("unix:path=%s/", *folder);
      g_autoptr (GError) error = NULL;
      g_autoptr (AglListenSocket) socket = agl_listen_socket_new (address, 0600, &error);

      g_assert_no_error (error);
      g_assert_true (g_str_has_prefix (agl_listen_socket_get_address (socket), start));
      g_assert_true (can_connect (agl_listen_socket_get_address (socket) + strlen ("unix:path="), FALSE));
    }
}

static void
test_abstract (char **folder, gconstpointer data)
{
  g_autofree char *name = g_strdup_printf ("agl-test-%d", (int)getpid ());
  g_autofree char *address = g_strconcat ("unix:abstract=", name, NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (AglListenSocket) socket = agl_listen_socket_new (address, 0600, &error);
  g_autoptr (AglListenSocket) second = NULL;

  g_assert_no_error (error);
  g_assert_cmpstr (agl_listen_socket_get_address (socket), ==, address);
  g_assert_true (can_connect (name, TRUE));
  second = agl_listen_socket_new (address, 0600, &error);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_ADDRESS_IN_USE);
  g_assert_null (second);
}

/* Left by one that was killed, under both names. */
static void
test_stale (char **folder, gconstpointer data)
{
  static const char *const names[] = { "bus", "bus.new" };
  g_autofree char *path = g_build_filename (*folder, "bus", NULL);
  g_autoptr (AglListenSocket) listening = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    {
      struct sockaddr_un where = { .sun_family = AF_UNIX };
      int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

      g_snprintf (where.sun_path, sizeof where.sun_path, "%s/%s", *folder, names[i]);
      g_assert_cmpint (bind (fd, (struct sockaddr *)&where, sizeof where), ==, 0);
      close (fd);
    }
  g_assert_false (can_connect (path, FALSE));
  listening = listen_at (*folder, "bus", 0600);
  g_assert_true (can_connect (path, FALSE));
}

/* Whoever listens there, another service or a bus, goes on to be reached. */
static void
test_in_use (char **folder, gconstpointer data)
{
  g_autofree char *path = g_build_filename (*folder, "bus", NULL);
  g_autoptr (AglListenSocket) first = listen_at (*folder, "bus", 0600);
  g_autoptr (GError) error = NULL;
  g_autoptr (AglListenSocket) second =
      agl_listen_socket_new (agl_listen_socket_get_address (first), 0600, &error);

  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_ADDRESS_IN_USE);
  g_assert_null (second);
  g_assert_true (can_connect (path, FALSE));
  agl_listen_socket_free (g_steal_pointer (&first));
  first = listen_at (*folder, "bus", 0600);
  g_assert_true (can_connect (path, FALSE));
}

/* The one that replaced us has its own socket there; we must not take it away. */
static void
test_replaced (char **folder, gconstpointer data)
{
  g_autofree char *path = g_build_filename (*folder, "bus", NULL);
  AglListenSocket *first = listen_at (*folder, "bus", 0600);
  g_autoptr (AglListenSocket) second = NULL;

  g_assert_cmpint (g_unlink (path), ==, 0);
  second = listen_at (*folder, "bus", 0600);
  agl_listen_socket_free (first);
  g_assert_nonnull (second);
  g_assert_true (can_connect (path, FALSE));
}

static void
assert_refused (const char *address, int code)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (AglListenSocket) socket = agl_listen_socket_new (address, 0600, &error);

  g_test_message ("%s", address);
  g_assert_error (error, G_IO_ERROR, code);
  g_assert_null (socket);
  g_assert_nonnull (strstr (error->message, "Cannot listen at"));
}

static void
test_refused (char **folder, gconstpointer data)
{
  g_autofree char *path = g_build_filename (*folder, "bus", NULL);
  g_autofree char *fresh = g_build_filename (*folder, "bus.new", NULL);
  g_autofree char *address = g_strconcat ("unix:path=", path, NULL);
  g_autofree char *missing = g_strconcat ("unix:path=", path, "/none/bus", NULL);
  g_autofree char *name = g_strnfill (200, 'x');
  g_autofree char *too_long = g_strconcat ("unix:path=/tmp/", name, NULL);
  g_autofree char *too_long_abstract = g_strconcat ("unix:abstract=", name, NULL);

  assert_refused ("", G_IO_ERROR_INVALID_ARGUMENT);
  assert_refused ("unix:", G_IO_ERROR_INVALID_ARGUMENT);
  assert_refused ("unix:path", G_IO_ERROR_INVALID_ARGUMENT);
  assert_refused ("unix:path=/a,abstract=b", G_IO_ERROR_INVALID_ARGUMENT);
  assert_refused ("unix:path=/a;unix:path=/b", G_IO_ERROR_INVALID_ARGUMENT);
  assert_refused ("unix:path=/a%00b", G_IO_ERROR_INVALID_ARGUMENT);
  assert_refused ("unix:path=/a%zz", G_IO_ERROR_INVALID_ARGUMENT);
  assert_refused ("tcp:host=localhost,port=1", G_IO_ERROR_INVALID_ARGUMENT);
  assert_refused ("unix:abstract=", G_IO_ERROR_INVALID_FILENAME);
  assert_refused (too_long, G_IO_ERROR_INVALID_FILENAME);
  assert_refused (too_long_abstract, G_IO_ERROR_INVALID_FILENAME);
  assert_refused (missing, G_IO_ERROR_NOT_FOUND);

  /* Somebody's file stays somebody's. */
  g_assert_true (g_file_set_contents (path, "mine", -1, NULL));
  assert_refused (address, G_IO_ERROR_EXISTS);
  g_assert_cmpint (g_rename (path, fresh), ==, 0);
  assert_refused (address, G_IO_ERROR_EXISTS);
  g_assert_cmpint (symlink ("/dev/null", path), ==, 0);
  assert_refused (address, G_IO_ERROR_EXISTS);
  g_assert_cmpint (g_unlink (path), ==, 0);
  g_assert_cmpint (g_unlink (fresh), ==, 0);
}

int
main (int argc, char **argv)
{
  static const struct
  {
    const char *path;
    void (*test) (char **folder, gconstpointer data);
  } tests[] = {
    { "/listen-socket/path", test_path },         { "/listen-socket/escaped", test_escaped },
    { "/listen-socket/folders", test_folders },   { "/listen-socket/abstract", test_abstract },
    { "/listen-socket/stale", test_stale },       { "/listen-socket/in-use", test_in_use },
    { "/listen-socket/replaced", test_replaced }, { "/listen-socket/refused", test_refused },
  };

  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (tests); i++)
    g_test_add (tests[i].path, char *, NULL, make_folder, tests[i].test, remove_folder);
  return g_test_run ();
}
