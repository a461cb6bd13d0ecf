/* SPDX-License-Identifier: MIT */
#include "applet/preferences.h"

#include <glib/gi18n.h>

#include "applet/autostart.h"
#include "client/place.h"

struct _AglPreferences
{
  AdwPreferencesWindow parent_instance;
  AglChoices *choices;
  AdwPreferencesGroup *watched;
  GPtrArray *watched_rows; /* borrowed from the group */
};

G_DEFINE_FINAL_TYPE (AglPreferences, agl_preferences, ADW_TYPE_PREFERENCES_WINDOW)

/* What each switch is for; titles without a subtitle say it all. */
typedef struct
{
  const char *choice, *title, *subtitle;
} SwitchText;

static const SwitchText notification_texts[] = {
  { "notify-released", N_ ("A Lock Has Ended"), N_ ("Released, its process has ended, or its time was up") },
  { "notify-taken", N_ ("A Lock Was Taken Away"), N_ ("Taken over by another, or released by force") },
  { "notify-left", N_ ("An Agent Has Left Its Directory"), NULL },
  { "notify-granted", N_ ("A Wait Is Over"), N_ ("Who has waited for a directory has it now") },
};
static const SwitchText watch_texts[] = {
  { "watch-all", N_ ("Watch Every Directory"), N_ ("Else only those that are switched on in the window") },
};
static const SwitchText window_texts[] = {
  { "group-by-repository", N_ ("Group by Repository"), N_ ("Worktrees of one repository side by side") },
};
static const SwitchText background_texts[] = {
  { "background", N_ ("Run in the Background"),
    N_ ("Stays in the tray when the window is closed, where the desktop has one") },
};

/* --- rows --- */

static GtkWidget *
make_switch_row (const char *title, const char *subtitle, GtkSwitch **button)
{
  GtkWidget *row = adw_action_row_new ();
  GtkWidget *widget = gtk_switch_new ();

  adw_preferences_row_set_title (ADW_PREFERENCES_ROW (row), title);
  if (subtitle != NULL)
    adw_action_row_set_subtitle (ADW_ACTION_ROW (row), subtitle);
  gtk_widget_set_valign (widget, GTK_ALIGN_CENTER);
  adw_action_row_add_suffix (ADW_ACTION_ROW (row), widget);
  adw_action_row_set_activatable_widget (ADW_ACTION_ROW (row), widget);
  *button = GTK_SWITCH (widget);
  return row;
}

static void
add_switches (AglPreferences *self, AdwPreferencesGroup *group, const SwitchText *texts, gsize n)
{
  for (gsize i = 0; i < n; i++)
    {
      const char *subtitle = texts[i].subtitle != NULL ? _ (texts[i].subtitle) : NULL;
      GtkSwitch *button;
      GtkWidget *row = make_switch_row (_ (texts[i].title), subtitle, &button);

      gtk_widget_set_name (GTK_WIDGET (button), texts[i].choice);
      g_object_bind_property (self->choices, texts[i].choice, button, "active",
                              G_BINDING_BIDIRECTIONAL | G_BINDING_SYNC_CREATE);
      adw_preferences_group_add (group, row);
    }
}

/* --- start at login --- */

static void
on_login_switched (GtkSwitch *button, GParamSpec *pspec, AglPreferences *self)
{
  g_autoptr (GError) error = NULL;
  gboolean wanted = gtk_switch_get_active (button);

  if (wanted == agl_autostart_is_on ())
    return;
  if (agl_autostart_set (wanted, &error))
    return;
  adw_preferences_window_add_toast (ADW_PREFERENCES_WINDOW (self), adw_toast_new (error->message));
  gtk_switch_set_active (button, !wanted);
}

static void
add_login (AglPreferences *self, AdwPreferencesGroup *group)
{
  GtkSwitch *button;
  GtkWidget *row = make_switch_row (_ ("Start at Login"), _ ("In the background"), &button);

  gtk_switch_set_active (button, agl_autostart_is_on ());
  gtk_widget_set_name (GTK_WIDGET (button), "start-at-login");
  g_signal_connect_object (button, "notify::active", G_CALLBACK (on_login_switched), self, 0);
  adw_preferences_group_add (group, row);
}

/* --- watched directories --- */

static void
on_unwatch (GtkButton *button, AglPreferences *self)
{
  agl_choices_set_watched (self->choices, g_object_get_data (G_OBJECT (button), "directory"), FALSE);
}

static GtkWidget *
make_watched_row (AglPreferences *self, const char *directory)
{
  GtkWidget *row = adw_action_row_new ();
  GtkWidget *button = gtk_button_new_from_icon_name ("user-trash-symbolic");
  g_autofree char *display = agl_place_display (directory, g_get_home_dir ());
  g_autofree char *title = g_markup_escape_text (display, -1);
  /* Translators: of a button; %s is a directory */
  g_autofree char *label = g_strdup_printf (_ ("Stop watching %s"), display);

  adw_preferences_row_set_title (ADW_PREFERENCES_ROW (row), title);
  adw_action_row_set_title_lines (ADW_ACTION_ROW (row), 1);
  gtk_widget_set_tooltip_text (row, display);
  gtk_widget_set_valign (button, GTK_ALIGN_CENTER);
  gtk_widget_add_css_class (button, "flat");
  gtk_widget_set_tooltip_text (button, _ ("Stop watching"));
  gtk_accessible_update_property (GTK_ACCESSIBLE (button), GTK_ACCESSIBLE_PROPERTY_LABEL, label, -1);
  g_object_set_data_full (G_OBJECT (button), "directory", g_strdup (directory), g_free);
  g_signal_connect_object (button, "clicked", G_CALLBACK (on_unwatch), self, 0);
  adw_action_row_add_suffix (ADW_ACTION_ROW (row), button);
  return row;
}

static void
show_watched (AglPreferences *self)
{
  g_auto (GStrv) watched = NULL;

  for (guint i = 0; i < self->watched_rows->len; i++)
    adw_preferences_group_remove (self->watched, self->watched_rows->pdata[i]);
  g_ptr_array_set_size (self->watched_rows, 0);
  g_object_get (self->choices, "watched", &watched, NULL);
  for (char **one = watched; *one != NULL; one++)
    {
      GtkWidget *row = make_watched_row (self, *one);

      adw_preferences_group_add (self->watched, row);
      g_ptr_array_add (self->watched_rows, row);
    }
  gtk_widget_set_visible (GTK_WIDGET (self->watched), self->watched_rows->len > 0);
}

/* --- the window --- */

static AdwPreferencesGroup *
add_group (AdwPreferencesPage *page, const char *title, const char *description)
{
  GtkWidget *group = adw_preferences_group_new ();

  adw_preferences_group_set_title (ADW_PREFERENCES_GROUP (group), title);
  if (description != NULL)
    adw_preferences_group_set_description (ADW_PREFERENCES_GROUP (group), description);
  adw_preferences_page_add (page, ADW_PREFERENCES_GROUP (group));
  return ADW_PREFERENCES_GROUP (group);
}

static void
fill (AglPreferences *self)
{
  AdwPreferencesPage *page = ADW_PREFERENCES_PAGE (adw_preferences_page_new ());
  AdwPreferencesGroup *group;

  group = add_group (page, _ ("Notifications"), _ ("About the directories that you watch"));
  add_switches (self, group, notification_texts, G_N_ELEMENTS (notification_texts));
  group = add_group (page, _ ("Watching"), NULL);
  add_switches (self, group, watch_texts, G_N_ELEMENTS (watch_texts));
  self->watched = add_group (page, _ ("Watched Directories"), NULL);
  group = add_group (page, _ ("Window"), NULL);
  add_switches (self, group, window_texts, G_N_ELEMENTS (window_texts));
  group = add_group (page, _ ("Background"), NULL);
  add_switches (self, group, background_texts, G_N_ELEMENTS (background_texts));
  add_login (self, group);
  adw_preferences_window_add (ADW_PREFERENCES_WINDOW (self), page);
  g_signal_connect_object (self->choices, "notify::watched", G_CALLBACK (show_watched), self,
                           G_CONNECT_SWAPPED);
  show_watched (self);
}

AglPreferences *
agl_preferences_new (GtkWindow *parent, AglChoices *choices)
{
  AglPreferences *self = g_object_new (AGL_TYPE_PREFERENCES, "transient-for", parent, "search-enabled", FALSE,
                                       "title", _ ("Preferences"), NULL);

  self->choices = g_object_ref (choices);
  fill (self);
  return self;
}

static void
agl_preferences_dispose (GObject *object)
{
  AglPreferences *self = AGL_PREFERENCES (object);

  if (self->choices != NULL)
    g_signal_handlers_disconnect_by_data (self->choices, self);
  g_clear_object (&self->choices);
  G_OBJECT_CLASS (agl_preferences_parent_class)->dispose (object);
}

static void
agl_preferences_finalize (GObject *object)
{
  g_ptr_array_unref (AGL_PREFERENCES (object)->watched_rows);
  G_OBJECT_CLASS (agl_preferences_parent_class)->finalize (object);
}

static void
agl_preferences_class_init (AglPreferencesClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = agl_preferences_dispose;
  G_OBJECT_CLASS (klass)->finalize = agl_preferences_finalize;
}

static void
agl_preferences_init (AglPreferences *self)
{
  self->watched_rows = g_ptr_array_new ();
}
