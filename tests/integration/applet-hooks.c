/* SPDX-License-Identifier: MIT */
/* The applet as it is, and a few actions more through which a test sees what a person would:
 *
 *   app.test-picture (s file)   the window on top, drawn into a PNG file
 *   app.test-idle (s file)      answers when nothing moves any more
 *   app.test-sync (s file)      answers when it has dealt with all that the X server knew of
 *   app.test-rows (s file)      what the list shows, a line each: "ID DIRECTORY" or "# REPOSITORY"
 *   app.test-state (s file)     what a person sees, as JSON
 *   app.test-press (s label)    presses a button of the window on top
 *   app.test-type ((ss))        title and text: types into a field of the window on top
 *   app.test-search (s text)    searches the list
 *   app.test-clipboard (s file) what was copied
 *   app.test-choose ((su))      title and position: chooses in a field of the window on top
 *   app.test-direction (b rtl)  right to left
 *   app.test-size ((ii) size)   of the window
 *   app.test-close              closes the window
 *   app.test-use (s name)       switches the switch or presses the button of that widget name
 *   app.test-menu (t id)        opens the menu of a lock; 0: closes it
 *   app.test-frames (s file)    since the last time: for each frame when it was drawn, in µs, a line each */
#include <dlfcn.h>
#include <glib/gi18n.h>
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <locale.h>
#include <string.h>

#include "applet/application.h"
#include "applet/lock-groups.h"
#include "applet/lock-list.h"
#include "applet/window.h"
#include "common/error.h"
#include "config.h"

#include "../lib/find-widget.h"

/* In the place of libadwaita's: what is said for three seconds stays, and a test that looks late sees it too.
 */
void
adw_toast_overlay_add_toast (AdwToastOverlay *self, AdwToast *toast)
{
  void (*add_toast) (AdwToastOverlay *, AdwToast *);

  *(void **)&add_toast = dlsym (RTLD_NEXT, "adw_toast_overlay_add_toast");
  adw_toast_set_timeout (toast, 0);
  add_toast (self, toast);
}

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

typedef gboolean (*Visit) (GtkWidget *widget, gpointer user_data);

/* Every widget that is on the screen, until @visit says TRUE. */
static gboolean
visit_all (GtkWidget *root, Visit visit, gpointer user_data)
{
  if (!gtk_widget_get_mapped (root))
    return FALSE;
  if (visit (root, user_data))
    return TRUE;
  for (GtkWidget *child = gtk_widget_get_first_child (root); child != NULL;
       child = gtk_widget_get_next_sibling (child))
    if (visit_all (child, visit, user_data))
      return TRUE;
  return FALSE;
}

/* --- pictures --- */

static gboolean
is_popover (GtkWidget *widget, gpointer user_data)
{
  if (!GTK_IS_POPOVER (widget))
    return FALSE;
  *(GtkWidget **)user_data = widget;
  return TRUE;
}

/* FALSE: it is to be drawn first, after a change of its size say. */
static gboolean
save_picture (GtkWidget *window, const char *path)
{
  g_autoptr (GdkPaintable) paintable = gtk_widget_paintable_new (window);
  GtkSnapshot *snapshot = gtk_snapshot_new ();
  g_autoptr (GskRenderNode) node = NULL;
  g_autoptr (GdkTexture) texture = NULL;
  g_autofree char *part = g_strconcat (path, ".part", NULL);
  int width = gtk_widget_get_width (window);
  int height = gtk_widget_get_height (window);

  gdk_paintable_snapshot (paintable, snapshot, width, height);
  node = gtk_snapshot_free_to_node (snapshot);
  if (node == NULL)
    return FALSE;
  texture = gsk_renderer_render_texture (gtk_native_get_renderer (GTK_NATIVE (window)), node,
                                         &GRAPHENE_RECT_INIT (0, 0, (float)width, (float)height));
  if (!gdk_texture_save_to_png (texture, part) || g_rename (part, path) < 0)
    g_error ("cannot save a picture");
  return TRUE;
}

static gboolean
on_frame_for_picture (GtkWidget *window, GdkFrameClock *clock, gpointer path)
{
  return save_picture (window, path) ? G_SOURCE_REMOVE : G_SOURCE_CONTINUE;
}

static void
on_picture (GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
  const char *path = g_variant_get_string (parameter, NULL);
  GtkWidget *window = GTK_WIDGET (top_window (user_data));

  /* A menu is a surface of its own. */
  visit_all (window, is_popover, &window);
  if (!save_picture (window, path))
    gtk_widget_add_tick_callback (window, on_frame_for_picture, g_strdup (path), g_free);
}

/* So many frames that all look the same mean that nothing moves. */
#define N_QUIET_FRAMES 8

typedef struct
{
  char *path;
  guint n_quiet;
  GBytes *last; /* what was drawn */
} Idle;

static void
idle_free (gpointer data)
{
  Idle *idle = data;

  g_clear_pointer (&idle->last, g_bytes_unref);
  g_free (idle->path);
  g_free (idle);
}

static GBytes *
picture_of (GtkWidget *window)
{
  g_autoptr (GdkPaintable) paintable = gtk_widget_paintable_new (window);
  GtkSnapshot *snapshot = gtk_snapshot_new ();
  g_autoptr (GskRenderNode) node = NULL;

  gdk_paintable_snapshot (paintable, snapshot, gtk_widget_get_width (window), gtk_widget_get_height (window));
  node = gtk_snapshot_free_to_node (snapshot);
  return node == NULL ? NULL : gsk_render_node_serialize (node);
}

static gboolean
on_frame (GtkWidget *window, GdkFrameClock *clock, gpointer user_data)
{
  Idle *idle = user_data;
  g_autoptr (GBytes) now = picture_of (window);

  if (idle->last != NULL && now != NULL && g_bytes_equal (idle->last, now))
    idle->n_quiet++;
  else
    idle->n_quiet = 0;
  g_clear_pointer (&idle->last, g_bytes_unref);
  idle->last = g_steal_pointer (&now);
  if (idle->n_quiet < N_QUIET_FRAMES)
    return G_SOURCE_CONTINUE;
  write_file (idle->path, g_string_new (""));
  return G_SOURCE_REMOVE;
}

static void
on_idle (GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
  Idle *idle = g_new0 (Idle, 1);

  idle->path = g_variant_dup_string (parameter, NULL);
  gtk_widget_add_tick_callback (GTK_WIDGET (top_window (user_data)), on_frame, idle, idle_free);
}

static gboolean
on_synced (gpointer path)
{
  write_file (path, g_string_new (""));
  return G_SOURCE_REMOVE;
}

static void
on_sync (GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
  gdk_display_sync (gdk_display_get_default ());
  /* The events have arrived; they go first, and drawing does not. */
  g_idle_add_full (GDK_PRIORITY_EVENTS + 1, on_synced, g_variant_dup_string (parameter, NULL), g_free);
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

/* --- texts --- */

static void
add_text (JsonBuilder *json, const char *name, const char *text)
{
  json_builder_set_member_name (json, name);
  json_builder_add_string_value (json, text);
}

static gboolean
add_row (GtkWidget *widget, gpointer user_data)
{
  static const char *const labels[] = {
    "directory", "age", "holder", "mode", "waiters", "warning", "trouble"
  };
  JsonBuilder *json = user_data;
  AglLockEntry *lock = AGL_IS_LOCK_ROW (widget) ? agl_lock_row_get_entry (AGL_LOCK_ROW (widget)) : NULL;

  if (lock == NULL)
    return FALSE;
  json_builder_begin_object (json);
  json_builder_set_member_name (json, "id");
  json_builder_add_int_value (json, (gint64)agl_lock_entry_get_id (lock));
  add_text (json, "icon",
            gtk_image_get_icon_name (
                GTK_IMAGE (gtk_widget_get_template_child (widget, AGL_TYPE_LOCK_ROW, "icon"))));
  for (gsize i = 0; i < G_N_ELEMENTS (labels); i++)
    {
      GObject *label = gtk_widget_get_template_child (widget, AGL_TYPE_LOCK_ROW, labels[i]);

      add_text (json, labels[i],
                gtk_widget_get_mapped (GTK_WIDGET (label)) ? gtk_label_get_text (GTK_LABEL (label)) : "");
    }
  json_builder_end_object (json);
  return FALSE;
}

static gboolean
add_label (GtkWidget *widget, gpointer user_data)
{
  if (GTK_IS_LABEL (widget))
    json_builder_add_string_value (user_data, gtk_label_get_text (GTK_LABEL (widget)));
  return FALSE;
}

static gboolean
is_focused (GtkWidget *widget, gpointer user_data)
{
  if (AGL_IS_LOCK_ROW (widget) && gtk_widget_has_focus (gtk_widget_get_parent (widget)))
    *(AglLockEntry **)user_data = agl_lock_row_get_entry (AGL_LOCK_ROW (widget));
  return FALSE;
}

static void
on_state (GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
  GtkWidget *window = GTK_WIDGET (gtk_application_get_active_window (user_data));
  GtkWidget *top = GTK_WIDGET (top_window (user_data));
  GObject *pages = gtk_widget_get_template_child (window, AGL_TYPE_WINDOW, "pages");
  GObject *banner = gtk_widget_get_template_child (window, AGL_TYPE_WINDOW, "banner");
  GObject *label = gtk_widget_get_template_child (window, AGL_TYPE_WINDOW, "banner_label");
  g_autoptr (JsonBuilder) json = json_builder_new ();
  g_autoptr (JsonNode) node = NULL;
  g_autofree char *text = NULL;
  AglLockEntry *focused = NULL;

  json_builder_begin_object (json);
  add_text (json, "page", gtk_stack_get_visible_child_name (GTK_STACK (pages)));
  add_text (json, "banner",
            gtk_revealer_get_reveal_child (GTK_REVEALER (banner)) ? gtk_label_get_text (GTK_LABEL (label))
                                                                  : "");
  json_builder_set_member_name (json, "rows");
  json_builder_begin_array (json);
  visit_all (window, add_row, json);
  json_builder_end_array (json);
  json_builder_set_member_name (json, "texts");
  json_builder_begin_array (json);
  visit_all (window, add_label, json);
  json_builder_end_array (json);
  json_builder_set_member_name (json, "dialog");
  json_builder_begin_array (json);
  if (top != window)
    visit_all (top, add_label, json);
  json_builder_end_array (json);
  visit_all (window, is_focused, &focused);
  add_text (json, "focus",
            gtk_window_get_focus (GTK_WINDOW (top)) == NULL
                ? ""
                : G_OBJECT_TYPE_NAME (gtk_window_get_focus (GTK_WINDOW (top))));
  json_builder_set_member_name (json, "focused");
  json_builder_add_int_value (json, focused == NULL ? 0 : (gint64)agl_lock_entry_get_id (focused));
  json_builder_end_object (json);
  node = json_builder_get_root (json);
  text = json_to_string (node, FALSE);
  write_file (g_variant_get_string (parameter, NULL), g_string_new (text));
}

static gboolean
press_if (GtkWidget *widget, gpointer label)
{
  g_auto (GStrv) parts = NULL;
  g_autofree char *shown = NULL;

  if (!GTK_IS_BUTTON (widget) || gtk_button_get_label (GTK_BUTTON (widget)) == NULL)
    return FALSE;
  parts = g_strsplit (gtk_button_get_label (GTK_BUTTON (widget)), "_", -1);
  shown = g_strjoinv ("", parts);
  if (!g_str_equal (shown, label) || !gtk_widget_is_sensitive (widget))
    return FALSE;
  g_signal_emit_by_name (widget, "clicked");
  return TRUE;
}

static void
on_press (GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
  const char *label = g_variant_get_string (parameter, NULL);

  if (!visit_all (GTK_WIDGET (top_window (user_data)), press_if, (gpointer)label))
    g_error ("there is no button “%s” to press", label);
}

typedef struct
{
  const char *title;
  GtkWidget *field;
} Search;

static gboolean
is_titled (GtkWidget *widget, gpointer user_data)
{
  Search *search = user_data;

  if (!ADW_IS_PREFERENCES_ROW (widget)
      || !g_str_equal (adw_preferences_row_get_title (ADW_PREFERENCES_ROW (widget)), search->title))
    return FALSE;
  search->field = widget;
  return TRUE;
}

static void
on_type (GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
  Search search = { NULL };
  const char *text;

  g_variant_get (parameter, "(&s&s)", &search.title, &text);
  visit_all (GTK_WIDGET (top_window (user_data)), is_titled, &search);
  gtk_editable_set_text (GTK_EDITABLE (search.field), text);
}

static void
on_choose (GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
  Search search = { NULL };
  guint position;

  g_variant_get (parameter, "(&su)", &search.title, &position);
  visit_all (GTK_WIDGET (top_window (user_data)), is_titled, &search);
  adw_combo_row_set_selected (ADW_COMBO_ROW (search.field), position);
}

static void
on_search (GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
  GtkWidget *window = GTK_WIDGET (gtk_application_get_active_window (user_data));
  GObject *bar = gtk_widget_get_template_child (window, AGL_TYPE_WINDOW, "search_bar");
  GObject *entry = gtk_widget_get_template_child (window, AGL_TYPE_WINDOW, "search_entry");

  gtk_search_bar_set_search_mode (GTK_SEARCH_BAR (bar), TRUE);
  gtk_editable_set_text (GTK_EDITABLE (entry), g_variant_get_string (parameter, NULL));
}

static void
on_clipboard_read (GObject *source, GAsyncResult *result, gpointer path)
{
  g_autofree char *text = gdk_clipboard_read_text_finish (GDK_CLIPBOARD (source), result, NULL);

  write_file (path, g_string_new (text));
  g_free (path);
}

static void
on_clipboard (GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
  GtkWidget *window = GTK_WIDGET (gtk_application_get_active_window (user_data));

  gdk_clipboard_read_text_async (gtk_widget_get_clipboard (window), NULL, on_clipboard_read,
                                 g_variant_dup_string (parameter, NULL));
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
  GtkWidget *window = GTK_WIDGET (gtk_application_get_active_window (user_data));
  GtkWidget *open = NULL;

  if (visit_all (window, is_popover, &open))
    gtk_popover_popdown (GTK_POPOVER (open));
  if (g_variant_get_uint64 (parameter) != 0)
    open_menu_of (window, g_variant_get_uint64 (parameter));
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

/* --- all --- */

static void
on_close (GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
  gtk_window_close (gtk_application_get_active_window (user_data));
}

static gboolean
use_if (GtkWidget *widget, gpointer name)
{
  if (!g_str_equal (gtk_widget_get_name (widget), name))
    return FALSE;
  if (GTK_IS_SWITCH (widget))
    gtk_switch_set_active (GTK_SWITCH (widget), !gtk_switch_get_active (GTK_SWITCH (widget)));
  else
    g_signal_emit_by_name (widget, "clicked");
  return TRUE;
}

static void
on_use (GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
  const char *name = g_variant_get_string (parameter, NULL);

  if (!visit_all (GTK_WIDGET (top_window (user_data)), use_if, (gpointer)name))
    g_error ("there is no widget “%s” to use", name);
}

static const GActionEntry hooks[] = {
  { "test-idle", on_idle, "s" },
  { "test-sync", on_sync, "s" },
  { "test-search", on_search, "s" },
  { "test-clipboard", on_clipboard, "s" },
  { "test-state", on_state, "s" },
  { "test-press", on_press, "s" },
  { "test-type", on_type, "(ss)" },
  { "test-choose", on_choose, "(su)" },
  { "test-picture", on_picture, "s" },
  { "test-rows", on_rows, "s" },
  { "test-direction", on_direction, "b" },
  { "test-size", on_size, "(ii)" },
  { "test-menu", on_menu, "t" },
  { "test-frames", on_frames, "s" },
  { "test-close", on_close },
  { "test-use", on_use, "s" },
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
