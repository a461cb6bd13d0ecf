/* SPDX-License-Identifier: MIT */

/* What a call costs, and whether that grows with the number of locks. */
#include "bench.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define BATCH  20
#define ROUNDS 25

#define NAME "org.agentctl.Locks"

typedef struct
{
  GDBusConnection *connection;
  const char *name; /* NULL on a direct socket */
  const char *directory, *path;
  GArray *acquire, *release; /* (nullable): each half */
} Target;

static double
acquire_and_release (gpointer data)
{
  Target *target = data;
  double start = agl_bench_now (), between, end;

  g_variant_unref (agl_bench_call (target->connection, target->name, target->path, "Acquire",
                                   agl_bench_acquire_arguments (target->directory, 0)));
  between = agl_bench_now ();
  g_variant_unref (agl_bench_call (target->connection, target->name, target->path, "Release",
                                   agl_bench_acquire_arguments (target->directory, 0)));
  end = agl_bench_now ();
  if (target->acquire != NULL)
    {
      double first = between - start, second = end - between;

      g_array_append_val (target->acquire, first);
      g_array_append_val (target->release, second);
    }
  return (end - start) / 2;
}

static double
check (gpointer data)
{
  Target *target = data;
  double start = agl_bench_now ();

  g_variant_unref (agl_bench_call (target->connection, target->name, target->path, "Check",
                                   g_variant_new ("(s)", target->directory)));
  return agl_bench_now () - start;
}

/* Per call, at each number of locks. */
enum
{
  ON_BUS,
  ON_DIRECT,
  CHECK,
  N_CURVES
};
static const char *const curve_names[] = { "Acquire and Release, bus", "Acquire and Release, direct",
                                           "Check, direct" };
static double curves[N_CURVES][8], numbers[8];
static double ratios[N_CURVES][8];
static guint n_points;
static gboolean is_curve; /* or the rows against the references */

static void
report_halves (const char *door, Target *ours, Target *reference)
{
  g_autofree char *first = g_strdup_printf ("  of it Acquire, %s", door);
  g_autofree char *second = g_strdup_printf ("  of it Release, %s", door);

  agl_report_add (first, agl_bench_median (ours->acquire), agl_bench_median (reference->acquire), "µs",
                  agl_bench_median (ours->acquire) / agl_bench_median (reference->acquire), AGL_GOAL_NONE, 0);
  agl_report_add (second, agl_bench_median (ours->release), agl_bench_median (reference->release), "µs",
                  agl_bench_median (ours->release) / agl_bench_median (reference->release), AGL_GOAL_NONE, 0);
}

static GArray *
new_samples (void)
{
  return g_array_new (FALSE, FALSE, sizeof (double));
}

/* @name: NULL on a direct socket. @curve: which one this is a point of. */
static void
measure_door (AglScene *scene,
              const char *door,
              GDBusConnection *connection,
              const char *name,
              guint curve,
              AglGoal goal)
{
  g_autoptr (GArray) our_acquire = new_samples (), our_release = new_samples ();
  g_autoptr (GArray) noop_acquire = new_samples (), noop_release = new_samples ();
  Target ours = { connection, name, scene->here, AGL_LOCKS_PATH, our_acquire, our_release };
  Target noop = { connection, name, scene->here, AGL_NOOP_PATH, noop_acquire, noop_release };
  g_autoptr (AglPair) pair =
      agl_pair_measure (acquire_and_release, &ours, acquire_and_release, &noop, BATCH, ROUNDS);

  curves[curve][n_points] = agl_bench_median (pair->ours);
  ratios[curve][n_points] = agl_bench_median (pair->ratios);
  if (!is_curve)
    {
      g_autofree char *what = g_strdup_printf ("Acquire and Release, %s, against a no-op", door);

      agl_report_pair (what, pair, goal, 1.15);
      report_halves (door, &ours, &noop);
    }
}

static void
measure_doors (AglScene *scene)
{
  Target direct = { scene->on_alone, NULL, scene->here, AGL_LOCKS_PATH };
  Target bus = { scene->on_bus, NAME, scene->here, AGL_LOCKS_PATH };
  g_autoptr (AglPair) doors = NULL;

  /* Nobody but the caller is there who would have to be told. */
  agl_scene_disconnect (scene);
  measure_door (scene, "bus", scene->on_bus, NAME, ON_BUS, AGL_GOAL_AT_MOST);
  measure_door (scene, "direct", scene->on_alone, NULL, ON_DIRECT, AGL_GOAL_AT_MOST);
  doors = agl_pair_measure (acquire_and_release, &direct, acquire_and_release, &bus, BATCH, ROUNDS);
  agl_report_pair ("Acquire and Release, direct against bus", doors, AGL_GOAL_AT_MOST, 0.75);
  agl_scene_connect (scene);
  measure_door (scene, "direct, a bus told too", scene->on_direct, NULL, ON_DIRECT, AGL_GOAL_NONE);
}

static void
measure_point (AglScene *scene)
{
  Target direct = { NULL, NULL, scene->here, AGL_LOCKS_PATH };
  Target bus = { scene->on_bus, NAME, scene->here, AGL_LOCKS_PATH };
  g_autoptr (AglPair) pair = NULL;

  agl_scene_disconnect (scene);
  measure_door (scene, "bus", scene->on_bus, NAME, ON_BUS, AGL_GOAL_NONE);
  agl_scene_connect (scene);
  direct.connection = scene->on_direct;
  measure_door (scene, "direct", scene->on_direct, NULL, ON_DIRECT, AGL_GOAL_NONE);
  pair = agl_pair_measure (check, &direct, check, &bus, BATCH, ROUNDS / 2);
  curves[CHECK][n_points] = agl_bench_median (pair->ours);
}

void
agl_rows_calls (AglScene *scene, guint n_locks)
{
  g_autofree char *topic = g_strdup_printf ("calls with %u locks", n_locks);

  agl_report_begin (topic);
  numbers[n_points] = n_locks;
  if (is_curve)
    measure_point (scene);
  else
    measure_doors (scene);
  n_points++;
}

void
agl_rows_calls_begin_curve (void)
{
  n_points = 0;
  is_curve = TRUE;
}

/* The reference that does nothing was measured beside each point, so that a machine that became slower in
 * between does not look like growth. */
void
agl_rows_calls_growth (void)
{
  for (guint curve = 0; curve < N_CURVES; curve++)
    {
      double steady[8];
      guint last = n_points - 1;
      gboolean has_ratio = ratios[curve][0] > 0;

      for (guint i = 0; i < n_points; i++)
        {
          g_autofree char *what = g_strdup_printf ("  %s, %.0f locks", curve_names[curve], numbers[i]);

          steady[i] = has_ratio ? ratios[curve][i] : curves[curve][i];
          agl_report_add (what, curves[curve][i], NAN, "µs", NAN, AGL_GOAL_NONE, 0);
        }
      {
        g_autofree char *what =
            g_strdup_printf ("%s, %.0f locks against 0", curve_names[curve], numbers[last]);
        g_autofree char *growth = g_strdup_printf ("  exponent of growth, 100 to %.0f", numbers[last]);

        agl_report_add (what, curves[curve][last], curves[curve][0], "µs", steady[last] / steady[0],
                        curve == CHECK ? AGL_GOAL_NONE : AGL_GOAL_AT_MOST, 1.10);
        agl_report_add (growth, agl_bench_exponent (numbers + 1, steady + 1, last), NAN, "", NAN,
                        AGL_GOAL_AT_MOST, 0.05);
      }
    }
}

/* The first Acquire on a connection that is opened for it. */

typedef struct
{
  const char *address, *directory;
  gboolean is_bus;
} Door;

static double
connect_and_acquire (gpointer data)
{
  const Door *door = data;
  const char *name = door->is_bus ? NAME : NULL;
  double start = agl_bench_now (), took;
  g_autoptr (GDBusConnection) connection = agl_bench_connect (door->address, door->is_bus);

  g_variant_unref (agl_bench_call (connection, name, AGL_LOCKS_PATH, "Acquire",
                                   agl_bench_acquire_arguments (door->directory, 0)));
  took = agl_bench_now () - start;
  g_variant_unref (agl_bench_call (connection, name, AGL_LOCKS_PATH, "Release",
                                   agl_bench_acquire_arguments (door->directory, 0)));
  g_dbus_connection_close_sync (connection, NULL, NULL);
  return took;
}

void
agl_rows_fresh (AglScene *scene)
{
  Door direct = { scene->direct, scene->here, FALSE }, bus = { scene->bus, scene->here, TRUE };
  g_autoptr (AglPair) pair = NULL;

  agl_report_begin ("fresh connections");
  pair = agl_pair_measure (connect_and_acquire, &direct, connect_and_acquire, &bus, 10, 20);
  agl_report_pair ("connect and first Acquire, direct against bus", pair, AGL_GOAL_AT_MOST, 0.6);
}

/* Throughput: eight processes, each with several calls under way. */

#define N_CLIENTS      8
#define IN_FLIGHT      16
#define LOAD_USEC      700000
#define THROUGH_ROUNDS 3

typedef struct
{
  GDBusConnection *connection;
  const char *path, *directory;
  guint64 n_done;
  guint n_out;
  gboolean acquires;
  double end;
} Client;

static void send_one (Client *client);

static void
on_reply (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  Client *client = user_data;

  if (reply == NULL)
    agl_bench_fail ("%s", error->message);
  client->n_out--;
  client->n_done++;
  if (agl_bench_now () < client->end)
    send_one (client);
}

/* In turns: calls of one connection are served in order. */
static void
send_one (Client *client)
{
  client->acquires = !client->acquires;
  client->n_out++;
  g_dbus_connection_call (
      client->connection, NAME, client->path, NAME, client->acquires ? "Acquire" : "Release",
      agl_bench_acquire_arguments (client->directory, 0), NULL, 0, -1, NULL, on_reply, client);
}

int
agl_rows_throughput_client (const char *address, const char *path, const char *directory)
{
  Client client = { agl_bench_connect (address, TRUE), path, directory };
  char go;

  if (chdir (directory) < 0 || write (STDOUT_FILENO, "r", 1) != 1 || read (STDIN_FILENO, &go, 1) != 1)
    return 1;
  client.end = agl_bench_now () + LOAD_USEC;
  for (guint i = 0; i < IN_FLIGHT; i++)
    send_one (&client);
  while (client.n_out > 0)
    g_main_context_iteration (NULL, TRUE);
  return write (STDOUT_FILENO, &client.n_done, sizeof client.n_done) == sizeof client.n_done ? 0 : 1;
}

static double
run_clients (AglScene *scene, const char *path)
{
  g_autofree char *program = g_build_filename (scene->bin, "bench", NULL);
  GPid pids[N_CLIENTS];
  int in[N_CLIENTS], out[N_CLIENTS];
  double sum = 0;

  for (guint i = 0; i < N_CLIENTS; i++)
    {
      g_autofree char *directory = g_strdup_printf ("%s/client-%u", scene->root, i);
      char ready;

      g_mkdir_with_parents (directory, 0700);
      pids[i] =
          agl_bench_spawn ((const char *const[]){ program, "client", scene->bus, path, directory, NULL },
                           NULL, &in[i], &out[i]);
      if (read (out[i], &ready, 1) != 1)
        agl_bench_fail ("a client does not start");
    }
  for (guint i = 0; i < N_CLIENTS; i++)
    if (write (in[i], "g", 1) != 1)
      agl_bench_fail ("a client went");
  for (guint i = 0; i < N_CLIENTS; i++)
    {
      guint64 n_done;

      if (read (out[i], &n_done, sizeof n_done) != sizeof n_done)
        agl_bench_fail ("a client failed");
      sum += n_done;
      close (in[i]);
      close (out[i]);
      agl_bench_end (&pids[i], SIGTERM);
    }
  return sum / (LOAD_USEC / 1e6);
}

typedef struct
{
  AglScene *scene;
  const char *path;
} Load;

static double
run_load (gpointer data)
{
  const Load *load = data;

  return run_clients (load->scene, load->path);
}

void
agl_rows_throughput (AglScene *scene)
{
  Load ours = { scene, AGL_LOCKS_PATH }, noop = { scene, AGL_NOOP_PATH };
  g_autoptr (AglPair) pair = NULL;

  agl_report_begin ("throughput");
  agl_scene_disconnect (scene);
  pair = agl_pair_measure (run_load, &ours, run_load, &noop, 1, THROUGH_ROUNDS);
  agl_report_add ("throughput, 8 clients with 16 calls under way each, bus", agl_bench_median (pair->ours),
                  agl_bench_median (pair->reference), "/s", agl_bench_median (pair->ratios),
                  AGL_GOAL_AT_LEAST, 0.8);
  agl_scene_connect (scene);
}
