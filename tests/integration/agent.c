/* SPDX-License-Identifier: MIT */

/* An agent for the tests: a real process with a working directory and connections of its own, that takes
 * orders on its standard input, one a line, and ends when that is closed. Each order carries a number, and
 * so does its answer, since a waiting call is answered late:
 *
 *   7 call 1 Acquire ('/a/directory', @a{sv} {})
 *   7 ok (uint64 12,)                                  or
 *   7 error org.agentctl.Locks.Error.Held <message>
 *
 * "ask" is "call" with leave for the authority to ask a person. With --leaderless all of this is done by a
 * second thread, and the first one ends.
 *
 * Text in orders and answers is escaped as g_strescape does; values are in GVariant's text form. */
#include <gio/gio.h>
#include <gio/gunixfdlist.h>
#include <gio/gunixinputstream.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MAX_CONNECTIONS 512

static GMainLoop *loop;
static GDBusConnection *connections[MAX_CONNECTIONS];
static gboolean on_bus[MAX_CONNECTIONS];
static GUnixFDList *descriptors; /* what "h" values in orders index */
static char **program;           /* our own argv, to become ourselves again */

static void G_GNUC_PRINTF (2, 3) answer (guint64 number, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_print ("%" G_GUINT64_FORMAT " ", number);
  vprintf (format, args); /* g_print flushes the same stream */
  putchar ('\n');
  fflush (stdout);
  va_end (args);
}

static void
answer_error (guint64 number, const GError *error)
{
  g_autofree char *name = g_dbus_error_get_remote_error (error);
  g_autoptr (GError) plain = g_error_copy (error);
  g_autofree char *message = NULL;

  g_dbus_error_strip_remote_error (plain);
  message = g_strescape (plain->message, NULL);
  answer (number, "error %s %s", name != NULL ? name : g_quark_to_string (error->domain), message);
}

static void
answer_errno (guint64 number)
{
  answer (number, "error errno %s", g_strerror (errno));
}

typedef struct
{
  guint64 number;
} Call;

static void
on_called (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autofree Call *call = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = NULL;
  g_autofree char *text = NULL;

  reply = g_dbus_connection_call_with_unix_fd_list_finish (G_DBUS_CONNECTION (source), NULL, result, &error);
  if (reply == NULL)
    {
      answer_error (call->number, error);
      return;
    }
  text = g_variant_print (reply, TRUE);
  answer (call->number, "ok %s", text);
}

/* "CONNECTION METHOD ARGUMENTS" */
static void
do_call (guint64 number, const char *rest, GDBusCallFlags flags)
{
  g_auto (GStrv) words = g_strsplit (rest, " ", 3);
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) arguments = NULL;
  guint64 connection = g_ascii_strtoull (words[0], NULL, 10);
  Call *call = NULL;

  g_assert (g_strv_length (words) == 3 && connection < MAX_CONNECTIONS && connections[connection] != NULL);
  arguments = g_variant_parse (NULL, words[2], NULL, NULL, &error);
  g_assert_no_error (error);
  call = g_new0 (Call, 1);
  call->number = number;
  g_dbus_connection_call_with_unix_fd_list (
      connections[connection], on_bus[connection] ? "org.agentctl.Locks" : NULL, "/org/agentctl/Locks",
      "org.agentctl.Locks", words[1], arguments, NULL, flags, G_MAXINT,
      g_unix_fd_list_get_length (descriptors) > 0 ? descriptors : NULL, NULL, on_called, call);
}

/* "CONNECTION bus|peer ADDRESS" */
static void
do_connect (guint64 number, const char *rest)
{
  g_auto (GStrv) words = g_strsplit (rest, " ", 3);
  g_autoptr (GError) error = NULL;
  guint64 slot = g_ascii_strtoull (words[0], NULL, 10);
  GDBusConnectionFlags flags = G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT;

  g_assert (g_strv_length (words) == 3 && slot < MAX_CONNECTIONS);
  on_bus[slot] = g_str_equal (words[1], "bus");
  if (on_bus[slot])
    flags |= G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION;
  g_clear_object (&connections[slot]);
  connections[slot] = g_dbus_connection_new_for_address_sync (words[2], flags, NULL, NULL, &error);
  if (connections[slot] == NULL)
    {
      answer_error (number, error);
      return;
    }
  g_dbus_connection_set_exit_on_close (connections[slot], FALSE);
  answer (number, "ok");
}

static void
do_disconnect (guint64 number, const char *rest)
{
  guint64 slot = g_ascii_strtoull (rest, NULL, 10);
  g_autoptr (GError) error = NULL;

  g_assert (slot < MAX_CONNECTIONS && connections[slot] != NULL);
  if (!g_dbus_connection_close_sync (connections[slot], NULL, &error))
    {
      answer_error (number, error);
      return;
    }
  g_clear_object (&connections[slot]);
  answer (number, "ok");
}

/* Answers with the index that an "h" value names it by. */
static void
add_descriptor (guint64 number, int fd)
{
  g_autoptr (GError) error = NULL;
  int handle;

  if (fd < 0)
    {
      answer_errno (number);
      return;
    }
  handle = g_unix_fd_list_append (descriptors, fd, &error);
  close (fd);
  if (handle < 0)
    {
      answer_error (number, error);
      return;
    }
  answer (number, "ok %d", handle);
}

static void *
hold_the_process (void *data)
{
  char byte;

  while (read (STDIN_FILENO, &byte, 1) > 0)
    ;
  _exit (0);
}

/* The first thread ends, the process lives on in another. */
static void
do_shed_leader (guint64 number)
{
  pthread_t thread;

  g_assert (pthread_create (&thread, NULL, hold_the_process, NULL) == 0);
  answer (number, "ok");
  syscall (SYS_exit, 0);
}

/* Becomes another program; "self" is this one again, with the same pipes. */
static void
do_exec (guint64 number, const char *rest)
{
  g_auto (GStrv) argv = NULL;
  g_autoptr (GError) error = NULL;

  if (g_str_equal (rest, "self"))
    {
      answer (number, "ok");
      execv ("/proc/self/exe", program);
      return;
    }
  g_shell_parse_argv (rest, NULL, &argv, &error);
  g_assert_no_error (error);
  answer (number, "ok");
  execvp (argv[0], argv);
  _exit (127);
}

/* Runs a child to its end; answers with its exit status and what it said. */
static void
do_spawn (guint64 number, const char *rest)
{
  g_autofree char *out = NULL;
  g_autofree char *err = NULL;
  g_autofree char *escaped_out = NULL;
  g_autofree char *escaped_err = NULL;
  g_autoptr (GError) error = NULL;
  int status = 0;

  if (!g_spawn_command_line_sync (rest, &out, &err, &status, &error))
    {
      answer_error (number, error);
      return;
    }
  escaped_out = g_strescape (out, NULL);
  escaped_err = g_strescape (err, NULL);
  answer (number, "ok %d\t%s\t%s", status, escaped_out, escaped_err);
}

static void
obey (const char *line)
{
  g_auto (GStrv) words = g_strsplit (line, " ", 3);
  guint64 number = 0;
  const char *verb = NULL;
  g_autofree char *rest = NULL;

  g_assert (g_strv_length (words) >= 2);
  number = g_ascii_strtoull (words[0], NULL, 10);
  verb = words[1];

  if (g_str_equal (verb, "call") || g_str_equal (verb, "ask"))
    {
      do_call (number, words[2],
               g_str_equal (verb, "ask") ? G_DBUS_CALL_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION
                                         : G_DBUS_CALL_FLAGS_NONE);
      return;
    }
  rest = words[2] != NULL ? g_strcompress (words[2]) : g_strdup ("");
  if (g_str_equal (verb, "connect"))
    do_connect (number, rest);
  else if (g_str_equal (verb, "disconnect"))
    do_disconnect (number, rest);
  else if (g_str_equal (verb, "chdir"))
    chdir (rest) == 0 ? answer (number, "ok") : answer_errno (number);
  else if (g_str_equal (verb, "open-directory"))
    add_descriptor (number, open (rest, O_PATH | O_DIRECTORY | O_CLOEXEC));
  else if (g_str_equal (verb, "open-file"))
    add_descriptor (number, open (rest, O_RDONLY | O_CLOEXEC));
  else if (g_str_equal (verb, "open-pidfd"))
    add_descriptor (number, (int)syscall (SYS_pidfd_open, (pid_t)atoi (rest), 0));
  else if (g_str_equal (verb, "shed-leader"))
    do_shed_leader (number);
  else if (g_str_equal (verb, "exec"))
    do_exec (number, rest);
  else if (g_str_equal (verb, "spawn"))
    do_spawn (number, rest);
  else if (g_str_equal (verb, "exit"))
    _exit (atoi (rest));
  else
    g_error ("unknown order: %s", line);
}

static void
on_line (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GDataInputStream *input = G_DATA_INPUT_STREAM (source);
  g_autofree char *line = g_data_input_stream_read_line_finish (input, result, NULL, NULL);

  if (line == NULL)
    {
      g_main_loop_quit (loop);
      return;
    }
  obey (line);
  g_data_input_stream_read_line_async (input, G_PRIORITY_DEFAULT, NULL, on_line, NULL);
}

static void *
serve (void *unused)
{
  g_autoptr (GInputStream) pipe_stream = NULL;
  g_autoptr (GDataInputStream) input = NULL;

  loop = g_main_loop_new (NULL, FALSE);
  descriptors = g_unix_fd_list_new ();
  pipe_stream = g_unix_input_stream_new (STDIN_FILENO, FALSE);
  input = g_data_input_stream_new (pipe_stream);
  g_data_input_stream_read_line_async (input, G_PRIORITY_DEFAULT, NULL, on_line, NULL);
  g_print ("0 ok\n");
  g_main_loop_run (loop);
  exit (0);
}

int
main (int argc, char **argv)
{
  pthread_t thread;

  program = argv;
  if (argc > 1 && g_str_equal (argv[1], "--leaderless"))
    {
      g_assert (pthread_create (&thread, NULL, serve, NULL) == 0);
      pthread_exit (NULL);
    }
  serve (NULL);
  return 0;
}
