/* SPDX-License-Identifier: MIT */

/* Throughput: eight processes, each with several calls under way. */
#include "bench.h"

#include <signal.h>
#include <unistd.h>

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
  g_dbus_connection_call (client->connection, AGL_LOCKS_NAME, client->path, AGL_LOCKS_NAME,
                          client->acquires ? "Acquire" : "Release",
                          agl_bench_acquire_arguments (client->directory, 0), NULL, 0, -1, NULL, on_reply,
                          client);
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
