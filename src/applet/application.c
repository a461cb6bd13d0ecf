/* SPDX-License-Identifier: MIT */
#include "applet/application.h"

#include <glib/gi18n.h>

#include "applet/notifier.h"
#include "applet/preferences.h"
#include "applet/presence.h"
#include "applet/tray-hint.h"
#include "applet/window.h"
#include "config.h"

struct _AglApplication
{
  AdwApplication parent_instance;
  AglWhere where;
  gboolean background; /* --background */
  AglLockModel *model;
  AglServiceLink *link;
  AglRepositoryFinder *repositories;
  AglChoices *choices;
  AglNotifier *notifier;
  AglNotices *notices;
  AglPresence *presence;
  GtkWindow *preferences; /* NULL: closed */
};

G_DEFINE_FINAL_TYPE (AglApplication, agl_application, ADW_TYPE_APPLICATION)

/* The one with the rows: others may be before it. */
static AglWindow *
ensure_window (AglApplication *self)
{
  GList *windows = gtk_application_get_windows (GTK_APPLICATION (self));
  AglWindow *window;

  for (GList *link = windows; link != NULL; link = link->next)
    if (AGL_IS_WINDOW (link->data))
      return link->data;
  window = agl_window_new (self);
  agl_window_add_line (window, agl_tray_hint_new (self->presence));
  return window;
}

void
agl_application_show (AglApplication *self)
{
  GtkWindow *window = GTK_WINDOW (ensure_window (self));
  g_autofree char *token = agl_presence_take_token (self->presence);

  if (token != NULL)
    gtk_window_set_startup_id (window, token);
  gtk_window_present (window);
}

/* --- actions --- */

static void
on_quit (GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
  g_application_quit (G_APPLICATION (user_data));
}

static void
on_show (GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
  agl_application_show (user_data);
}

static void
on_show_lock (GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
  agl_application_show (user_data);
  agl_window_show_lock (ensure_window (user_data), g_variant_get_uint64 (parameter));
}

static void
on_claim (GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
  agl_application_show (user_data);
  g_action_group_activate_action (G_ACTION_GROUP (ensure_window (user_data)), "claim", NULL);
}

static void
on_preferences (GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
  AglApplication *self = user_data;

  agl_application_show (self);
  if (self->preferences == NULL)
    {
      AglPreferences *window = agl_preferences_new (GTK_WINDOW (ensure_window (self)), self->choices);

      g_set_weak_pointer (&self->preferences, GTK_WINDOW (window));
    }
  gtk_window_present (self->preferences);
}

static void
on_watch (GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
  const char *directory;
  gboolean watched;

  g_variant_get (parameter, "(&sb)", &directory, &watched);
  agl_choices_set_watched (AGL_APPLICATION (user_data)->choices, directory, watched);
}

static void
on_about (GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
  GtkWindow *window = gtk_application_get_active_window (user_data);

  adw_show_about_window (window, "application-name", _ ("Directory Locks"), "application-icon",
                         AGL_APPLICATION_ID, "version", AGL_VERSION, "license-type", GTK_LICENSE_MIT_X11,
                         "comments", _ ("Which directories coding agents work in"),
                         /* Translators: put your names here, one a line */
                         "translator-credits", _ ("translator-credits"), NULL);
}

static const GActionEntry actions[] = {
  { "quit", on_quit },
  { "show", on_show },
  { "show-lock", on_show_lock, "t" },
  { "claim", on_claim },
  { "preferences", on_preferences },
  { "watch", on_watch, "(sb)" },
  { "about", on_about },
};

/* --- the command line --- */

static const GOptionEntry option_entries[] = {
  { "system", 0, 0, G_OPTION_ARG_NONE, NULL, N_ ("Follow the service of this machine"), NULL },
  { "user", 0, 0, G_OPTION_ARG_NONE, NULL, N_ ("Follow the service of this user"), NULL },
  { "address", 0, 0, G_OPTION_ARG_STRING, NULL, N_ ("Follow the service at this D-Bus address"),
    N_ ("ADDRESS") },
  { "background", 0, 0, G_OPTION_ARG_NONE, NULL, N_ ("Show no window yet"), NULL },
  { "version", 0, 0, G_OPTION_ARG_NONE, NULL, N_ ("Print the version and exit"), NULL },
  { NULL },
};

static int
refuse (const char *message)
{
  g_printerr ("agentctl-locks-applet: %s\n", message);
  return 64; /* as agentctl-locks does, sysexits(3) */
}

static int
agl_application_handle_local_options (GApplication *application, GVariantDict *options)
{
  AglApplication *self = AGL_APPLICATION (application);
  g_autoptr (GError) error = NULL;
  int n_given;

  if (g_variant_dict_contains (options, "version"))
    {
      g_print ("agentctl-locks-applet %s\n", AGL_VERSION);
      return 0;
    }
  self->where.system = g_variant_dict_contains (options, "system");
  self->where.user = g_variant_dict_contains (options, "user");
  self->background = g_variant_dict_contains (options, "background");
  g_variant_dict_lookup (options, "address", "s", &self->where.address);
  n_given = self->where.system + self->where.user + (self->where.address != NULL);
  if (n_given > 1)
    return refuse (_ ("of --system, --user and --address only one can be given"));
  if (!g_application_register (application, NULL, &error))
    return refuse (error->message);
  if (n_given > 0 && g_application_get_is_remote (application))
    return refuse (_ ("the applet runs already; quit it first to follow another service"));
  return -1;
}

/* --- GApplication --- */

static const struct
{
  const char *action;
  const char *keys[2];
} accelerators[] = {
  { "app.quit", { "<Control>q" } },     { "app.preferences", { "<Control>comma" } },
  { "win.claim", { "<Control>n" } },    { "win.search", { "<Control>f" } },
  { "window.close", { "<Control>w" } },
};

static void
agl_application_startup (GApplication *application)
{
  AglApplication *self = AGL_APPLICATION (application);

  G_APPLICATION_CLASS (agl_application_parent_class)->startup (application);
  gtk_window_set_default_icon_name (AGL_APPLICATION_ID);
  g_action_map_add_action_entries (G_ACTION_MAP (self), actions, G_N_ELEMENTS (actions), self);
  for (gsize i = 0; i < G_N_ELEMENTS (accelerators); i++)
    gtk_application_set_accels_for_action (GTK_APPLICATION (self), accelerators[i].action,
                                           accelerators[i].keys);
  self->model = agl_lock_model_new ();
  self->link = agl_service_link_new (&self->where, self->model);
  self->repositories = agl_repository_finder_new (self->model);
  self->choices = agl_choices_new ();
  self->notifier = agl_notifier_new (application);
  self->notices = agl_notices_new (self->model, self->choices, &agl_notifier_outlet, self->notifier);
  self->presence = agl_presence_new (self, self->choices);
  agl_service_link_open (self->link);
}

static void
agl_application_activate (GApplication *application)
{
  AglApplication *self = AGL_APPLICATION (application);

  /* Once: whoever starts the applet again wants to see it. */
  if (self->background)
    {
      self->background = FALSE;
      agl_presence_start_hidden (self->presence);
    }
  else
    agl_application_show (self);
}

static void
agl_application_shutdown (GApplication *application)
{
  AglApplication *self = AGL_APPLICATION (application);

  /* Nobody looks from here on: what stands could not be taken back. */
  if (self->notices != NULL)
    agl_notices_withdraw_all (self->notices);
  g_clear_object (&self->notices);
  g_clear_pointer (&self->notifier, agl_notifier_free);
  if (self->presence != NULL)
    agl_presence_close (self->presence);
  if (self->link != NULL)
    agl_service_link_close (self->link);
  G_APPLICATION_CLASS (agl_application_parent_class)->shutdown (application);
}

/* --- for others --- */

AglApplication *
agl_application_new (void)
{
  return g_object_new (AGL_TYPE_APPLICATION, "application-id", AGL_APPLICATION_ID, NULL);
}

AglServiceLink *
agl_application_get_link (AglApplication *self)
{
  g_return_val_if_fail (AGL_IS_APPLICATION (self), NULL);
  return self->link;
}

AglLockModel *
agl_application_get_model (AglApplication *self)
{
  g_return_val_if_fail (AGL_IS_APPLICATION (self), NULL);
  return self->model;
}

AglChoices *
agl_application_get_choices (AglApplication *self)
{
  g_return_val_if_fail (AGL_IS_APPLICATION (self), NULL);
  return self->choices;
}

AglRepositoryFinder *
agl_application_get_repositories (AglApplication *self)
{
  g_return_val_if_fail (AGL_IS_APPLICATION (self), NULL);
  return self->repositories;
}

static void
agl_application_finalize (GObject *object)
{
  AglApplication *self = AGL_APPLICATION (object);

  g_clear_weak_pointer (&self->preferences);
  g_clear_object (&self->presence);
  g_clear_object (&self->choices);
  g_clear_object (&self->repositories);
  g_clear_object (&self->link);
  g_clear_object (&self->model);
  g_free (self->where.address);
  G_OBJECT_CLASS (agl_application_parent_class)->finalize (object);
}

static void
agl_application_class_init (AglApplicationClass *klass)
{
  GApplicationClass *application_class = G_APPLICATION_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = agl_application_finalize;
  application_class->handle_local_options = agl_application_handle_local_options;
  application_class->startup = agl_application_startup;
  application_class->activate = agl_application_activate;
  application_class->shutdown = agl_application_shutdown;
}

static void
agl_application_init (AglApplication *self)
{
  g_application_add_main_option_entries (G_APPLICATION (self), option_entries);
}
