/* SPDX-License-Identifier: MIT */
#include "service/peer-stream.h"

#include "door-fixture.h"

/* What goes through a socket door, and what cannot. */

static const AglDoorPolicy ample = {
  .everybody = TRUE,
  .max_connections_per_user = 100,
};

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

/* Replies to calls that we never made and signals that nobody asked for are not even looked at. */
static void
test_only_calls (void)
{
  Fixture *f = fixture_new (&ample);
  GDBusConnection *client = client_new (f, G_DBUS_CONNECTION_FLAGS_NONE);
  guint n_received = 0;

  WAIT_UNTIL (f->n_opened == 1);
  g_dbus_connection_signal_subscribe (f->connections->pdata[0], NULL, NULL, NULL, NULL, NULL,
                                      G_DBUS_SIGNAL_FLAGS_NONE, on_ping, &n_received, NULL);
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
  g_assert_cmpuint (n_received, ==, 0);
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
  static const struct
  {
    guint32 said;
    gsize sent;
  } cases[] = {
    { 0, 1 },
    { 0, AGL_PEER_MAX_FDS },
    { 0, AGL_PEER_MAX_FDS + 1 },
    { 0, 16 },
    { 2, 1 },
    { 1, 2 },
    { AGL_PEER_MAX_FDS, AGL_PEER_MAX_FDS + 1 },
  };
  Fixture *f = fixture_new (&ample);
  guint n_fds = count_fds ();

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GDBusMessage) call =
          g_dbus_message_new_method_call (NULL, AGL_OBJECT_PATH, AGL_INTERFACE, "Hold");
      g_autoptr (GUnixFDList) said = g_unix_fd_list_new ();
      g_autoptr (GBytes) bytes = NULL;
      int fd = raw_new_authenticated (f);

      g_test_message ("%u said, %" G_GSIZE_FORMAT " sent", cases[i].said, cases[i].sent);
      g_dbus_message_set_serial (call, 1);
      for (guint32 j = 0; j < cases[i].said; j++)
        g_unix_fd_list_append (said, fd, NULL);
      g_dbus_message_set_unix_fd_list (call, said);
      bytes = raw_bytes (call);
      send_with_fds (fd, bytes, cases[i].sent);
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

/* Known without anybody's having read the end. */
static void
test_has_hung_up (void)
{
  const AglPeerLimits limits = { 0 };
  int ends[2];
  g_autoptr (AglPeerStream) stream = NULL;

  g_assert_no_errno (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends));
  stream = agl_peer_stream_new_take_fd (ends[0], geteuid (), &limits);
  g_assert_false (agl_peer_stream_has_hung_up (stream));
  g_assert_cmpint (write (ends[1], "x", 1), ==, 1);
  g_assert_false (agl_peer_stream_has_hung_up (stream));
  close (ends[1]);
  g_assert_true (agl_peer_stream_has_hung_up (stream));
  g_assert_true (g_io_stream_close (G_IO_STREAM (stream), NULL, NULL));
  g_assert_true (agl_peer_stream_has_hung_up (stream));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  /* GDBus warns of malformed messages. */
  g_log_set_always_fatal (G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_ERROR);

  g_test_add_func ("/peer-stream/malformed", test_malformed);
  g_test_add_func ("/peer-stream/message-size", test_message_size);
  g_test_add_func ("/peer-stream/in-pieces", test_in_pieces);
  g_test_add_func ("/peer-stream/no-reply-expected", test_no_reply_expected);
  g_test_add_func ("/peer-stream/only-calls", test_only_calls);
  g_test_add_func ("/peer-stream/descriptors", test_descriptors);
  g_test_add_func ("/peer-stream/stowaways", test_stowaways);
  g_test_add_func ("/peer-stream/signals-unread", test_signals_unread);
  g_test_add_func ("/peer-stream/burst", test_burst);
  g_test_add_func ("/peer-stream/answers-unread", test_answers_unread);
  g_test_add_func ("/peer-stream/pending-calls", test_pending_calls);
  g_test_add_func ("/peer-stream/has-hung-up", test_has_hung_up);
  g_test_add_func ("/peer-stream/gone-while-paused", test_gone_while_paused);
  return g_test_run ();
}
