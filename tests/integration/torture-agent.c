/* SPDX-License-Identifier: MIT */

/* An agent for tests/integration/torture.py. In its lives (--seed says how they go) it locks a directory,
 * appends to a journal in it, makes sure that nobody else did meanwhile, and leaves in one of the ways in
 * which agents leave, until its standard input is closed.
 *
 *   test-torture-agent SEED ADDRESS peer|bus JOURNAL-NAME DIRECTORY...
 *
 * What it did goes to its standard output, one line a write(2), so that many agents can share a pipe:
 *
 *   PID acked ID DIRECTORY-NUMBER     it was told that it holds the lock
 *   PID ending ID REASON...           from here on the lock may end, for one of these reasons
 *   PID released ID                   Release was answered with 1
 *   PID broken WHAT                   a promise was broken
 *
 * Besides asking the service it takes a flock(2) on the journal, without waiting: the kernel as a witness
 * that no other living agent is in the same directory by leave of the service. */
#include <gio/gio.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <unistd.h>

#define NAME   "org.agentctl.Locks"
#define PATH   "/org/agentctl/Locks"
#define ERRORS NAME ".Error."
/* How long one call may take, whatever happens to the service. */
#define PATIENCE_USEC (120 * G_USEC_PER_SEC)

typedef struct
{
  const char *address;
  gboolean is_bus;
  GDBusConnection *connection;
  const char *journal;
  char **directories;
  int n_directories;
  GRand *chance;
} Agent;

static void G_GNUC_PRINTF (1, 2) say (const char *format, ...)
{
  g_autofree char *text = NULL;
  g_autofree char *line = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  line = g_strdup_printf ("%d %s\n", (int)getpid (), text);
  g_assert (write (STDOUT_FILENO, line, strlen (line)) == (ssize_t)strlen (line));
}

static gboolean
is_over (void)
{
  GPollFD input = { STDIN_FILENO, G_IO_IN | G_IO_HUP, 0 };

  return g_poll (&input, 1, 0) > 0;
}

static void
reconnect (Agent *self, gint64 deadline)
{
  GDBusConnectionFlags flags = G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT;

  if (self->is_bus)
    flags |= G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION;
  g_clear_object (&self->connection);
  while (self->connection == NULL)
    {
      g_autoptr (GError) error = NULL;

      self->connection = g_dbus_connection_new_for_address_sync (self->address, flags, NULL, NULL, &error);
      if (self->connection == NULL)
        {
          g_assert_cmpint (g_get_monotonic_time (), <, deadline);
          g_usleep (5000);
        }
    }
  g_dbus_connection_set_exit_on_close (self->connection, FALSE);
}

/* Calls until the service has answered, be it a later one. @cut: whether an earlier attempt may have worked
 * without an answer. NULL: an error of the service, *@name. */
static GVariant *
call (Agent *self, const char *method, GVariant *arguments, gboolean *cut, char **name)
{
  gint64 deadline = g_get_monotonic_time () + PATIENCE_USEC;

  g_variant_ref_sink (arguments);
  *cut = FALSE;
  for (;;)
    {
      g_autoptr (GError) error = NULL;
      GVariant *reply;

      if (self->connection == NULL || g_dbus_connection_is_closed (self->connection))
        reconnect (self, deadline);
      reply =
          g_dbus_connection_call_sync (self->connection, self->is_bus ? NAME : NULL, PATH, NAME, method,
                                       arguments, NULL, G_DBUS_CALL_FLAGS_NO_AUTO_START, 60000, NULL, &error);
      if (reply != NULL)
        {
          g_variant_unref (arguments);
          return reply;
        }
      g_clear_pointer (name, g_free);
      *name = g_dbus_error_get_remote_error (error);
      if (*name != NULL && g_str_has_prefix (*name, ERRORS) && !g_str_equal (*name, ERRORS "Unavailable"))
        {
          memmove (*name, *name + strlen (ERRORS), strlen (*name + strlen (ERRORS)) + 1);
          g_variant_unref (arguments);
          return NULL;
        }
      *cut = TRUE;
      if (g_get_monotonic_time () > deadline)
        {
          say ("broken %s found no service: %s", method, error->message);
          exit (1);
        }
      g_usleep (2000);
    }
}

static GVariant *
acquire_options (Agent *self, gboolean *follows)
{
  GVariantBuilder options;

  *follows = g_rand_int_range (self->chance, 0, 4) > 0;
  g_variant_builder_init (&options, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&options, "{sv}", "follow-cwd", g_variant_new_boolean (*follows));
  g_variant_builder_add (&options, "{sv}", "detect-agents", g_variant_new_boolean (FALSE));
  if (g_rand_int_range (self->chance, 0, 4) > 0)
    {
      g_variant_builder_add (&options, "{sv}", "conflict", g_variant_new_string ("wait"));
      g_variant_builder_add (&options, "{sv}", "timeout",
                             g_variant_new_uint32 ((guint32)g_rand_int_range (self->chance, 1, 3000)));
    }
  return g_variant_builder_end (&options);
}

/* 0: not this time. */
static guint64
acquire (Agent *self, int where, gboolean *follows)
{
  g_autoptr (GVariant) reply = NULL;
  g_autofree char *name = NULL;
  gboolean cut;
  guint64 id = 0;

  g_assert (chdir (self->directories[where]) == 0);
  reply = call (self, "Acquire",
                g_variant_new ("(s@a{sv})", self->directories[where], acquire_options (self, follows)), &cut,
                &name);
  if (reply == NULL)
    {
      if (!g_str_equal (name, "Held") && !g_str_equal (name, "TimedOut")
          && !g_str_equal (name, "LimitExceeded"))
        say ("broken Acquire ended with %s", name);
      return 0;
    }
  g_variant_get (reply, "(t)", &id);
  say ("acked %" G_GUINT64_FORMAT " %d", id, where);
  return id;
}

static void
append (int journal, const char *what, guint64 id)
{
  g_autofree char *line = g_strdup_printf ("%s %" G_GUINT64_FORMAT " %d\n", what, id, (int)getpid ());

  g_assert (write (journal, line, strlen (line)) == (ssize_t)strlen (line));
}

/* That the last line is still ours. */
static void
verify (int journal, guint64 id)
{
  g_autofree char *line = g_strdup_printf ("begin %" G_GUINT64_FORMAT " %d\n", id, (int)getpid ());
  char last[128] = { 0 };
  off_t end = lseek (journal, 0, SEEK_END);
  size_t length = strlen (line);

  g_assert (end >= (off_t)length);
  g_assert (pread (journal, last, length, end - (off_t)length) == (ssize_t)length);
  if (strcmp (last, line) != 0)
    say ("broken somebody else wrote into the journal under lock %" G_GUINT64_FORMAT ": %s", id,
         g_strescape (last, NULL));
}

static void
release (Agent *self, guint64 id)
{
  g_autoptr (GVariant) reply = NULL;
  g_autofree char *name = NULL;
  GVariantBuilder options;
  gboolean cut;
  guint32 released = 0;

  g_variant_builder_init (&options, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&options, "{sv}", "id", g_variant_new_uint64 (id));
  reply =
      call (self, "Release", g_variant_new ("(s@a{sv})", "", g_variant_builder_end (&options)), &cut, &name);
  if (reply != NULL)
    g_variant_get (reply, "(u)", &released);
  if (released == 1)
    say ("released %" G_GUINT64_FORMAT, id);
  else if (reply != NULL || !cut || !g_str_equal (name, "NotFound"))
    say ("broken an acknowledged lock was lost: Release of %" G_GUINT64_FORMAT " ended with %s", id,
         name != NULL ? name : "0");
}

/* Gone from the directory until the service has noticed. */
static void
leave (Agent *self, guint64 id)
{
  gint64 deadline = g_get_monotonic_time () + PATIENCE_USEC;

  g_assert (chdir ("/") == 0);
  for (;;)
    {
      g_autofree char *name = NULL;
      g_autoptr (GVariant) reply = NULL;
      g_autoptr (GVariant) locks = NULL;
      GVariantBuilder filter;
      gboolean cut;

      g_variant_builder_init (&filter, G_VARIANT_TYPE_VARDICT);
      g_variant_builder_add (&filter, "{sv}", "pid", g_variant_new_uint32 ((guint32)getpid ()));
      reply = call (self, "List", g_variant_new ("(@a{sv})", g_variant_builder_end (&filter)), &cut, &name);
      if (reply == NULL)
        {
          say ("broken List ended with %s", name);
          return;
        }
      locks = g_variant_get_child_value (reply, 0);
      if (g_variant_n_children (locks) == 0)
        return;
      if (g_get_monotonic_time () > deadline)
        {
          say ("broken lock %" G_GUINT64_FORMAT " outlived its holder's leaving", id);
          return;
        }
      g_usleep (20000);
    }
}

static void
live (Agent *self)
{
  gboolean follows = FALSE;
  int where = g_rand_int_range (self->chance, 0, self->n_directories);
  guint64 id = acquire (self, where, &follows);
  int journal;
  int end;

  if (id == 0)
    return;
  journal = open (self->journal, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
  g_assert (journal >= 0);
  if (flock (journal, LOCK_EX | LOCK_NB) != 0)
    say ("broken directory %d is held by two, one by lock %" G_GUINT64_FORMAT, where, id);
  append (journal, "begin", id);
  g_usleep ((gulong)g_rand_int_range (self->chance, 0, 20000));
  end = g_rand_int_range (self->chance, 0, 10);
  if (end == 0)
    {
      say ("ending %" G_GUINT64_FORMAT " exited", id);
      raise (SIGKILL);
    }
  verify (journal, id);
  append (journal, "end", id);
  close (journal);
  if (end == 1)
    {
      say ("ending %" G_GUINT64_FORMAT " exited", id);
      _exit (0);
    }
  if (end == 2 && follows)
    {
      say ("ending %" G_GUINT64_FORMAT " left exited", id);
      leave (self, id);
      return;
    }
  say ("ending %" G_GUINT64_FORMAT " released exited", id);
  release (self, id);
}

int
main (int argc, char **argv)
{
  Agent self = { 0 };

  g_assert (argc > 5);
  g_assert (prctl (PR_SET_PDEATHSIG, SIGKILL) == 0);
  self.chance = g_rand_new_with_seed ((guint32)g_ascii_strtoull (argv[1], NULL, 10));
  self.address = argv[2];
  self.is_bus = g_str_equal (argv[3], "bus");
  self.journal = argv[4];
  self.directories = argv + 5;
  self.n_directories = argc - 5;
  while (!is_over ())
    live (&self);
  g_rand_free (self.chance);
  return 0;
}
