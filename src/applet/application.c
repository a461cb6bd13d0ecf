/* SPDX-License-Identifier: MIT */
#include "applet/application.h"

#include <glib/gi18n.h>

#include "applet/window.h"
#include "config.h"

struct _AglApplication
{
  AdwApplication parent_instance;
  AglWhere where;
  gboolean background; /* --background */
  gboolean held;       /* in the background, until the window is shown */
  AglLockModel *model;
  AglServiceLink *link;
};

G_DEFINE_FINAL_TYPE (AglApplication, agl_application, ADW_TYPE_APPLICATION)

void
agl_application_show (AglApplication *self)
{
  GtkWindow *window = gtk_application_get_active_window (GTK_APPLICATION (self));

  if (window == NULL)
    window = GTK_WINDOW (agl_window_new (self));
  gtk_window_present (window);
  if (self->held)
    g_application_release (G_APPLICATION (self));
  self->held = FALSE;
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
  GtkWindow *window;

  agl_application_show (user_data);
  window = gtk_application_get_active_window (user_data);
  if (AGL_IS_WINDOW (window))
    agl_window_show_lock (AGL_WINDOW (window), g_variant_get_uint64 (parameter));
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
  { "app.quit", { "<Control>q" } },
  { "win.claim", { "<Control>n" } },
  { "win.search", { "<Control>f" } },
  { "window.close", { "<Control>w" } },
};

static void
agl_application_startup (GApplication *application)
{
  AglApplication *self = AGL_APPLICATION (application);

  G_APPLICATION_CLASS (agl_application_parent_class)->startup (application);
  g_action_map_add_action_entries (G_ACTION_MAP (self), actions, G_N_ELEMENTS (actions), self);
  for (gsize i = 0; i < G_N_ELEMENTS (accelerators); i++)
    gtk_application_set_accels_for_action (GTK_APPLICATION (self), accelerators[i].action,
                                           accelerators[i].keys);
  self->model = agl_lock_model_new ();
  self->link = agl_service_link_new (&self->where, self->model);
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
      self->held = TRUE;
      g_application_hold (application);
    }
  else
    agl_application_show (self);
}

static void
agl_application_shutdown (GApplication *application)
{
  AglApplication *self = AGL_APPLICATION (application);

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

static void
agl_application_finalize (GObject *object)
{
  AglApplication *self = AGL_APPLICATION (object);

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
