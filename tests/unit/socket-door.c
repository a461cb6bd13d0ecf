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

/* Those that say nothing, or not enough, hold up nobody, and not for long. */
static void
test_slow_handshakes (void)
{
  static const AglDoorPolicy policy = { .everybody = TRUE,
                                        .max_connections_per_user = 100,
                                        .handshake_timeout_msec = 1500 };
  static const char *const said[] = { "", "\0", "\0AUTH EXTER", "\0AUTH EXTERNAL\r\n" };
  static const gsize n_said[] = { 0, 1, 11, 16 };
  Fixture *f = fixture_new (&policy);
  GDBusConnection *client;
  int fds[60];

  for (gsize i = 0; i < G_N_ELEMENTS (fds); i++)
    {
      fds[i] = raw_new (f);
      raw_send (fds[i], said[i % 4], n_said[i % 4]);
    }
  client = client_new (f, G_DBUS_CONNECTION_FLAGS_NONE);
  client_assert_echo (client, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (fds); i++)
    {
      raw_assert_hung_up (fds[i]);
      close (fds[i]);
    }
  g_assert_cmpuint (agl_socket_door_count (f->door), ==, 1);
  client_assert_echo (client, NULL);
  client_close (client);
  WAIT_UNTIL (f->n_closed == 1);
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

/* Messages */

static GBytes *
damaged (GBytes *bytes, gsize offset, guint8 value)
{
  gsize n_bytes;
  g_autofree guint8 *copy = g_bytes_unref_to_data (bytes, &n_bytes);

  copy[offset] = value;
  return g_bytes_new_take (g_steal_pointer (&copy), n_bytes);
}

static void
test_malformed (void)
{
  Fixture *f = fixture_new (&ample);
  GDBusConnection *client = client_new (f, G_DBUS_CONNECTION_FLAGS_NONE);
  GBytes *cases[7];

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    cases[i] = raw_call ("Echo", g_variant_new ("(s)", "hello"), 1, G_DBUS_MESSAGE_FLAGS_NONE);
  cases[0] = damaged (cases[0], 0, 'x');                                /* byte order */
  cases[1] = damaged (cases[1], 1, 0);                                  /* type */
  cases[2] = damaged (cases[2], 3, 9);                                  /* version */
  cases[3] = damaged (cases[3], 7, 0x7f);                               /* two gigabytes of body */
  cases[4] = damaged (cases[4], 15, 0x7f);                              /* two gigabytes of fields */
  cases[5] = damaged (cases[5], 12, 3);                                 /* fields that end in their midst */
  cases[6] = damaged (cases[6], g_bytes_get_size (cases[6]) - 2, 0xff); /* text that is not UTF-8 */

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      int fd = raw_new_authenticated (f);

      g_test_message ("case %" G_GSIZE_FORMAT, i);
      raw_send_bytes (fd, cases[i]);
      raw_assert_hung_up (fd);
      close (fd);
      WAIT_UNTIL (f->n_closed == i + 1);
      g_bytes_unref (cases[i]);
    }
  g_assert_cmpuint (f->n_calls, ==, 0);
  client_assert_echo (client, NULL);
  client_close (client);
  fixture_free (f);
}

static void
test_message_size (void)
{
  Fixture *f = fixture_new (&ample);
  GDBusConnection *client = client_new (f, G_DBUS_CONNECTION_FLAGS_NONE);
  g_autofree char *fits = g_strnfill (250 * 1024, 'x');
  g_autofree char *does_not = g_strnfill (260 * 1024, 'x');
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) echo = client_call_full (client, NULL, AGL_OBJECT_PATH, AGL_INTERFACE, "Echo",
                                                g_variant_new ("(s)", fits), NULL, &error);
  g_autoptr (GVariant) none = NULL;

  g_assert_no_error (error);
  g_assert_nonnull (echo);
  none = client_call_full (client, NULL, AGL_OBJECT_PATH, AGL_INTERFACE, "Echo",
                           g_variant_new ("(s)", does_not), NULL, &error);
  g_assert_null (none);
  g_assert_nonnull (error);
  WAIT_UNTIL (f->n_closed == 1);
  g_assert_cmpuint (f->n_calls, ==, 1);
  client_close (client);
  fixture_free (f);
}

/* Byte by byte, the flag in the middle of the header included. */
static void
test_in_pieces (void)
{
  Fixture *f = fixture_new (&ample);
  int fd = raw_new_authenticated (f);
  g_autoptr (GBytes) silent =
      raw_call ("Echo", g_variant_new ("(s)", "a"), 1, G_DBUS_MESSAGE_FLAGS_NO_REPLY_EXPECTED);
  g_autoptr (GBytes) call = raw_call ("Echo", g_variant_new ("(s)", "b"), 2, G_DBUS_MESSAGE_FLAGS_NONE);
  g_autoptr (GDBusMessage) reply = NULL;

  for (gsize i = 0; i < g_bytes_get_size (silent); i++)
    {
      raw_send (fd, (const guint8 *)g_bytes_get_data (silent, NULL) + i, 1);
      g_main_context_iteration (NULL, FALSE);
    }
  raw_send_bytes (fd, call);
  reply = raw_next (fd);
  g_assert_nonnull (reply);
  g_assert_cmpuint (g_dbus_message_get_reply_serial (reply), ==, 2);
  g_assert_cmpuint (f->n_calls, ==, 2);
  close (fd);
  WAIT_UNTIL (f->n_closed == 1);
  fixture_free (f);
}

static void
test_no_reply_expected (void)
{
  Fixture *f = fixture_new (&ample);
  int fd = raw_new_authenticated (f);
  const guint32 n_calls = 5000;
  g_autoptr (GBytes) last =
      raw_call ("Echo", g_variant_new ("(s)", "end"), n_calls + 1, G_DBUS_MESSAGE_FLAGS_NONE);
  g_autoptr (GDBusMessage) reply = NULL;

  for (guint32 serial = 1; serial <= n_calls; serial++)
    {
      g_autoptr (GBytes) call =
          raw_call ("Echo", g_variant_new ("(s)", "x"), serial, G_DBUS_MESSAGE_FLAGS_NO_REPLY_EXPECTED);

      raw_send_bytes (fd, call);
    }
  raw_send_bytes (fd, last);
  reply = raw_next (fd);
  g_assert_nonnull (reply);
  g_assert_cmpuint (g_dbus_message_get_reply_serial (reply), ==, n_calls + 1);
  g_assert_cmpuint (f->n_calls, ==, n_calls + 1);
  close (fd);
  WAIT_UNTIL (f->n_closed == 1);
  fixture_free (f);
}

/* Replies to calls that we never made and signals that nobody asked for are not even looked at. */
static void
test_only_calls (void)
{
  Fixture *f = fixture_new (&ample);
  GDBusConnection *client = client_new (f, G_DBUS_CONNECTION_FLAGS_NONE);

  for (guint i = 0; i < 1000; i++)
    {
      g_autoptr (GDBusMessage) call = g_dbus_message_new_method_call (NULL, "/", "a.b", "C");
      g_autoptr (GDBusMessage) reply = NULL;

      g_dbus_message_set_serial (call, i + 1);
      reply = g_dbus_message_new_method_reply (call);
      g_assert_true (
          g_dbus_connection_send_message (client, reply, G_DBUS_SEND_MESSAGE_FLAGS_NONE, NULL, NULL));
      g_assert_true (g_dbus_connection_emit_signal (client, NULL, "/", "a.b", "C", NULL, NULL));
    }
  client_assert_echo (client, NULL);
  client_close (client);
  WAIT_UNTIL (f->n_closed == 1);
  fixture_free (f);
}

static void
test_descriptors (void)
{
  Fixture *f = fixture_new (&ample);
  GDBusConnection *client = client_new (f, G_DBUS_CONNECTION_FLAGS_NONE);
  g_autoptr (GUnixFDList) one = g_unix_fd_list_new ();
  g_autoptr (GUnixFDList) many = g_unix_fd_list_new ();
  g_autoptr (GVariant) answer = NULL;
  g_autoptr (GVariant) none = NULL;
  g_autoptr (GError) error = NULL;
  struct stat st;
  guint64 inode;
  guint n_fds;

  g_assert_cmpint (stat (f->folder, &st), ==, 0);
  {
    int fd = open (f->folder, O_PATH | O_CLOEXEC);

    g_unix_fd_list_append (one, fd, NULL);
    for (guint i = 0; i <= AGL_PEER_MAX_FDS; i++)
      g_unix_fd_list_append (many, fd, NULL);
    close (fd);
  }
  WAIT_UNTIL (f->n_opened == 1);
  n_fds = count_fds ();
  for (guint i = 0; i < 50; i++)
    {
      g_clear_pointer (&answer, g_variant_unref);
      answer = client_call_full (client, NULL, AGL_OBJECT_PATH, AGL_INTERFACE, "Inode",
                                 g_variant_new ("(h)", 0), one, &error);
      g_assert_no_error (error);
      g_variant_get (answer, "(t)", &inode);
      g_assert_cmpuint (inode, ==, st.st_ino);
    }
  WAIT_UNTIL (count_fds () <= n_fds);

  none = client_call_full (client, NULL, AGL_OBJECT_PATH, AGL_INTERFACE, "Inode", g_variant_new ("(h)", 0),
                           many, &error);
  g_assert_null (none);
  WAIT_UNTIL (f->n_closed == 1);
  client_close (client);
  fixture_free (f);
}

static void
send_with_fds (int socket, GBytes *bytes, gsize n_fds)
{
  union
  {
    char bytes[CMSG_SPACE (16 * sizeof (int))];
    struct cmsghdr align;
  } control = { 0 };
  struct iovec vector = { (void *)g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes) };
  struct msghdr message = { .msg_iov = &vector,
                            .msg_iovlen = 1,
                            .msg_control = &control,
                            .msg_controllen = CMSG_SPACE (n_fds * sizeof (int)) };
  struct cmsghdr *c = CMSG_FIRSTHDR (&message);

  c->cmsg_level = SOL_SOCKET;
  c->cmsg_type = SCM_RIGHTS;
  c->cmsg_len = CMSG_LEN (n_fds * sizeof (int));
  for (gsize i = 0; i < n_fds; i++)
    memcpy (CMSG_DATA (c) + i * sizeof (int), &socket, sizeof socket);
  g_assert_cmpint (sendmsg (socket, &message, MSG_NOSIGNAL), ==, (gssize)g_bytes_get_size (bytes));
}

/* Descriptors that the message does not speak of, or too many of them: they are not kept. */
static void
test_stowaways (void)
{
  static const gsize numbers[] = { 1, AGL_PEER_MAX_FDS, AGL_PEER_MAX_FDS + 1, 16 };
  Fixture *f = fixture_new (&ample);
  guint n_fds = count_fds ();

  for (gsize i = 0; i < G_N_ELEMENTS (numbers); i++)
    {
      g_autoptr (GBytes) call = raw_call ("Hold", NULL, 1, G_DBUS_MESSAGE_FLAGS_NONE);
      int fd = raw_new_authenticated (f);

      send_with_fds (fd, call, numbers[i]);
      raw_assert_hung_up (fd);
      close (fd);
      WAIT_UNTIL (f->n_closed == i + 1);
    }
  g_assert_cmpuint (f->n_calls, ==, 0);
  WAIT_UNTIL (count_fds () <= n_fds + 1); /* GDBus' own, if this test comes first */
  fixture_free (f);
}

/* Those who do not read */

static void
on_ping (GDBusConnection *connection,
         const char *sender,
         const char *path,
         const char *interface,
         const char *signal,
         GVariant *arguments,
         gpointer user_data)
{
  guint *n_received = user_data;

  (*n_received)++;
}

static void
on_finalized (gpointer user_data, GObject *object)
{
  gboolean *is_finalized = user_data;

  *is_finalized = TRUE;
}

static void
test_signals_unread (void)
{
  static const AglDoorPolicy policy = { .everybody = TRUE,
                                        .max_connections_per_user = 100,
                                        .max_queued_messages = 1000 };
  const guint n_signals = 20000;
  Fixture *f = fixture_new (&policy);
  g_autofree char *text = g_strnfill (500, 'x');
  guint n_received = 0, n_sent = 0, most = 0;
  gboolean is_finalized = FALSE;
  GDBusConnection *client, *deaf;
  int fd = raw_new_authenticated (f);

  WAIT_UNTIL (f->n_opened == 1);
  deaf = f->connections->pdata[0];
  g_object_weak_ref (G_OBJECT (deaf), on_finalized, &is_finalized);
  client = client_new (f, G_DBUS_CONNECTION_FLAGS_NONE);
  g_dbus_connection_signal_subscribe (client, NULL, NULL, "Ping", NULL, NULL, G_DBUS_SIGNAL_FLAGS_NONE,
                                      on_ping, &n_received, NULL);
  while (n_sent < n_signals)
    {
      for (guint i = 0; i < 500; i++, n_sent++)
        {
          fixture_ping (f, "Ping", text);
          if (!is_finalized)
            most = MAX (most, agl_socket_door_get_backlog (deaf));
        }
      WAIT_UNTIL (n_received == n_sent);
    }
  /* Four times the limit, and what is sent before the loop turns and the connection is found closed. */
  g_assert_cmpuint (most, >, 1000);
  g_assert_cmpuint (most, <=, 4000 + 4 + 500);
  WAIT_UNTIL (is_finalized);
  g_assert_cmpuint (f->n_closed, ==, 1);
  client_assert_echo (client, NULL);
  raw_assert_hung_up (fd);
  close (fd);
  client_close (client);
  WAIT_UNTIL (f->n_closed == 2);
  fixture_free (f);
}

/* A burst that is read late is no reason. */
static void
test_burst (void)
{
  static const AglDoorPolicy policy = { .everybody = TRUE,
                                        .max_connections_per_user = 100,
                                        .max_queued_messages = 1000 };
  Fixture *f = fixture_new (&policy);
  g_autofree char *text = g_strnfill (500, 'x');
  int fd = raw_new_authenticated (f);

  WAIT_UNTIL (f->n_opened == 1);
  for (guint i = 0; i < 3000; i++)
    fixture_ping (f, "Ping", text);
  g_assert_cmpuint (agl_socket_door_get_backlog (f->connections->pdata[0]), >, 1000);
  for (guint i = 0; i < 3000; i++)
    {
      g_autoptr (GDBusMessage) signal = raw_next (fd);

      g_assert_nonnull (signal);
    }
  g_assert_true (agl_socket_door_check_backlog (f->connections->pdata[0]));
  close (fd);
  WAIT_UNTIL (f->n_closed == 1);
  fixture_free (f);
}

/* One that calls and calls and never reads an answer is read from no longer; others are served. When it reads
 * at last, everything it asked is answered. */
static void
test_answers_unread (void)
{
  const guint32 n_calls = 4000;
  Fixture *f = fixture_new (&ample);
  GDBusConnection *client = client_new (f, G_DBUS_CONNECTION_FLAGS_NONE);
  g_autofree char *text = g_strnfill (8000, 'x');
  int fd = raw_new_authenticated (f);
  guint32 serial = 1;
  guint n_quiet = 0, n_calls_before;

  while (n_quiet < 20 && serial <= n_calls)
    {
      g_autoptr (GBytes) call =
          raw_call ("Echo", g_variant_new ("(s)", text), serial, G_DBUS_MESSAGE_FLAGS_NONE);
      const char *bytes = g_bytes_get_data (call, NULL);
      gsize n_bytes = g_bytes_get_size (call);
      gssize n = send (fd, bytes, n_bytes, MSG_NOSIGNAL);

      if (n < 0)
        {
          g_assert_cmpint (errno, ==, EAGAIN);
          client_assert_echo (client, NULL);
          n_quiet++;
          continue;
        }
      n_quiet = 0;
      serial++;
      while (n < (gssize)n_bytes && n_quiet < 20)
        {
          gssize more = send (fd, bytes + n, n_bytes - (gsize)n, MSG_NOSIGNAL);

          client_assert_echo (client, NULL);
          n_quiet = more < 0 ? n_quiet + 1 : 0;
          n += MAX (more, 0);
        }
      /* Cut in the midst of a message: the rest goes when it reads. */
      if (n < (gssize)n_bytes)
        {
          n_calls_before = f->n_calls;
          g_assert_cmpuint (serial, <, 500);
          for (guint32 i = 1; i < serial; i++)
            {
              g_autoptr (GDBusMessage) reply = NULL;

              if (i == 2)
                raw_send (fd, bytes + n, n_bytes - (gsize)n);
              reply = raw_next (fd);
              g_assert_nonnull (reply);
              g_assert_cmpuint (g_dbus_message_get_reply_serial (reply), ==, i);
            }
          g_assert_cmpuint (f->n_calls, >=, n_calls_before);
          break;
        }
    }
  /* Far fewer than it would have liked: its buffers and the bound on calls. */
  g_assert_cmpuint (serial, <, 500);
  close (fd);
  client_close (client);
  WAIT_UNTIL (f->n_closed == 2);
  fixture_free (f);
}

/* The number of calls that wait for an answer is bounded, and with one answered there is room for one more.
 */
static void
test_pending_calls (void)
{
  static const AglDoorPolicy policy = { .everybody = TRUE,
                                        .max_connections_per_user = 100,
                                        .max_pending_calls = 10 };
  Fixture *f = fixture_new (&policy);
  GDBusConnection *client = client_new (f, G_DBUS_CONNECTION_FLAGS_NONE);
  int fd = raw_new_authenticated (f);

  for (guint32 serial = 1; serial <= 25; serial++)
    {
      g_autoptr (GBytes) call = raw_call ("Hold", NULL, serial, G_DBUS_MESSAGE_FLAGS_NONE);

      raw_send_bytes (fd, call);
    }
  WAIT_UNTIL (f->n_calls == 10);
  for (guint i = 0; i < 20; i++)
    client_assert_echo (client, NULL);
  g_assert_cmpuint (f->n_calls, ==, 10 + 20);
  fixture_answer_held (f);
  WAIT_UNTIL (f->n_calls == 20 + 20);
  fixture_answer_held (f);
  WAIT_UNTIL (f->n_calls == 25 + 20);
  fixture_answer_held (f);
  for (guint32 i = 1; i <= 25; i++)
    {
      g_autoptr (GDBusMessage) reply = raw_next (fd);

      g_assert_nonnull (reply);
      g_assert_cmpuint (g_dbus_message_get_reply_serial (reply), ==, i);
    }
  close (fd);
  client_close (client);
  WAIT_UNTIL (f->n_closed == 2);
  fixture_free (f);
}

/* Gone while it is not read from. */
static void
test_gone_while_paused (void)
{
  static const AglDoorPolicy policy = { .everybody = TRUE,
                                        .max_connections_per_user = 100,
                                        .max_pending_calls = 3 };
  Fixture *f = fixture_new (&policy);
  int fd = raw_new_authenticated (f);

  for (guint32 serial = 1; serial <= 20; serial++)
    {
      g_autoptr (GBytes) call = raw_call ("Hold", NULL, serial, G_DBUS_MESSAGE_FLAGS_NONE);

      raw_send_bytes (fd, call);
    }
  WAIT_UNTIL (f->n_calls == 3);
  close (fd);
  WAIT_UNTIL (f->n_closed == 1);
  g_assert_cmpuint (f->n_calls, ==, 3);
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
  /* GDBus warns of malformed messages. */
  g_log_set_always_fatal (G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_ERROR);

  g_test_add_func ("/socket-door/peer", test_peer);
  g_test_add_func ("/socket-door/users", test_users);
  g_test_add_func ("/socket-door/user-namespace", test_user_namespace);
  g_test_add_func ("/socket-door/connections-per-user", test_connections_per_user);
  g_test_add_func ("/socket-door/connections-of-all", test_connections_of_all);
  g_test_add_func ("/socket-door/slow-handshakes", test_slow_handshakes);
  g_test_add_func ("/socket-door/bad-handshakes", test_bad_handshakes);
  g_test_add_func ("/socket-door/pipelined-handshake", test_pipelined_handshake);
  g_test_add_func ("/socket-door/malformed", test_malformed);
  g_test_add_func ("/socket-door/message-size", test_message_size);
  g_test_add_func ("/socket-door/in-pieces", test_in_pieces);
  g_test_add_func ("/socket-door/no-reply-expected", test_no_reply_expected);
  g_test_add_func ("/socket-door/only-calls", test_only_calls);
  g_test_add_func ("/socket-door/descriptors", test_descriptors);
  g_test_add_func ("/socket-door/stowaways", test_stowaways);
  g_test_add_func ("/socket-door/signals-unread", test_signals_unread);
  g_test_add_func ("/socket-door/burst", test_burst);
  g_test_add_func ("/socket-door/answers-unread", test_answers_unread);
  g_test_add_func ("/socket-door/pending-calls", test_pending_calls);
  g_test_add_func ("/socket-door/gone-while-paused", test_gone_while_paused);
  g_test_add_func ("/socket-door/nothing-stays", test_nothing_stays);
  g_test_add_func ("/socket-door/door-closes", test_door_closes);
  g_test_add_func ("/socket-door/closed-from-within", test_closed_from_within);
  return g_test_run ();
}
