/* SPDX-License-Identifier: MIT */
/* The applet as it is, and a few actions more through which a test sees what a person would:
 *
 *   app.test-picture (s file)   the window on top, drawn into a PNG file
 *   app.test-rows (s file)      what the list shows, a line each: "ID DIRECTORY" or "# REPOSITORY"
 *   app.test-direction (b rtl)  right to left
 *   app.test-size ((ii) size)   of the window
 *   app.test-menu (t id)        opens the menu of a lock
 *   app.test-frames (s file)    since the last time: for each frame when it was drawn, in µs, a line each */
#include <glib/gi18n.h>
#include <glib/gstdio.h>
#include <locale.h>

#include "applet/application.h"
#include "applet/lock-groups.h"
#include "applet/lock-list.h"
#include "common/error.h"
#include "config.h"

/* What a test waits for appears whole. */
static void
write_file (const char *path, GString *text)
{
  g_autoptr (GError) error = NULL;

  if (!g_file_set_contents (path, text->str, (gssize)text->len, &error))
    g_error ("%s", error->message);
  g_string_free (text, TRUE);
}

static GtkWindow *
top_window (GtkApplication *application)
{
  GListModel *toplevels = gtk_window_get_toplevels ();
  GtkWindow *top = gtk_application_get_active_window (application);
  guint n = g_list_model_get_n_items (toplevels);

  for (guint i = 0; i < n; i++)
    {
      g_autoptr (GtkWindow) window = g_list_model_get_item (toplevels, i);

      if (gtk_window_get_transient_for (window) != NULL && gtk_widget_get_mapped (GTK_WIDGET (window)))
        top = window;
    }
  return top;
}

static GtkWidget *
find_widget (GtkWidget *root, GType type)
{
  if (G_TYPE_CHECK_INSTANCE_TYPE (root, type))
    return root;
  for (GtkWidget *child = gtk_widget_get_first_child (root); child != NULL;
       child = gtk_widget_get_next_sibling (child))
    {
      GtkWidget *found = find_widget (child, type);

      if (found != NULL)
        return found;
    }
  return NULL;
}

/* --- pictures --- */

static void
on_picture (GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
  GtkWidget *window = GTK_WIDGET (top_window (user_data));
  g_autoptr (GdkPaintable) paintable = gtk_widget_paintable_new (window);
  GtkSnapshot *snapshot = gtk_snapshot_new ();
  g_autoptr (GskRenderNode) node = NULL;
  g_autoptr (GdkTexture) texture = NULL;
  g_autofree char *part = g_strconcat (g_variant_get_string (parameter, NULL), ".part", NULL);
  int width = gtk_widget_get_width (window);
  int height = gtk_widget_get_height (window);

  gdk_paintable_snapshot (paintable, snapshot, width, height);
  node = gtk_snapshot_free_to_node (snapshot);
  texture = gsk_renderer_render_texture (gtk_native_get_renderer (GTK_NATIVE (window)), node,
                                         &GRAPHENE_RECT_INIT (0, 0, (float)width, (float)height));
  if (!gdk_texture_save_to_png (texture, part) || g_rename (part, g_variant_get_string (parameter, NULL)) < 0)
    g_error ("cannot save a picture");
}

static void
on_direction (GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
  gtk_widget_set_default_direction (g_variant_get_boolean (parameter) ? GTK_TEXT_DIR_RTL : GTK_TEXT_DIR_LTR);
}

static void
on_size (GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
  int width, height;

  g_variant_get (parameter, "(ii)", &width, &height);
  gtk_window_set_default_size (gtk_application_get_active_window (user_data), width, height);
}

/* --- rows --- */

static void
on_rows (GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
  GtkWindow *window = gtk_application_get_active_window (user_data);
  GtkWidget *view = find_widget (GTK_WIDGET (window), GTK_TYPE_LIST_VIEW);
  GListModel *items = G_LIST_MODEL (gtk_list_view_get_model (GTK_LIST_VIEW (view)));
  GString *text = g_string_new (NULL);
  guint n = g_list_model_get_n_items (items);

  for (guint i = 0; i < n; i++)
    {
      g_autoptr (GObject) item = g_list_model_get_item (items, i);

      if (AGL_IS_LOCK_GROUP (item))
        g_string_append_printf (text, "# %s\n", agl_lock_group_get_repository (AGL_LOCK_GROUP (item)));
      else
        g_string_append_printf (text, "%" G_GUINT64_FORMAT " %s\n",
                                agl_lock_entry_get_id (AGL_LOCK_ENTRY (item)),
                                agl_lock_entry_get_directory (AGL_LOCK_ENTRY (item)));
    }
  write_file (g_variant_get_string (parameter, NULL), text);
}

static gboolean
open_menu_of (GtkWidget *root, guint64 id)
{
  if (AGL_IS_LOCK_ROW (root))
    {
      AglLockEntry *lock = agl_lock_row_get_entry (AGL_LOCK_ROW (root));

      if (lock == NULL || agl_lock_entry_get_id (lock) != id)
        return FALSE;
      agl_lock_row_open_menu (AGL_LOCK_ROW (root));
      return TRUE;
    }
  for (GtkWidget *child = gtk_widget_get_first_child (root); child != NULL;
       child = gtk_widget_get_next_sibling (child))
    if (open_menu_of (child, id))
      return TRUE;
  return FALSE;
}

static void
on_menu (GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
  open_menu_of (GTK_WIDGET (gtk_application_get_active_window (user_data)), g_variant_get_uint64 (parameter));
}

/* --- frames --- */

static GString *frames;
static GdkFrameClock *frame_clock;

static void
on_after_paint (GdkFrameClock *clock, gpointer user_data)
{
  GdkFrameTimings *timings = gdk_frame_clock_get_current_timings (clock);

  /* When the frame began, and how long our part of it took. */
  g_string_append_printf (frames, "%" G_GINT64_FORMAT " %" G_GINT64_FORMAT "\n",
                          gdk_frame_timings_get_frame_time (timings),
                          g_get_monotonic_time () - gdk_frame_timings_get_frame_time (timings));
}

static void
on_frames (GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
  if (frame_clock == NULL)
    {
      frame_clock = gtk_widget_get_frame_clock (GTK_WIDGET (gtk_application_get_active_window (user_data)));
      g_signal_connect (frame_clock, "after-paint", G_CALLBACK (on_after_paint), NULL);
    }
  write_file (g_variant_get_string (parameter, NULL), frames == NULL ? g_string_new (NULL) : frames);
  frames = g_string_new (NULL);
}

static const GActionEntry hooks[] = {
  { "test-picture", on_picture, "s" }, { "test-rows", on_rows, "s" }, { "test-direction", on_direction, "b" },
  { "test-size", on_size, "(ii)" },    { "test-menu", on_menu, "t" }, { "test-frames", on_frames, "s" },
};

int
main (int argc, char **argv)
{
  g_autoptr (AglApplication) application = NULL;

  setlocale (LC_ALL, "");
  bindtextdomain (GETTEXT_PACKAGE, AGL_LOCALEDIR);
  bind_textdomain_codeset (GETTEXT_PACKAGE, "UTF-8");
  textdomain (GETTEXT_PACKAGE);
  agl_error_quark ();
  application = agl_application_new ();
  g_action_map_add_action_entries (G_ACTION_MAP (application), hooks, G_N_ELEMENTS (hooks), application);
  return g_application_run (G_APPLICATION (application), argc, argv);
}
