/* SPDX-License-Identifier: MIT */
#include "bench.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <unistd.h>

#define PATIENCE_MSEC 60000

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
  self->on_bus = agl_bench_connect_patiently (self->bus, TRUE);
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
  agl_scene_await_name (self, AGL_LOCKS_NAME);
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
  self->on_alone = agl_bench_connect_patiently (address, FALSE);
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
agl_scene_new (const char *bin, const char *daemon, const char *cli, const char *here)
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
  if (self->root == NULL)
    agl_bench_fail ("no folder to work in: %s", g_strerror (errno));
  self->here = here != NULL ? g_strdup (here) : g_build_filename (self->root, "here", NULL);
  if ((here == NULL && g_mkdir (self->here, 0700) < 0) || chdir (self->here) < 0)
    agl_bench_fail ("%s: %s", self->here, g_strerror (errno));
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
  if (g_str_has_prefix (self->here, self->root) && chdir ("/") < 0)
    agl_bench_fail ("/: %s", g_strerror (errno));
  remove_folder (self->root);
  remove_folder (self->fast);
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
