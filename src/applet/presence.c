/* SPDX-License-Identifier: MIT */
#include "applet/presence.h"

#include <glib/gi18n.h>

struct _AglPresence
{
  GObject parent_instance;
  AglApplication *application; /* borrowed; NULL: closed */
  AglChoices *choices;
  AglTray *tray;          /* NULL: not wanted */
  gboolean is_forced;     /* --background */
  gboolean starts_hidden; /* and nobody has seen a window yet */
  gboolean was_shown;     /* in the tray */
  gboolean is_held;
  gboolean has_told; /* the log */
  gboolean hint;
};

G_DEFINE_FINAL_TYPE (AglPresence, agl_presence, G_TYPE_OBJECT)

enum
{
  PROP_HINT = 1,
  N_PROPERTIES
};
static GParamSpec *properties[N_PROPERTIES];

static void
hold (AglPresence *self, gboolean held)
{
  if (self->is_held == held)
    return;
  self->is_held = held;
  if (held)
    g_application_hold (G_APPLICATION (self->application));
  else
    g_application_release (G_APPLICATION (self->application));
}

static void
update_hint (AglPresence *self)
{
  gboolean hint = self->tray != NULL && agl_tray_get_state (self->tray) == AGL_TRAY_NONE
                  && agl_choices_get (self->choices, "tray-hint");

  if (hint == self->hint)
    return;
  self->hint = hint;
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_HINT]);
}

static void
tell_log (AglPresence *self)
{
  if (self->has_told)
    return;
  self->has_told = TRUE;
  g_message ("There is no tray here (no StatusNotifierWatcher with a host): the applet stays a window.");
}

/* Nobody sees the applet any more, and nobody has closed it. */
static void
come_out (AglPresence *self)
{
  gboolean is_unseen = self->starts_hidden || self->was_shown;

  self->starts_hidden = FALSE;
  self->was_shown = FALSE;
  if (is_unseen && gtk_application_get_windows (GTK_APPLICATION (self->application)) == NULL)
    agl_application_show (self->application);
}

static void
on_tray_state (AglPresence *self)
{
  switch (agl_tray_get_state (self->tray))
    {
    case AGL_TRAY_ASKING: /* what was, stays for the moment */
      hold (self, self->is_held || self->starts_hidden);
      break;
    case AGL_TRAY_SHOWN:
      self->was_shown = TRUE;
      self->starts_hidden = FALSE;
      hold (self, TRUE);
      break;
    case AGL_TRAY_NONE:
      tell_log (self);
      come_out (self);
      hold (self, FALSE);
      break;
    }
  update_hint (self);
}

static void
on_repository_found (AglPresence *self)
{
  if (self->tray != NULL)
    agl_tray_refresh (self->tray);
}

static void
close_tray (AglPresence *self)
{
  if (self->tray == NULL)
    return;
  g_signal_handlers_disconnect_by_data (self->tray, self);
  agl_tray_close (self->tray);
  g_clear_object (&self->tray);
}

/* As it was chosen. */
static void
settle (AglPresence *self)
{
  GApplication *application = G_APPLICATION (self->application);

  if (agl_choices_get (self->choices, "background") || self->is_forced)
    {
      if (self->tray == NULL)
        {
          self->tray = agl_tray_new (
              g_application_get_dbus_connection (application), agl_application_get_link (self->application),
              self->choices, G_ACTION_GROUP (application), gtk_get_locale_direction () == GTK_TEXT_DIR_RTL);
          g_signal_connect_swapped (self->tray, "notify::state", G_CALLBACK (on_tray_state), self);
        }
      on_tray_state (self);
      return;
    }
  close_tray (self);
  come_out (self);
  hold (self, FALSE);
  update_hint (self);
}

/* Who chooses now, chooses for now. */
static void
on_background_chosen (AglPresence *self)
{
  self->is_forced = FALSE;
  settle (self);
}

void
agl_presence_start_hidden (AglPresence *self)
{
  g_return_if_fail (AGL_IS_PRESENCE (self));

  self->is_forced = TRUE;
  self->starts_hidden = TRUE;
  settle (self);
}

char *
agl_presence_take_token (AglPresence *self)
{
  g_return_val_if_fail (AGL_IS_PRESENCE (self), NULL);
  return self->tray != NULL ? agl_tray_take_token (self->tray) : NULL;
}

gboolean
agl_presence_get_hint (AglPresence *self)
{
  g_return_val_if_fail (AGL_IS_PRESENCE (self), FALSE);
  return self->hint;
}

void
agl_presence_dismiss_hint (AglPresence *self)
{
  g_return_if_fail (AGL_IS_PRESENCE (self));
  g_object_set (self->choices, "tray-hint", FALSE, NULL);
}

AglPresence *
agl_presence_new (AglApplication *application, AglChoices *choices)
{
  AglPresence *self = g_object_new (AGL_TYPE_PRESENCE, NULL);

  self->application = application;
  self->choices = g_object_ref (choices);
  g_signal_connect_object (choices, "notify::background", G_CALLBACK (on_background_chosen), self,
                           G_CONNECT_SWAPPED);
  g_signal_connect_object (choices, "notify::tray-hint", G_CALLBACK (update_hint), self, G_CONNECT_SWAPPED);
  g_signal_connect_object (agl_application_get_repositories (application), "found",
                           G_CALLBACK (on_repository_found), self, G_CONNECT_SWAPPED);
  settle (self);
  return self;
}

void
agl_presence_close (AglPresence *self)
{
  g_return_if_fail (AGL_IS_PRESENCE (self));

  if (self->application == NULL)
    return;
  g_signal_handlers_disconnect_by_data (self->choices, self);
  close_tray (self);
  hold (self, FALSE);
  self->application = NULL;
}

/* --- GObject --- */

static void
agl_presence_get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  if (id == PROP_HINT)
    g_value_set_boolean (value, AGL_PRESENCE (object)->hint);
  else
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
}

static void
agl_presence_finalize (GObject *object)
{
  AglPresence *self = AGL_PRESENCE (object);

  close_tray (self);
  g_object_unref (self->choices);
  G_OBJECT_CLASS (agl_presence_parent_class)->finalize (object);
}

static void
agl_presence_class_init (AglPresenceClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->get_property = agl_presence_get_property;
  object_class->finalize = agl_presence_finalize;
  properties[PROP_HINT] =
      g_param_spec_boolean ("hint", NULL, NULL, FALSE, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
  g_object_class_install_properties (object_class, N_PROPERTIES, properties);
}

static void
agl_presence_init (AglPresence *self)
{
}
