/* SPDX-License-Identifier: MIT */
/* applet-frames [LOCKS [CHANGES-A-SECOND [SECONDS]]]
 *
 * How fluid the applet's window is with that many locks (1000), of which that many change each second (400),
 * while it is scrolled without a pause: the real window and the real list, on an X server of its own without
 * a graphics card. Prints JSON; times are milliseconds:
 *
 *   first-frame     from asking for the window, with all locks there, to its first picture
 *   frame-*         what one frame costs us, from its beginning to its picture: quantiles
 *   cpu-*           how much of that the processor worked for us, which a busy machine does not add to
 *   late-frames     how many cost more than a sixtieth of a second, of "frames"
 *   batches         how many times the list changed, however many locks did */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "applet/application.h"
#include "common/error.h"

#include "../lib/find-widget.h"

#define FRAME_USEC (G_USEC_PER_SEC / 60)
#define SCROLL_PX  12

typedef struct
{
  guint n_locks, changes_per_sec;
  double seconds;
  AglApplication *application;
  GtkAdjustment *scroll;
  double direction;
  GArray *costs;     /* double, µs */
  GArray *cpu_costs; /* the same in time of our thread */
  gint64 frame_begin, frame_begin_cpu, asked, first_frame, end;
  guint64 next_id, oldest_id;
  double due; /* changes that are to be made */
  gint64 last_change;
  guint n_changes, n_batches;
} Bench;

static void G_GNUC_NORETURN
fail (const char *what)
{
  fprintf (stderr, "applet-frames: %s\n", what);
  exit (1);
}

/* --- an X server of our own --- */

static GSubprocess *
start_screen (void)
{
  g_autoptr (GSubprocessLauncher) launcher =
      g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_SILENCE);
  g_autoptr (GError) error = NULL;
  g_autoptr (GDataInputStream) out = NULL;
  g_autofree char *number = NULL;
  g_autofree char *display = NULL;
  GSubprocess *screen = g_subprocess_launcher_spawn (launcher, &error, "Xvfb", "-displayfd", "1", "-screen",
                                                     "0", "1280x1024x24", "-nolisten", "tcp", NULL);

  if (screen == NULL)
    fail (error->message);
  out = g_data_input_stream_new (g_subprocess_get_stdout_pipe (screen));
  number = g_data_input_stream_read_line (out, NULL, NULL, NULL);
  if (number == NULL)
    fail ("Xvfb does not start");
  display = g_strconcat (":", number, NULL);
  g_setenv ("DISPLAY", display, TRUE);
  return screen;
}

/* --- locks that come, change and go --- */

static GVariant *
facts_of (guint64 id)
{
  g_autofree char *directory =
      g_strdup_printf ("/home/me/src/project-%u/worktree-%u", (guint)(id % 97), (guint)id);
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&builder, "{sv}", "id", g_variant_new_uint64 (id));
  g_variant_builder_add (&builder, "{sv}", "directory", g_variant_new_string (directory));
  g_variant_builder_add (&builder, "{sv}", "kind", g_variant_new_string ("process"));
  g_variant_builder_add (&builder, "{sv}", "pid", g_variant_new_uint32 (1000 + (guint)id));
  g_variant_builder_add (&builder, "{sv}", "command", g_variant_new_string ("node"));
  g_variant_builder_add (&builder, "{sv}", "agent", g_variant_new_string ("claude"));
  g_variant_builder_add (&builder, "{sv}", "reason", g_variant_new_string ("what it was asked to do"));
  g_variant_builder_add (&builder, "{sv}", "cwd", g_variant_new_string (id % 10 == 0 ? "outside" : "inside"));
  g_variant_builder_add (&builder, "{sv}", "acquired-at", g_variant_new_uint64 ((guint64)g_get_real_time ()));
  g_variant_builder_add (&builder, "{sv}", "waiters", g_variant_new_uint32 ((guint)(id % 3)));
  return g_variant_builder_end (&builder);
}

static void
fill (Bench *bench)
{
  AglLockModel *model = agl_application_get_model (bench->application);
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("aa{sv}"));
  bench->oldest_id = 1;
  for (bench->next_id = 1; bench->next_id <= bench->n_locks; bench->next_id++)
    g_variant_builder_add_value (&builder, facts_of (bench->next_id));
  agl_lock_model_begin (model);
  agl_lock_model_take_list (model, g_variant_builder_end (&builder));
}

/* A third each: one comes, one goes, one changes. */
static void
change (Bench *bench)
{
  AglLockModel *model = agl_application_get_model (bench->application);
  guint64 middle = (bench->oldest_id + bench->next_id) / 2;

  switch (bench->n_changes++ % 3)
    {
    case 0:
      agl_lock_model_take_acquired (model, bench->next_id, facts_of (bench->next_id));
      bench->next_id++;
      break;
    case 1:
      agl_lock_model_take_released (model, bench->oldest_id, "exited", facts_of (bench->oldest_id));
      bench->oldest_id++;
      break;
    default:
      agl_lock_model_take_changed (model, middle,
                                   g_variant_new_parsed ("{'waiters': <%u>}", bench->n_changes % 7));
      break;
    }
}

static gboolean
on_changes (gpointer user_data)
{
  Bench *bench = user_data;
  gint64 now = g_get_monotonic_time ();

  bench->due += (double)(now - bench->last_change) * bench->changes_per_sec / G_USEC_PER_SEC;
  bench->last_change = now;
  for (; bench->due >= 1; bench->due -= 1)
    change (bench);
  return G_SOURCE_CONTINUE;
}

/* --- frames --- */

static gint64
cpu_time (void)
{
  struct timespec now;

  if (clock_gettime (CLOCK_THREAD_CPUTIME_ID, &now) < 0)
    fail ("no clock");
  return (gint64)now.tv_sec * G_USEC_PER_SEC + now.tv_nsec / 1000;
}

static void
on_before_paint (GdkFrameClock *clock, gpointer user_data)
{
  Bench *bench = user_data;

  bench->frame_begin = g_get_monotonic_time ();
  bench->frame_begin_cpu = cpu_time ();
}

static void
on_after_paint (GdkFrameClock *clock, gpointer user_data)
{
  Bench *bench = user_data;
  gint64 now = g_get_monotonic_time ();
  double cost = (double)(now - bench->frame_begin);
  double cpu_cost = (double)(cpu_time () - bench->frame_begin_cpu);

  if (bench->first_frame == 0)
    bench->first_frame = now;
  else
    {
      g_array_append_val (bench->costs, cost);
      g_array_append_val (bench->cpu_costs, cpu_cost);
    }
  if (now >= bench->end)
    g_application_quit (G_APPLICATION (bench->application));
}

static gboolean
on_tick (GtkWidget *widget, GdkFrameClock *clock, gpointer user_data)
{
  Bench *bench = user_data;
  double bottom = gtk_adjustment_get_upper (bench->scroll) - gtk_adjustment_get_page_size (bench->scroll);
  double value = gtk_adjustment_get_value (bench->scroll) + bench->direction;

  if (value <= 0 || value >= bottom)
    bench->direction = -bench->direction;
  gtk_adjustment_set_value (bench->scroll, CLAMP (value, 0, MAX (bottom, 0)));
  return G_SOURCE_CONTINUE;
}

static void
on_batch (GListModel *model, guint position, guint removed, guint added, gpointer user_data)
{
  ((Bench *)user_data)->n_batches++;
}

static void
on_activate (GApplication *application, gpointer user_data)
{
  Bench *bench = user_data;
  GtkWidget *window, *view;
  GdkFrameClock *clock;

  window = GTK_WIDGET (gtk_application_get_active_window (GTK_APPLICATION (application)));
  clock = gtk_widget_get_frame_clock (window);
  g_signal_connect (clock, "before-paint", G_CALLBACK (on_before_paint), bench);
  g_signal_connect (clock, "after-paint", G_CALLBACK (on_after_paint), bench);
  view = find_widget (window, GTK_TYPE_LIST_VIEW);
  bench->scroll = gtk_scrollable_get_vadjustment (GTK_SCROLLABLE (view));
  bench->direction = SCROLL_PX;
  bench->end = g_get_monotonic_time () + (gint64)(bench->seconds * G_USEC_PER_SEC);
  bench->last_change = g_get_monotonic_time ();
  g_signal_connect (agl_application_get_model (bench->application), "items-changed", G_CALLBACK (on_batch),
                    bench);
  gtk_widget_add_tick_callback (view, on_tick, bench, NULL);
  g_timeout_add (5, on_changes, bench);
}

static void
on_startup (GApplication *application, gpointer user_data)
{
  Bench *bench = user_data;

  fill (bench);
  bench->asked = g_get_monotonic_time ();
}

static int
compare (gconstpointer a, gconstpointer b)
{
  double one = *(const double *)a, two = *(const double *)b;

  return (one > two) - (one < two);
}

static double
quantile (GArray *sorted, double which)
{
  return g_array_index (sorted, double, (guint)((double)(sorted->len - 1) * which)) / 1000;
}

static void
print (Bench *bench)
{
  guint n_late = 0;

  if (bench->costs->len == 0)
    fail ("not one frame was drawn");
  g_array_sort (bench->costs, compare);
  g_array_sort (bench->cpu_costs, compare);
  for (guint i = 0; i < bench->costs->len; i++)
    n_late += g_array_index (bench->costs, double, i) > FRAME_USEC;
  printf (
      "{\"locks\": %u, \"changes-per-second\": %u, \"seconds\": %.1f, \"first-frame\": %.1f, \"frames\": %u, "
      "\"frame-median\": %.2f, \"frame-95\": %.2f, \"frame-99\": %.2f, \"frame-max\": %.2f, \"cpu-median\": "
      "%.2f, \"cpu-99\": %.2f, \"late-frames\": "
      "%u, "
      "\"batches\": %u}\n",
      bench->n_locks, bench->changes_per_sec, bench->seconds,
      (double)(bench->first_frame - bench->asked) / 1000, bench->costs->len, quantile (bench->costs, 0.5),
      quantile (bench->costs, 0.95), quantile (bench->costs, 0.99), quantile (bench->costs, 1),
      quantile (bench->cpu_costs, 0.5), quantile (bench->cpu_costs, 0.99), n_late, bench->n_batches);
}

int
main (int argc, char **argv)
{
  g_autoptr (GSubprocess) screen = NULL;
  Bench bench = { .n_locks = argc > 1 ? (guint)atoi (argv[1]) : 1000,
                  .changes_per_sec = argc > 2 ? (guint)atoi (argv[2]) : 400,
                  .seconds = argc > 3 ? g_ascii_strtod (argv[3], NULL) : 5 };
  char *arguments[] = { argv[0], NULL };

  screen = start_screen ();
  /* Nobody else's bus, service, settings or graphics card. */
  g_setenv ("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent", TRUE);
  g_setenv ("AGENTCTL_LOCKS_ADDRESS", "unix:path=/nonexistent", TRUE);
  g_setenv ("GDK_BACKEND", "x11", TRUE);
  g_setenv ("GSK_RENDERER", "cairo", TRUE);
  g_setenv ("GTK_A11Y", "none", TRUE);
  g_setenv ("GSETTINGS_BACKEND", "memory", TRUE);
  agl_error_quark ();
  bench.costs = g_array_new (FALSE, FALSE, sizeof (double));
  bench.cpu_costs = g_array_new (FALSE, FALSE, sizeof (double));
  bench.application = agl_application_new ();
  g_application_set_flags (G_APPLICATION (bench.application), G_APPLICATION_NON_UNIQUE);
  g_signal_connect_after (bench.application, "startup", G_CALLBACK (on_startup), &bench);
  g_signal_connect_after (bench.application, "activate", G_CALLBACK (on_activate), &bench);
  g_application_run (G_APPLICATION (bench.application), 1, arguments);
  g_object_unref (bench.application);
  g_subprocess_force_exit (screen);
  g_subprocess_wait (screen, NULL, NULL);
  print (&bench);
  g_array_unref (bench.costs);
  g_array_unref (bench.cpu_costs);
  return 0;
}
