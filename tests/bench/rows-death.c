/* SPDX-License-Identifier: MIT */

/* From a process' death to the signal in a third process. */
#include "bench.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define N_DEATHS 200

#define GROWTH_BATCH  5
#define GROWTH_ROUNDS 120

typedef struct
{
  _Atomic guint pid; /* who is about to die */
  _Atomic guint is_told;
  double told_at; /* valid once is_told */
} Watch;

/* In GDBus' own thread, so that no other hand-over is measured than the one that every receiver has. */
static GDBusMessage *
on_message (GDBusConnection *connection, GDBusMessage *message, gboolean incoming, gpointer user_data)
{
  const char *member = g_dbus_message_get_member (message);
  Watch *watch = user_data;
  GVariant *body;
  guint pid = 0;

  if (!incoming || g_dbus_message_get_message_type (message) != G_DBUS_MESSAGE_TYPE_SIGNAL || member == NULL)
    return message;
  body = g_dbus_message_get_body (message);
  if (strcmp (member, "LockReleased") == 0)
    g_variant_get_child (body, 2, "u", &pid);
  else if (strcmp (member, "Died") == 0)
    g_variant_get_child (body, 0, "u", &pid);
  if (pid != 0 && pid == atomic_load (&watch->pid))
    {
      watch->told_at = agl_bench_now ();
      atomic_store (&watch->is_told, 1);
    }
  return message;
}

static double
kill_and_wait (Watch *watch, pid_t pid)
{
  double start, limit;

  /* Some rest before, so that nobody is met running. */
  g_usleep (500);
  atomic_store (&watch->is_told, 0);
  atomic_store (&watch->pid, (guint)pid);
  start = agl_bench_now ();
  kill (pid, SIGKILL);
  limit = start + 30e6;
  while (atomic_load (&watch->is_told) == 0)
    {
      if (agl_bench_now () > limit)
        agl_bench_fail ("the death of %d was not told", (int)pid);
      g_usleep (50);
    }
  return watch->told_at - start;
}

typedef struct
{
  Watch *watch;
  AglFleet *fleet;
  guint next;
  GDBusConnection *lock_through; /* ours: where to lock for the victim first */
  FILE *to, *from;               /* reference: where to name it */
} Killer;

static double
ours (gpointer data)
{
  Killer *killer = data;
  guint i = killer->next++;

  agl_fleet_lock (killer->fleet, killer->lock_through, i, i + 1);
  return kill_and_wait (killer->watch, g_array_index (killer->fleet->pids, pid_t, i));
}

static double
reference (gpointer data)
{
  Killer *killer = data;
  pid_t pid = g_array_index (killer->fleet->pids, pid_t, killer->next++);
  char line[32];

  fprintf (killer->to, "%d\n", (int)pid);
  fflush (killer->to);
  if (fgets (line, sizeof line, killer->from) == NULL)
    agl_bench_fail ("the reference for deaths ended");
  return kill_and_wait (killer->watch, pid);
}

static void
watch_for (GDBusConnection *listener, const char *member)
{
  g_autofree char *rule = g_strdup_printf ("type='signal',member='%s'", member);
  g_autoptr (GVariant) reply = g_dbus_connection_call_sync (
      listener, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "AddMatch",
      g_variant_new ("(s)", rule), NULL, 0, -1, NULL, NULL);

  if (reply == NULL)
    agl_bench_fail ("no match for signals");
}

void
agl_rows_death (AglScene *scene, guint n_locks)
{
  g_autofree char *topic = g_strdup_printf ("deaths with %u locks", n_locks);
  g_autofree char *program = g_build_filename (scene->bin, "bench-death-reference", NULL);
  g_autofree char *our_name = g_strdup_printf ("ours-%u", n_locks);
  g_autofree char *reference_name = g_strdup_printf ("reference-%u", n_locks);
  g_autofree char *median = g_strdup_printf ("death → signal, median, %u locks", n_locks);
  g_autofree char *p99 = g_strdup_printf ("death → signal, p99, %u locks", n_locks);
  g_autoptr (AglFleet) our_fleet = agl_fleet_new (scene, our_name, N_DEATHS + 5);
  g_autoptr (AglFleet) reference_fleet = agl_fleet_new (scene, reference_name, N_DEATHS + 5);
  g_autoptr (GDBusConnection) listener = agl_bench_connect (scene->bus, TRUE);
  g_autoptr (AglPair) pair = NULL;
  Watch watch = { 0 };
  int in, out;
  GPid pid = agl_bench_spawn ((const char *const[]){ program, scene->bus, NULL }, NULL, &in, &out);
  Killer killers[2] = { { &watch, our_fleet, 0, scene->on_direct }, { &watch, reference_fleet } };
  double ours_p99, reference_p99;

  killers[1].to = fdopen (in, "w");
  killers[1].from = fdopen (out, "r");
  watch_for (listener, "LockReleased");
  watch_for (listener, "Died");
  g_dbus_connection_add_filter (listener, on_message, &watch, NULL);
  agl_report_begin (topic);
  pair = agl_pair_measure (ours, &killers[0], reference, &killers[1], 5, N_DEATHS / 5);
  agl_report_pair (median, pair, AGL_GOAL_AT_MOST, 1.5);
  ours_p99 = agl_bench_quantile (pair->ours, 0.99);
  reference_p99 = agl_bench_quantile (pair->reference, 0.99);
  agl_report_add (p99, ours_p99, reference_p99, "µs", ours_p99 / reference_p99, AGL_GOAL_AT_MOST, 2);
  fclose (killers[1].to);
  fclose (killers[1].from);
  agl_bench_end (&pid, SIGTERM);
  g_dbus_connection_close_sync (listener, NULL, NULL);
}

/* @fleet: as many for each point as are killed there, one point's after the other's. */
static void
kill_at_points (AglScene *const *scenes, AglFleet *fleet, Watch *watch)
{
  Killer killers[AGL_GROWTH_POINTS];
  g_autoptr (AglGrowth) growth = NULL;
  AglCurve curve;

  for (guint i = 0; i < AGL_GROWTH_POINTS; i++)
    killers[i] = (Killer){ .watch = watch,
                           .fleet = fleet,
                           .next = fleet->pids->len / AGL_GROWTH_POINTS * i,
                           .lock_through = scenes[i]->on_direct };
  agl_report_begin ("deaths");
  growth = agl_growth_measure (scenes, ours, killers, sizeof killers[0], GROWTH_BATCH, GROWTH_ROUNDS);
  curve = agl_series_curve (growth->times);
  agl_report_curve ("death → signal, median", &curve, "µs", AGL_GROWTH_NONE);
  curve = agl_series_curve (growth->processor);
  agl_report_curve ("  the service's processor time, whole turn", &curve, "µs", AGL_GROWTH_NONE);
  curve = agl_series_quantile_curve (growth->samples, 0.99);
  agl_report_curve ("death → signal, p99", &curve, "µs", AGL_GROWTH_FREE);
}

void
agl_rows_death_growth (AglScene *const *scenes)
{
  g_autoptr (AglFleet) fleet =
      agl_fleet_new (scenes[0], "victims", AGL_GROWTH_POINTS * GROWTH_BATCH * (GROWTH_ROUNDS + 1));
  GDBusConnection *listeners[AGL_GROWTH_POINTS];
  Watch watch = { 0 };

  for (guint i = 0; i < AGL_GROWTH_POINTS; i++)
    {
      listeners[i] = agl_bench_connect (scenes[i]->bus, TRUE);
      watch_for (listeners[i], "LockReleased");
      g_dbus_connection_add_filter (listeners[i], on_message, &watch, NULL);
    }
  kill_at_points (scenes, fleet, &watch);
  for (guint i = 0; i < AGL_GROWTH_POINTS; i++)
    {
      g_dbus_connection_close_sync (listeners[i], NULL, NULL);
      g_object_unref (listeners[i]);
    }
}
