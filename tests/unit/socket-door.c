/* SPDX-License-Identifier: MIT */
#include "service/socket-door.h"

#include <sched.h>
#include <sys/wait.h>

#include "door-fixture.h"

static const AglDoorPolicy ample = {
  .everybody = TRUE,
  .max_connections_per_user = 100,
};

/* Who is there */

static void
test_peer (void)
{
  Fixture *f = fixture_new (&ample);
  GDBusConnection *client = client_new (f, G_DBUS_CONNECTION_FLAGS_NONE);
  const AglPeer *peer;

  WAIT_UNTIL (f->n_opened == 1);
  peer = agl_socket_door_get_peer (f->connections->pdata[0]);
  g_assert_nonnull (peer);
  g_assert_cmpuint (peer->uid, ==, geteuid ());
  g_assert_cmpuint (peer->gid, ==, getegid ());
  g_assert_cmpint (peer->pid, ==, getpid ());
  g_assert_cmpuint (peer->n_groups, ==, (gsize)getgroups (0, NULL));
  /* -1 only where the kernel has none to give. */
  if (peer->pidfd >= 0)
    {
      g_autofree char *path = g_strdup_printf ("/proc/self/fdinfo/%d", peer->pidfd);
      g_autofree char *expected = g_strdup_printf ("\nPid:\t%d\n", (int)getpid ());
      g_autofree char *info = NULL;

      g_assert_true (g_file_get_contents (path, &info, NULL, NULL));
      g_assert_nonnull (strstr (info, expected));
    }
  g_assert_null (agl_socket_door_get_peer (client));
  g_assert_true (agl_socket_door_check_backlog (client));
  client_assert_echo (client, NULL);
  client_close (client);
  WAIT_UNTIL (f->n_closed == 1);
  fixture_free (f);
}

/* What a child hears from the door. It does system calls only: other threads exist in this process. */
enum
{
  HEARD_NOTHING = 10,
  HEARD_OK,
  HEARD_REJECTED,
  COULD_NOT
};

static int
child_listen (const char *path, const char *auth)
{
  struct sockaddr_un where = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_STREAM, 0);
  char answer[64] = "";

  memcpy (where.sun_path, path, strlen (path));
  if (fd < 0 || connect (fd, (struct sockaddr *)&where, sizeof where) != 0)
    return COULD_NOT;
  if (send (fd, "", 1, MSG_NOSIGNAL) < 0 || send (fd, auth, strlen (auth), MSG_NOSIGNAL) < 0)
    return HEARD_NOTHING;
  if (recv (fd, answer, sizeof answer - 1, 0) <= 0)
    return HEARD_NOTHING;
  return strncmp (answer, "OK ", 3) == 0 ? HEARD_OK : HEARD_REJECTED;
}

static int
wait_for_child (pid_t pid)
{
  int status = 0;

  g_assert_cmpint (pid, >, 0);
  WAIT_UNTIL (waitpid (pid, &status, WNOHANG) == pid);
  g_assert_true (WIFEXITED (status));
  return WEXITSTATUS (status);
}

static int
heard_as_user (Fixture *f, uid_t uid, const char *auth)
{
  pid_t pid = fork ();

  if (pid == 0)
    _exit (setresgid (uid, uid, uid) != 0 || setresuid (uid, uid, uid) != 0 ? COULD_NOT
                                                                            : child_listen (f->path, auth));
  return wait_for_child (pid);
}

/* Only root can be somebody else for the test; anybody can be themselves. */
static void
test_users (void)
{
  static const AglDoorPolicy own = { .everybody = FALSE, .max_connections_per_user = 100 };
  gboolean is_root = geteuid () == 0;
  Fixture *f = fixture_new (&own);
  Fixture *everybody = fixture_new (&ample);

  g_assert_cmpint (heard_as_user (f, getuid (), "AUTH EXTERNAL\r\nDATA\r\n"), ==, HEARD_REJECTED);
  g_assert_cmpint (heard_as_user (everybody, is_root ? 65534 : getuid (), "AUTH EXTERNAL 3432\r\n"), ==,
                   HEARD_REJECTED);
  if (is_root)
    {
      g_assert_cmpint (heard_as_user (f, 0, "AUTH EXTERNAL 30\r\n"), ==, HEARD_OK);
      g_assert_cmpint (heard_as_user (f, 65534, "AUTH EXTERNAL 3635353334\r\n"), ==, HEARD_NOTHING);
      g_assert_cmpint (heard_as_user (everybody, 65534, "AUTH EXTERNAL 3635353334\r\n"), ==, HEARD_OK);
      g_assert_cmpint (heard_as_user (everybody, 65534, "AUTH EXTERNAL 30\r\n"), ==, HEARD_REJECTED);
      g_assert_cmpint (heard_as_user (everybody, 0, "AUTH EXTERNAL 3635353334\r\n"), ==, HEARD_REJECTED);
    }
  g_assert_cmpuint (f->n_opened, ==, 0);
  fixture_free (everybody);
  fixture_free (f);
}

static int
child_in_user_namespace (const char *path, const char *map, const char *auth)
{
  int fd;

  if (unshare (CLONE_NEWUSER) != 0)
    return COULD_NOT;
  fd = open ("/proc/self/uid_map", O_WRONLY);
  if (fd < 0 || write (fd, map, strlen (map)) != (gssize)strlen (map))
    return COULD_NOT;
  close (fd);
  return child_listen (path, auth);
}

/* In a container a client claims the number it sees, which is not the one we see. */
static void
test_user_namespace (void)
{
  static const struct
  {
    const char *auth;
    int heard;
  } cases[] = {
    { "AUTH EXTERNAL 31323334\r\n", HEARD_OK },       /* 1234 */
    { "AUTH EXTERNAL 31323335\r\n", HEARD_REJECTED }, /* 1235 */
    { "AUTH EXTERNAL 31323333\r\n", HEARD_REJECTED }, /* 1233 */
  };
  g_autofree char *map = g_strdup_printf ("1234 %u 1", (guint)geteuid ());
  Fixture *f = fixture_new (&ample);

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      pid_t pid = fork ();

      if (pid == 0)
        _exit (child_in_user_namespace (f->path, map, cases[i].auth));
      g_assert_cmpint (wait_for_child (pid), ==, cases[i].heard);
    }
  fixture_free (f);
}

/* Bounds */

static void
test_connections_per_user (void)
{
  static const AglDoorPolicy policy = { .everybody = TRUE, .max_connections_per_user = 3 };
  Fixture *f = fixture_new (&policy);
  int first = raw_new (f), second = raw_new_authenticated (f), third = raw_new (f), fourth;

  WAIT_UNTIL (agl_socket_door_count (f->door) == 3);
  fourth = raw_new (f);
  raw_assert_hung_up (fourth);
  close (fourth);
  g_assert_cmpuint (agl_socket_door_count (f->door), ==, 3);

  close (first);
  WAIT_UNTIL (agl_socket_door_count (f->door) == 2);
  close (second);
  WAIT_UNTIL (agl_socket_door_count (f->door) == 1);
  fourth = raw_new_authenticated (f);
  close (fourth);
  close (third);
  WAIT_UNTIL (agl_socket_door_count (f->door) == 0);
  fixture_free (f);
}

static void
test_connections_of_all (void)
{
  static const AglDoorPolicy policy = { .everybody = TRUE,
                                        .max_connections_per_user = 100,
                                        .max_connections = 2 };
  Fixture *f = fixture_new (&policy);
  int first = raw_new (f), second = raw_new (f), third;

  WAIT_UNTIL (agl_socket_door_count (f->door) == 2);
  third = raw_new (f);
  raw_assert_hung_up (third);
  close (first);
  close (second);
  close (third);
  WAIT_UNTIL (agl_socket_door_count (f->door) == 0);
  fixture_free (f);
}

#define N_SLOW 60

static void
begin_slowly (Fixture *f, int *fds)
{
  static const char *const said[] = { "", "\0", "\0AUTH EXTER", "\0AUTH EXTERNAL\r\n" };
  static const gsize n_said[] = { 0, 1, 11, 16 };

  for (gsize i = 0; i < N_SLOW; i++)
    {
      fds[i] = raw_new (f);
      raw_send (fds[i], said[i % 4], n_said[i % 4]);
    }
}

/* Those that say nothing, or not enough, hold up nobody. */
static void
test_slow_handshakes (void)
{
  static const AglDoorPolicy policy = { .everybody = TRUE,
                                        .max_connections_per_user = 100,
                                        .handshake_timeout_msec = 2 * PATIENCE_SEC * 1000 };
  Fixture *f = fixture_new (&policy);
  GDBusConnection *client;
  int fds[N_SLOW];

  begin_slowly (f, fds);
  client = client_new (f, G_DBUS_CONNECTION_FLAGS_NONE);
  client_assert_echo (client, NULL);
  g_assert_cmpuint (agl_socket_door_count (f->door), ==, N_SLOW + 1);
  for (gsize i = 0; i < N_SLOW; i++)
    close (fds[i]);
  WAIT_UNTIL (agl_socket_door_count (f->door) == 1);
  client_close (client);
  WAIT_UNTIL (f->n_closed == 1);
  fixture_free (f);
}

/* And they are not there for long; whoever is let in stays. */
static void
test_handshakes_without_an_end (void)
{
  static const AglDoorPolicy policy = { .everybody = TRUE,
                                        .max_connections_per_user = 100,
                                        .handshake_timeout_msec = 1500 };
  Fixture *f = fixture_new (&policy);
  GDBusConnection *client = NULL;
  int fds[N_SLOW];

  /* Who gets no processor for so long is too slow as well, and comes again. */
  while (client == NULL)
    client = client_try_new (f, G_DBUS_CONNECTION_FLAGS_NONE, NULL);
  begin_slowly (f, fds);
  for (gsize i = 0; i < N_SLOW; i++)
    {
      raw_assert_hung_up (fds[i]);
      close (fds[i]);
    }
  WAIT_UNTIL (agl_socket_door_count (f->door) == 1);
  client_assert_echo (client, NULL);
  client_close (client);
  WAIT_UNTIL (f->n_closed == f->n_opened);
  fixture_free (f);
}

static void
test_bad_handshakes (void)
{
  static const char *const said[] = { "GET / HTTP/1.1\r\n\r\n", "\xff\xff\xff\xff", "AUTH EXTERNAL 30\r\n" };
  Fixture *f = fixture_new (&ample);
  g_autofree char *endless = g_strnfill (100000, 'A');

  for (gsize i = 0; i < G_N_ELEMENTS (said); i++)
    {
      int fd = raw_new (f);

      raw_send (fd, said[i], strlen (said[i]));
      raw_assert_hung_up (fd);
      close (fd);
    }
  for (guint i = 0; i < 2; i++)
    {
      int fd = raw_new (f);

      raw_send (fd, "", 1);
      g_assert_cmpint (send (fd, endless, i == 0 ? 300 : 100000, MSG_NOSIGNAL), >, 0);
      raw_assert_hung_up (fd);
      close (fd);
    }
  g_assert_cmpuint (f->n_opened, ==, 0);
  WAIT_UNTIL (agl_socket_door_count (f->door) == 0);
  fixture_free (f);
}

/* A client that waits for no answer: handshake and first call in one write. */
static void
test_pipelined_handshake (void)
{
  Fixture *f = fixture_new (&ample);
  g_autoptr (GBytes) call = raw_call ("Echo", g_variant_new ("(s)", "early"), 5, G_DBUS_MESSAGE_FLAGS_NONE);
  g_autoptr (GByteArray) all = g_byte_array_new ();
  g_autoptr (GDBusMessage) reply = NULL;
  static const char handshake[] = "\0AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n";
  int fd = raw_new (f);

  g_byte_array_append (all, (const guint8 *)handshake, sizeof handshake - 1);
  g_byte_array_append (all, g_bytes_get_data (call, NULL), (guint)g_bytes_get_size (call));
  raw_send (fd, all->data, all->len);
  raw_assert_line (fd, "DATA");
  raw_assert_line (fd, "OK ");
  raw_assert_line (fd, "AGREE_UNIX_FD");
  reply = raw_next (fd);
  g_assert_nonnull (reply);
  g_assert_cmpuint (g_dbus_message_get_reply_serial (reply), ==, 5);
  close (fd);
  WAIT_UNTIL (f->n_closed == 1);
  fixture_free (f);
}

/* Coming and going */

static void
test_nothing_stays (void)
{
  Fixture *f = fixture_new (&ample);
  const guint n_rounds = 500;
  guint n_fds = 0;

  for (guint i = 0; i < n_rounds; i++)
    {
      int fd = i % 2 == 0 ? raw_new_authenticated (f) : raw_new (f);

      close (fd);
      WAIT_UNTIL (agl_socket_door_count (f->door) == 0);
      if (i == 10)
        n_fds = count_fds ();
    }
  g_assert_cmpuint (f->n_opened, ==, n_rounds / 2);
  g_assert_cmpuint (f->n_closed, ==, n_rounds / 2);
  WAIT_UNTIL (count_fds () <= n_fds);
  fixture_free (f);
}

static void
test_door_closes (void)
{
  Fixture *f = fixture_new (&ample);
  g_autofree char *path = g_strdup (f->path);
  int shaking = raw_new (f), open = raw_new_authenticated (f);
  char byte;

  WAIT_UNTIL (f->n_opened == 1);
  fixture_free (f);
  g_assert_cmpint (raw_receive (shaking, &byte, 1), ==, 0);
  g_assert_cmpint (raw_receive (open, &byte, 1), ==, 0);
  g_assert_cmpint (access (path, F_OK), !=, 0);
  close (shaking);
  close (open);
}

/* By those behind the door. */
static void
test_closed_from_within (void)
{
  Fixture *f = fixture_new (&ample);
  int fd = raw_new_authenticated (f);

  WAIT_UNTIL (f->n_opened == 1);
  g_dbus_connection_close (f->connections->pdata[0], NULL, NULL, NULL);
  WAIT_UNTIL (f->n_closed == 1);
  raw_assert_hung_up (fd);
  close (fd);
  fixture_free (f);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/socket-door/peer", test_peer);
  g_test_add_func ("/socket-door/users", test_users);
  g_test_add_func ("/socket-door/user-namespace", test_user_namespace);
  g_test_add_func ("/socket-door/connections-per-user", test_connections_per_user);
  g_test_add_func ("/socket-door/connections-of-all", test_connections_of_all);
  g_test_add_func ("/socket-door/slow-handshakes", test_slow_handshakes);
  g_test_add_func ("/socket-door/handshakes-without-an-end", test_handshakes_without_an_end);
  g_test_add_func ("/socket-door/bad-handshakes", test_bad_handshakes);
  g_test_add_func ("/socket-door/pipelined-handshake", test_pipelined_handshake);
  g_test_add_func ("/socket-door/nothing-stays", test_nothing_stays);
  g_test_add_func ("/socket-door/door-closes", test_door_closes);
  g_test_add_func ("/socket-door/closed-from-within", test_closed_from_within);
  return g_test_run ();
}
