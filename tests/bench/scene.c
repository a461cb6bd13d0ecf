/* SPDX-License-Identifier: MIT */
#include "bench.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define NAME "org.agentctl.Locks"

/* Much less than the limit of calls under way. */
#define WINDOW 64

#define PATIENCE_MSEC 60000

void
agl_bench_fail (const char *format, ...)
{
  va_list arguments;

  va_start (arguments, format);
  fputs ("bench: ", stderr);
  vfprintf (stderr, format, arguments);
  fputc ('\n', stderr);
  va_end (arguments);
  exit (1);
}

static void
die_with_parent (gpointer data)
{
  prctl (PR_SET_PDEATHSIG, SIGKILL);
}

GPid
agl_bench_spawn (const char *const *argv, const char *const *extra_environment, int *in, int *out)
{
  g_auto (GStrv) environment = g_get_environ ();
  g_autoptr (GError) error = NULL;
  GPid pid;

  for (; extra_environment != NULL && *extra_environment != NULL; extra_environment += 2)
    environment = g_environ_setenv (environment, extra_environment[0], extra_environment[1], TRUE);
  if (!g_spawn_async_with_pipes (NULL, (char **)argv, environment,
                                 G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_SEARCH_PATH, die_with_parent, NULL, &pid,
                                 in, out, NULL, &error))
    agl_bench_fail ("%s", error->message);
  return pid;
}

void
agl_bench_end (GPid *pid, int signal_number)
{
  if (*pid <= 0)
    return;
  kill (*pid, signal_number);
  waitpid (*pid, NULL, 0);
  *pid = 0;
}

double
agl_bench_run (const char *const *argv)
{
  double start = agl_bench_now ();
  g_autoptr (GError) error = NULL;
  int status;
  GPid pid;

  /* Without a hook in the child GLib uses posix_spawn(3), which does not copy our page tables. */
  if (!g_spawn_async (NULL, (char **)argv, NULL,
                      G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_SEARCH_PATH | G_SPAWN_LEAVE_DESCRIPTORS_OPEN
                          | G_SPAWN_STDOUT_TO_DEV_NULL,
                      NULL, NULL, &pid, &error))
    agl_bench_fail ("%s", error->message);
  if (waitpid (pid, &status, 0) != pid || !WIFEXITED (status) || WEXITSTATUS (status) != 0)
    agl_bench_fail ("%s %s … failed", argv[0], argv[1]);
  return agl_bench_now () - start;
}

static GDBusConnection *
try_to_connect (const char *address, gboolean is_bus, GError **error)
{
  GDBusConnectionFlags flags = G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT
                               | (is_bus ? G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION : 0);

  return g_dbus_connection_new_for_address_sync (address, flags, NULL, NULL, error);
}

GDBusConnection *
agl_bench_connect (const char *address, gboolean is_bus)
{
  g_autoptr (GError) error = NULL;
  GDBusConnection *connection = try_to_connect (address, is_bus, &error);

  if (connection == NULL)
    agl_bench_fail ("%s: %s", address, error->message);
  g_dbus_connection_set_exit_on_close (connection, FALSE);
  return connection;
}

GVariant *
agl_bench_call (
    GDBusConnection *connection, const char *name, const char *path, const char *method, GVariant *parameters)
{
  g_autoptr (GError) error = NULL;
  GVariant *reply =
      g_dbus_connection_call_sync (connection, name, path, NAME, method, parameters, NULL,
                                   G_DBUS_CALL_FLAGS_NO_AUTO_START, PATIENCE_MSEC, NULL, &error);

  if (reply == NULL)
    agl_bench_fail ("%s: %s", method, error->message);
  return reply;
}

GVariant *
agl_bench_acquire_arguments (const char *directory, pid_t pid)
{
  GVariantBuilder options;

  g_variant_builder_init (&options, G_VARIANT_TYPE_VARDICT);
  if (pid > 0)
    g_variant_builder_add (&options, "{sv}", "pid", g_variant_new_uint32 (pid));
  return g_variant_new ("(sa{sv})", directory, &options);
}

void
agl_scene_await_name (AglScene *self, const char *name)
{
  for (guint i = 0; i < PATIENCE_MSEC; i++)
    {
      g_autoptr (GVariant) reply = g_dbus_connection_call_sync (
          self->on_bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
          "NameHasOwner", g_variant_new ("(s)", name), NULL, 0, -1, NULL, NULL);
      gboolean is_owned = FALSE;

      if (reply != NULL)
        g_variant_get (reply, "(b)", &is_owned);
      if (is_owned)
        return;
      g_usleep (1000);
    }
  agl_bench_fail ("nobody owns %s", name);
}

/* To a process that was just started: its socket is there a moment before it listens. */
static GDBusConnection *
connect_patiently (const char *address, gboolean is_bus)
{
  GDBusConnection *connection = NULL;

  for (guint i = 0; connection == NULL; i++)
    {
      if (i > PATIENCE_MSEC)
        agl_bench_fail ("nobody listens on %s", address);
      g_usleep (1000);
      connection = try_to_connect (address, is_bus, NULL);
    }
  g_dbus_connection_set_exit_on_close (connection, FALSE);
  return connection;
}

static void
start_bus (AglScene *self)
{
  g_autofree char *config = g_build_filename (self->root, "bus.conf", NULL);
  g_autofree char *option = g_strconcat ("--config-file=", config, NULL);
  g_autofree char *text =
      g_strdup_printf ("<busconfig><type>session</type><listen>%s</listen><auth>EXTERNAL</auth>"
                       "<policy context=\"default\"><allow send_destination=\"*\" eavesdrop=\"true\"/><allow "
                       "eavesdrop=\"true\"/><allow own=\"*\"/>"
                       "<allow user=\"*\"/></policy>"
                       "<limit name=\"max_replies_per_connection\">50000</limit></busconfig>",
                       self->bus);
  const char *const argv[] = { "dbus-daemon", option, "--nofork", "--nopidfile", NULL };

  if (!g_file_set_contents (config, text, -1, NULL))
    agl_bench_fail ("cannot write %s", config);
  self->bus_pid = agl_bench_spawn (argv, NULL, NULL, NULL);
  self->on_bus = connect_patiently (self->bus, TRUE);
}

void
agl_scene_start_daemon (AglScene *self)
{
  g_autofree char *runtime = g_strdup_printf ("--runtime-dir=%s/run", self->fast);
  g_autofree char *state = g_strdup_printf ("--state-dir=%s/state", self->root);
  g_autofree char *config = g_strdup_printf ("--config=%s/locks.conf", self->root);
  const char *const argv[] = { self->daemon, "--user", runtime, state, config, NULL };
  const char *const environment[] = { "DBUS_SESSION_BUS_ADDRESS", self->bus, NULL };

  self->daemon_pid = agl_bench_spawn (argv, environment, NULL, NULL);
  agl_scene_await_name (self, NAME);
}

void
agl_scene_start_alone (AglScene *self)
{
  g_autofree char *runtime = g_strdup_printf ("--runtime-dir=%s/alone", self->fast);
  g_autofree char *state = g_strdup_printf ("--state-dir=%s/alone-state", self->root);
  g_autofree char *config = g_strdup_printf ("--config=%s/locks.conf", self->root);
  g_autofree char *address = g_strdup_printf ("unix:path=%s/alone/bus", self->fast);
  const char *const argv[] = { self->daemon, "--user", "--no-bus", runtime, state, config, NULL };

  self->alone_pid = agl_bench_spawn (argv, NULL, NULL, NULL);
  self->on_alone = connect_patiently (address, FALSE);
}

void
agl_scene_stop_daemon (AglScene *self)
{
  g_clear_object (&self->on_direct);
  agl_bench_end (&self->daemon_pid, SIGTERM);
}

void
agl_scene_connect (AglScene *self)
{
  self->on_direct = agl_bench_connect (self->direct, FALSE);
}

void
agl_scene_disconnect (AglScene *self)
{
  g_dbus_connection_close_sync (self->on_direct, NULL, NULL);
  g_clear_object (&self->on_direct);
}

AglScene *
agl_scene_new (const char *bin, const char *daemon, const char *cli)
{
  AglScene *self = g_new0 (AglScene, 1);
  g_autofree char *config = NULL;

  self->bin = g_strdup (bin);
  self->daemon = g_strdup (daemon);
  self->cli = g_strdup (cli);
  self->root = g_dir_make_tmp ("agl-bench-XXXXXX", NULL);
  self->fast = g_strdup ("/dev/shm/agl-bench-XXXXXX");
  if (g_mkdtemp (self->fast) == NULL)
    {
      g_free (self->fast);
      self->fast = g_build_filename (self->root, "fast", NULL);
      g_mkdir (self->fast, 0700);
    }
  self->here = g_build_filename (self->root, "here", NULL);
  if (self->root == NULL || g_mkdir (self->here, 0700) < 0 || chdir (self->here) < 0)
    agl_bench_fail ("no folder to work in: %s", g_strerror (errno));
  self->bus = g_strdup_printf ("unix:path=%s/message-bus", self->root);
  self->direct = g_strdup_printf ("unix:path=%s/run/bus", self->fast);
  config = g_build_filename (self->root, "locks.conf", NULL);
  if (!g_file_set_contents (
          config, "[Locks]\nDetectAgents=false\nMaxLocksPerUser=100000\nMaxWaitersPerUser=4096\n", -1, NULL))
    agl_bench_fail ("cannot write %s", config);
  start_bus (self);
  return self;
}

static void
remove_folder (const char *path)
{
  agl_bench_run ((const char *const[]){ "rm", "-rf", "--one-file-system", path, NULL });
}

void
agl_scene_free (AglScene *self)
{
  agl_scene_stop_daemon (self);
  g_clear_object (&self->on_alone);
  agl_bench_end (&self->alone_pid, SIGTERM);
  g_clear_object (&self->on_bus);
  agl_bench_end (&self->bus_pid, SIGTERM);
  if (chdir ("/") == 0)
    {
      remove_folder (self->root);
      remove_folder (self->fast);
    }
  g_free (self->bin);
  g_free (self->daemon);
  g_free (self->cli);
  g_free (self->root);
  g_free (self->fast);
  g_free (self->here);
  g_free (self->bus);
  g_free (self->direct);
  g_free (self);
}

AglFleet *
agl_fleet_new (AglScene *scene, const char *name, guint count)
{
  AglFleet *self = g_new0 (AglFleet, 1);
  g_autofree char *folder = g_build_filename (scene->root, name, NULL);
  g_autofree char *program = g_build_filename (scene->bin, "bench-fleet", NULL);
  g_autofree char *number = g_strdup_printf ("%u", count);
  char line[32];
  FILE *pids;
  int out;

  if (g_mkdir (folder, 0700) < 0)
    agl_bench_fail ("cannot make %s", folder);
  self->pids = g_array_new (FALSE, FALSE, sizeof (pid_t));
  self->directories = g_ptr_array_new_with_free_func (g_free);
  self->leader =
      agl_bench_spawn ((const char *const[]){ program, folder, number, NULL }, NULL, &self->in, &out);
  pids = fdopen (out, "r");
  while (fgets (line, sizeof line, pids) != NULL && strcmp (line, "end\n") != 0)
    {
      pid_t pid = atoi (line);

      g_ptr_array_add (self->directories, g_strdup_printf ("%s/%u", folder, self->pids->len));
      g_array_append_val (self->pids, pid);
    }
  fclose (pids);
  if (self->pids->len != count)
    agl_bench_fail ("%u of %u processes could be started", self->pids->len, count);
  /* Once the last one works in its directory all the others do, too, or will within moments. */
  for (guint i = 0; i < count; i++)
    for (guint tries = 0;; tries++)
      {
        g_autofree char *link = g_strdup_printf ("/proc/%d/cwd", (int)g_array_index (self->pids, pid_t, i));
        g_autofree char *there = g_file_read_link (link, NULL);

        if (there != NULL && g_str_equal (there, g_ptr_array_index (self->directories, i)))
          break;
        if (tries > PATIENCE_MSEC)
          agl_bench_fail ("a process does not go to its directory");
        g_usleep (1000);
      }
  return self;
}

void
agl_fleet_free (AglFleet *self)
{
  close (self->in);
  agl_bench_end (&self->leader, SIGTERM);
  g_array_unref (self->pids);
  g_ptr_array_unref (self->directories);
  g_free (self);
}

static void
on_locked (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  guint *n_out = user_data;

  if (reply == NULL)
    agl_bench_fail ("Acquire: %s", error->message);
  (*n_out)--;
}

void
agl_fleet_lock (AglFleet *self, GDBusConnection *connection, guint first, guint end)
{
  guint n_out = 0;

  for (guint i = first; i < end; i++)
    {
      while (n_out >= WINDOW)
        g_main_context_iteration (NULL, TRUE);
      n_out++;
      g_dbus_connection_call (connection, NULL, AGL_LOCKS_PATH, NAME, "Acquire",
                              agl_bench_acquire_arguments (g_ptr_array_index (self->directories, i),
                                                           g_array_index (self->pids, pid_t, i)),
                              NULL, 0, PATIENCE_MSEC, NULL, on_locked, &n_out);
    }
  while (n_out > 0)
    g_main_context_iteration (NULL, TRUE);
}
