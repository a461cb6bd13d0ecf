/* SPDX-License-Identifier: MIT */

/* What is timed: each does one thing, and says how long that took. */
#include "bench.h"

AglTarget
agl_target_on_bus (const AglScene *scene)
{
  return (AglTarget){ .connection = scene->on_bus,
                      .name = AGL_LOCKS_NAME,
                      .path = AGL_LOCKS_PATH,
                      .directory = scene->here,
                      .address = scene->bus };
}

AglTarget
agl_target_direct (const AglScene *scene)
{
  return (AglTarget){
    .connection = scene->on_direct, .path = AGL_LOCKS_PATH, .directory = scene->here, .address = scene->direct
  };
}

static GVariant *
call (const AglTarget *target, const char *method, GVariant *parameters)
{
  return agl_bench_call (target->connection, target->name, target->path, method, parameters);
}

static void
release (const AglTarget *target, pid_t pid)
{
  g_variant_unref (call (target, "Release", agl_bench_acquire_arguments (target->directory, pid)));
}

double
agl_timed_acquire_and_release (gpointer data)
{
  AglTarget *target = data;
  double start = agl_bench_now (), between, end;

  g_variant_unref (call (target, "Acquire", agl_bench_acquire_arguments (target->directory, 0)));
  between = agl_bench_now ();
  release (target, 0);
  end = agl_bench_now ();
  if (target->acquire != NULL)
    {
      double first = between - start, second = end - between;

      g_array_append_val (target->acquire, first);
      g_array_append_val (target->release, second);
    }
  return (end - start) / 2;
}

double
agl_timed_doors (gpointer data)
{
  AglTarget *doors = data;
  double direct = agl_timed_acquire_and_release (&doors[0]);

  return direct / agl_timed_acquire_and_release (&doors[1]);
}

double
agl_timed_check (gpointer data)
{
  AglTarget *target = data;
  double start = agl_bench_now ();

  g_variant_unref (call (target, "Check", g_variant_new ("(s)", target->directory)));
  return agl_bench_now () - start;
}

double
agl_timed_connect_and_acquire (gpointer data)
{
  AglTarget fresh = *(AglTarget *)data;
  double start = agl_bench_now (), took;
  g_autoptr (GDBusConnection) connection = agl_bench_connect (fresh.address, fresh.name != NULL);

  fresh.connection = connection;
  g_variant_unref (call (&fresh, "Acquire", agl_bench_acquire_arguments (fresh.directory, 0)));
  took = agl_bench_now () - start;
  release (&fresh, 0);
  g_dbus_connection_close_sync (connection, NULL, NULL);
  return took;
}

double
agl_timed_look (gpointer data)
{
  AglTarget *target = data;
  GVariantBuilder options;
  double start, took;

  g_variant_builder_init (&options, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&options, "{sv}", "detect-agents", g_variant_new_boolean (target->looks));
  start = agl_bench_now ();
  g_variant_unref (call (target, "Acquire", g_variant_new ("(sa{sv})", target->directory, &options)));
  took = agl_bench_now () - start;
  release (target, 0);
  return took;
}

double
agl_timed_occupants (gpointer data)
{
  AglTarget *target = data;
  double start = agl_bench_now ();

  g_variant_unref (call (target, "Occupants", g_variant_new ("(s)", target->directory)));
  return agl_bench_now () - start;
}

double
agl_timed_list (gpointer data)
{
  AglTarget *target = data;
  double start = agl_bench_now ();

  g_variant_unref (call (target, "List", g_variant_new ("(a{sv})", NULL)));
  return agl_bench_now () - start;
}

static guint64
acquire_for (const AglTarget *target, pid_t pid)
{
  g_autoptr (GVariant) reply = call (target, "Acquire", agl_bench_acquire_arguments (target->directory, pid));
  guint64 id;

  g_variant_get (reply, "(t)", &id);
  return id;
}

static void
transfer (const AglTarget *target, guint64 id, pid_t pid)
{
  GVariantBuilder options;

  g_variant_builder_init (&options, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&options, "{sv}", "pid", g_variant_new_uint32 (pid));
  g_variant_unref (call (target, "Transfer", g_variant_new ("(ta{sv})", id, &options)));
}

double
agl_timed_transfer (gpointer data)
{
  AglTarget *target = data;
  guint64 id = acquire_for (target, target->pids[0]);
  double start = agl_bench_now (), took;

  transfer (target, id, target->pids[1]);
  transfer (target, id, target->pids[0]);
  took = (agl_bench_now () - start) / 2;
  release (target, target->pids[0]);
  return took;
}

static void
on_granted (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  double *granted = user_data;

  if (reply == NULL)
    agl_bench_fail ("Acquire that waits: %s", error->message);
  *granted = agl_bench_now ();
}

double
agl_timed_grant (gpointer data)
{
  AglTarget *target = data;
  GVariantBuilder options;
  double start, granted = 0;

  acquire_for (target, target->pids[0]);
  g_variant_builder_init (&options, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&options, "{sv}", "pid", g_variant_new_uint32 (target->pids[1]));
  g_variant_builder_add (&options, "{sv}", "conflict", g_variant_new_string ("wait"));
  g_dbus_connection_call (target->connection, target->name, target->path, AGL_LOCKS_NAME, "Acquire",
                          g_variant_new ("(sa{sv})", target->directory, &options), NULL, 0, -1, NULL,
                          on_granted, &granted);
  /* Calls of one connection are begun in their order: once this one is answered the other waits. */
  agl_timed_check (target);
  start = agl_bench_now ();
  release (target, target->pids[0]);
  while (granted == 0)
    g_main_context_iteration (NULL, TRUE);
  release (target, target->pids[1]);
  return granted - start;
}

double
agl_timed_program (gpointer data)
{
  return agl_bench_run (data);
}
