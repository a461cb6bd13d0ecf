/* SPDX-License-Identifier: MIT */
#include "bench.h"

#include <glib/gstdio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Much less than the limit of calls under way. */
#define WINDOW 64

#define PATIENCE_MSEC 60000

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
  /* It ends when all the others have: what their ends cost is not for the next row to bear. */
  close (self->in);
  agl_bench_await_end (&self->leader);
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
      g_dbus_connection_call (connection, NULL, AGL_LOCKS_PATH, AGL_LOCKS_NAME, "Acquire",
                              agl_bench_acquire_arguments (g_ptr_array_index (self->directories, i),
                                                           g_array_index (self->pids, pid_t, i)),
                              NULL, 0, PATIENCE_MSEC, NULL, on_locked, &n_out);
    }
  while (n_out > 0)
    g_main_context_iteration (NULL, TRUE);
}
