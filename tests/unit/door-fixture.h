/* SPDX-License-Identifier: MIT */
#pragma once
#include <gio/gunixfdlist.h>
#include <gio/gio.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/names.h"
#include "service/mini-bus.h"
#include "service/peer-stream.h"
#include "service/socket-door.h"

/* A door with a toy behind it, and clients of two kinds: GDBus connections, and bare sockets that say
 * whatever a test wants. All of them live in the test's main context. */

/* No test waits for longer, however slow the machine. */
#define PATIENCE_SEC 100

static const char toy_xml[] = "<node><interface name='org.agentctl.Locks'>"
                              "<method name='Echo'><arg name='in' type='s' direction='in'/>"
                              "<arg name='out' type='s' direction='out'/></method>"
                              "<method name='Inode'><arg name='file' type='h' direction='in'/>"
                              "<arg name='inode' type='t' direction='out'/></method>"
                              "<method name='Hold'/>" /* not answered until the test says so */
                              "<signal name='Ping'><arg name='text' type='s'/></signal>"
                              "<signal name='Pong'><arg name='text' type='s'/></signal>"
                              "</interface></node>";

typedef struct
{
  char *folder, *path;
  AglSocketDoor *door;
  GDBusNodeInfo *info;
  gboolean mini_bus;
  GPtrArray *connections; /* those open */
  GPtrArray *held;        /* invocations of Hold */
  guint n_opened, n_closed, n_calls;
  gboolean is_patience_over;
  guint patience;
} Fixture;

static inline gboolean
on_patience_over (gpointer user_data)
{
  g_error ("What the test waits for does not happen");
  return G_SOURCE_REMOVE;
}

static inline gboolean
on_tick (gpointer user_data)
{
  return G_SOURCE_CONTINUE;
}

/* Turns the loop until @condition holds: it is looked at after each event, and now and then, since some of
 * what it asks about happens in other threads and processes. */
#define WAIT_UNTIL(condition)                                                       \
  G_STMT_START                                                                      \
  {                                                                                 \
    guint tick_ = g_timeout_add (5, on_tick, NULL);                                 \
    guint patience_ = g_timeout_add_seconds (PATIENCE_SEC, on_patience_over, NULL); \
    while (!(condition))                                                            \
      g_main_context_iteration (NULL, TRUE);                                        \
    g_source_remove (tick_);                                                        \
    g_source_remove (patience_);                                                    \
  }                                                                                 \
  G_STMT_END

static inline void
answer_inode (GVariant *arguments, GDBusMethodInvocation *invocation)
{
  GUnixFDList *fds = g_dbus_message_get_unix_fd_list (g_dbus_method_invocation_get_message (invocation));
  struct stat st = { 0 };
  gint32 handle;

  g_variant_get (arguments, "(h)", &handle);
  if (fds != NULL && handle < g_unix_fd_list_get_length (fds))
    g_assert_cmpint (fstat (g_unix_fd_list_peek_fds (fds, NULL)[handle], &st), ==, 0);
  g_dbus_method_invocation_return_value (invocation, g_variant_new ("(t)", (guint64)st.st_ino));
}

static inline void
on_toy_call (GDBusConnection *connection,
             const char *sender,
             const char *path,
             const char *interface,
             const char *method,
             GVariant *arguments,
             GDBusMethodInvocation *invocation,
             gpointer user_data)
{
  Fixture *self = user_data;

  self->n_calls++;
  if (strcmp (method, "Echo") == 0)
    g_dbus_method_invocation_return_value (invocation, arguments);
  else if (strcmp (method, "Inode") == 0)
    answer_inode (arguments, invocation);
  else
    g_ptr_array_add (self->held, invocation);
}

static inline void
fixture_answer_held (Fixture *self)
{
  for (guint i = 0; i < self->held->len; i++)
    g_dbus_method_invocation_return_value (self->held->pdata[i], NULL);
  g_ptr_array_set_size (self->held, 0);
}

static inline void
on_opened (GDBusConnection *connection, gpointer user_data)
{
  static const GDBusInterfaceVTable vtable = { on_toy_call, NULL, NULL, { 0 } };
  Fixture *self = user_data;
  guint id;

  self->n_opened++;
  g_ptr_array_add (self->connections, connection);
  id = g_dbus_connection_register_object (connection, AGL_OBJECT_PATH, self->info->interfaces[0], &vtable,
                                          self, NULL, NULL);
  g_assert_cmpuint (id, !=, 0);
  if (self->mini_bus)
    agl_mini_bus_attach (connection);
  g_dbus_connection_start_message_processing (connection);
}

static inline void
on_closed (GDBusConnection *connection, gpointer user_data)
{
  Fixture *self = user_data;

  self->n_closed++;
  g_assert_true (g_ptr_array_remove (self->connections, connection));
}

static inline Fixture *
fixture_new (const AglDoorPolicy *policy)
{
  Fixture *self = g_new0 (Fixture, 1);
  g_autofree char *address = NULL;
  g_autoptr (GError) error = NULL;

  self->folder = g_dir_make_tmp ("agl-door-XXXXXX", &error);
  g_assert_no_error (error);
  g_assert_cmpint (chmod (self->folder, 0755), ==, 0);
  self->path = g_build_filename (self->folder, "bus", NULL);
  address = g_strconcat ("unix:path=", self->path, NULL);
  self->info = g_dbus_node_info_new_for_xml (toy_xml, &error);
  g_assert_no_error (error);
  self->connections = g_ptr_array_new ();
  self->held = g_ptr_array_new ();
  self->door = agl_socket_door_new (address, 0666, policy, on_opened, on_closed, self, &error);
  g_assert_no_error (error);
  return self;
}

static inline void
fixture_free (Fixture *self)
{
  fixture_answer_held (self);
  agl_socket_door_free (self->door);
  g_assert_cmpuint (self->n_closed, ==, self->n_opened);
  g_assert_cmpuint (self->connections->len, ==, 0);
  g_assert_cmpint (rmdir (self->folder), ==, 0);
  g_ptr_array_unref (self->connections);
  g_ptr_array_unref (self->held);
  g_dbus_node_info_unref (self->info);
  g_free (self->path);
  g_free (self->folder);
  g_free (self);
}

static inline void
fixture_ping (Fixture *self, const char *member, const char *text)
{
  for (guint i = 0; i < self->connections->len; i++)
    {
      GDBusConnection *connection = self->connections->pdata[i];

      g_dbus_connection_emit_signal (connection, NULL, AGL_OBJECT_PATH, AGL_INTERFACE, member,
                                     g_variant_new ("(s)", text), NULL);
      agl_socket_door_check_backlog (connection);
    }
}

/* GDBus clients */

static inline void
on_result (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GAsyncResult **slot = user_data;

  *slot = g_object_ref (result);
}

/* @flags: without or with G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION. */
static inline GDBusConnection *
client_try_new (Fixture *self, GDBusConnectionFlags flags, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  g_dbus_connection_new_for_address (agl_socket_door_get_address (self->door),
                                     flags | G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT, NULL, NULL,
                                     on_result, &result);
  WAIT_UNTIL (result != NULL);
  return g_dbus_connection_new_for_address_finish (result, error);
}

static inline GDBusConnection *
client_new (Fixture *self, GDBusConnectionFlags flags)
{
  g_autoptr (GError) error = NULL;
  GDBusConnection *client = client_try_new (self, flags, &error);

  g_assert_no_error (error);
  return client;
}

static inline GVariant *
client_call_full (GDBusConnection *client,
                  const char *destination,
                  const char *path,
                  const char *interface,
                  const char *method,
                  GVariant *arguments,
                  GUnixFDList *fds,
                  GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  g_dbus_connection_call_with_unix_fd_list (client, destination, path, interface, method, arguments, NULL,
                                            G_DBUS_CALL_FLAGS_NONE, G_MAXINT, fds, NULL, on_result, &result);
  WAIT_UNTIL (result != NULL);
  return g_dbus_connection_call_with_unix_fd_list_finish (client, NULL, result, error);
}

static inline void
client_assert_echo (GDBusConnection *client, const char *destination)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) answer = client_call_full (client, destination, AGL_OBJECT_PATH, AGL_INTERFACE, "Echo",
                                                  g_variant_new ("(s)", "hello"), NULL, &error);
  const char *text;

  g_assert_no_error (error);
  g_variant_get (answer, "(&s)", &text);
  g_assert_cmpstr (text, ==, "hello");
}

static inline void
client_close (GDBusConnection *client)
{
  g_autoptr (GAsyncResult) result = NULL;

  g_dbus_connection_close (client, NULL, on_result, &result);
  WAIT_UNTIL (result != NULL);
  g_dbus_connection_close_finish (client, result, NULL);
  g_object_unref (client);
}

/* Bare sockets */

static inline int
raw_new (Fixture *self)
{
  struct sockaddr_un where = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

  g_assert_cmpint (fd, >=, 0);
  g_assert_cmpuint (g_strlcpy (where.sun_path, self->path, sizeof where.sun_path), <, sizeof where.sun_path);
  g_assert_cmpint (connect (fd, (struct sockaddr *)&where, sizeof where), ==, 0);
  return fd;
}

static inline void
raw_send (int fd, const void *bytes, gsize n_bytes)
{
  const char *at = bytes;
  gssize n;

  while (n_bytes > 0)
    {
      WAIT_UNTIL ((n = send (fd, at, n_bytes, MSG_NOSIGNAL)) >= 0 || errno != EAGAIN);
      g_assert_cmpint (n, >, 0);
      at += n;
      n_bytes -= (gsize)n;
    }
}

/* Bytes read, 0 when the other end has hung up. */
static inline gssize
raw_receive (int fd, void *bytes, gsize n_bytes)
{
  gssize n;

  WAIT_UNTIL ((n = recv (fd, bytes, n_bytes, 0)) >= 0 || errno != EAGAIN);
  return n < 0 && errno == ECONNRESET ? 0 : n;
}

/* All there is until the other end hangs up. */
static inline void
raw_assert_hung_up (int fd)
{
  char bytes[4096];
  gssize n;

  do
    n = raw_receive (fd, bytes, sizeof bytes);
  while (n > 0);
  g_assert_cmpint (n, ==, 0);
}

static inline void
raw_assert_line (int fd, const char *prefix)
{
  g_autoptr (GString) line = g_string_new (NULL);
  char c = '\0';

  while (c != '\n')
    {
      g_assert_cmpint (raw_receive (fd, &c, 1), ==, 1);
      g_string_append_c (line, c);
    }
  g_assert_true (g_str_has_prefix (line->str, prefix));
}

static inline int
raw_new_authenticated (Fixture *self)
{
  int fd = raw_new (self);

  raw_send (fd, "\0AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n",
            sizeof "\0AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n" - 1);
  raw_assert_line (fd, "DATA");
  raw_assert_line (fd, "OK ");
  raw_assert_line (fd, "AGREE_UNIX_FD");
  return fd;
}

static inline GBytes *
raw_bytes (GDBusMessage *message)
{
  g_autoptr (GError) error = NULL;
  gsize n_bytes;
  guint8 *blob = g_dbus_message_to_blob (message, &n_bytes, G_DBUS_CAPABILITY_FLAGS_UNIX_FD_PASSING, &error);

  g_assert_no_error (error);
  return g_bytes_new_take (blob, n_bytes);
}

static inline GBytes *
raw_call (const char *method, GVariant *arguments, guint32 serial, GDBusMessageFlags flags)
{
  g_autoptr (GDBusMessage) message =
      g_dbus_message_new_method_call (NULL, AGL_OBJECT_PATH, AGL_INTERFACE, method);

  if (arguments != NULL)
    g_dbus_message_set_body (message, arguments);
  g_dbus_message_set_serial (message, serial);
  g_dbus_message_set_flags (message, flags);
  return raw_bytes (message);
}

static inline void
raw_send_bytes (int fd, GBytes *bytes)
{
  raw_send (fd, g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));
}

/* The next message; NULL when the other end has hung up. */
static inline GDBusMessage *
raw_next (int fd)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  g_autoptr (GError) error = NULL;
  GDBusMessage *message;
  gssize n_wanted = 16;

  while (bytes->len < (guint)n_wanted)
    {
      guint8 buffer[4096];
      gssize n = raw_receive (fd, buffer, MIN (sizeof buffer, (gsize)n_wanted - bytes->len));

      if (n <= 0)
        return NULL;
      g_byte_array_append (bytes, buffer, (guint)n);
      if (bytes->len == 16)
        n_wanted = g_dbus_message_bytes_needed (bytes->data, 16, NULL);
    }
  message = g_dbus_message_new_from_blob (bytes->data, bytes->len, G_DBUS_CAPABILITY_FLAGS_NONE, &error);
  g_assert_no_error (error);
  return message;
}

static inline guint
count_fds (void)
{
  g_autoptr (GDir) dir = g_dir_open ("/proc/self/fd", 0, NULL);
  guint n = 0;

  g_assert_nonnull (dir);
  while (g_dir_read_name (dir) != NULL)
    n++;
  return n;
}
