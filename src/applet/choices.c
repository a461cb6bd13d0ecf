/* SPDX-License-Identifier: MIT */
#include "applet/choices.h"

typedef enum
{
  NOTIFY_RELEASED,
  NOTIFY_TAKEN,
  NOTIFY_LEFT,
  NOTIFY_GRANTED,
  WATCH_ALL,
  BACKGROUND,
  GROUP_BY_REPOSITORY,
  TRAY_HINT,
  N_SWITCHES
} Switch;

/* The schema says the same; these hold without it. */
static const struct
{
  const char *name;
  gboolean is_on;
} switches[N_SWITCHES] = {
  [NOTIFY_RELEASED] = { "notify-released", TRUE },
  [NOTIFY_TAKEN] = { "notify-taken", TRUE },
  [NOTIFY_LEFT] = { "notify-left", TRUE },
  [NOTIFY_GRANTED] = { "notify-granted", TRUE },
  [WATCH_ALL] = { "watch-all", FALSE },
  [BACKGROUND] = { "background", TRUE },
  [GROUP_BY_REPOSITORY] = { "group-by-repository", TRUE },
  [TRAY_HINT] = { "tray-hint", TRUE },
};

struct _AglChoices
{
  GObject parent_instance;
  GSettings *settings; /* NULL: no schema */
  gboolean is_on[N_SWITCHES];
  char **watched;
};

G_DEFINE_FINAL_TYPE (AglChoices, agl_choices, G_TYPE_OBJECT)

enum
{
  PROP_FIRST_SWITCH = 1,
  PROP_WATCHED = PROP_FIRST_SWITCH + N_SWITCHES,
  N_PROPERTIES
};
static GParamSpec *properties[N_PROPERTIES];

gboolean
agl_choices_get (AglChoices *self, const char *name)
{
  g_return_val_if_fail (AGL_IS_CHOICES (self), FALSE);

  for (guint i = 0; i < N_SWITCHES; i++)
    if (g_str_equal (switches[i].name, name))
      return self->is_on[i];
  g_return_val_if_reached (FALSE);
}

gboolean
agl_choices_get_watched (AglChoices *self, const char *directory)
{
  g_return_val_if_fail (AGL_IS_CHOICES (self), FALSE);
  return g_strv_contains ((const char *const *)self->watched, directory);
}

gboolean
agl_choices_watches (AglChoices *self, const char *directory)
{
  g_return_val_if_fail (AGL_IS_CHOICES (self), FALSE);
  return self->is_on[WATCH_ALL] || agl_choices_get_watched (self, directory);
}

static void
take_watched (AglChoices *self, char **watched)
{
  g_strfreev (self->watched);
  self->watched = watched;
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_WATCHED]);
}

void
agl_choices_set_watched (AglChoices *self, const char *directory, gboolean watched)
{
  g_autoptr (GPtrArray) list = g_ptr_array_new ();

  g_return_if_fail (AGL_IS_CHOICES (self));

  if (agl_choices_get_watched (self, directory) == watched)
    return;
  for (char **one = self->watched; *one != NULL; one++)
    if (!g_str_equal (*one, directory))
      g_ptr_array_add (list, g_strdup (*one));
  if (watched)
    g_ptr_array_add (list, g_strdup (directory));
  g_ptr_array_add (list, NULL);
  take_watched (self, (char **)g_ptr_array_steal (list, NULL));
}

/* g_settings_new() ends the program where there is no schema: one that was not installed, or not compiled. */
static GSettings *
open_settings (void)
{
  GSettingsSchemaSource *source = g_settings_schema_source_get_default ();
  g_autoptr (GSettingsSchema) schema = NULL;

  if (source != NULL)
    schema = g_settings_schema_source_lookup (source, AGL_CHOICES_SCHEMA, TRUE);
  if (schema != NULL)
    return g_settings_new_full (schema, NULL, NULL);
  g_message ("The settings schema " AGL_CHOICES_SCHEMA " is not installed: the defaults hold.");
  return NULL;
}

/* Of another version's schema only what it has. */
static void
bind_settings (AglChoices *self)
{
  g_autoptr (GSettingsSchema) schema = NULL;

  g_object_get (self->settings, "settings-schema", &schema, NULL);
  for (guint i = PROP_FIRST_SWITCH; i < N_PROPERTIES; i++)
    if (g_settings_schema_has_key (schema, properties[i]->name))
      g_settings_bind (self->settings, properties[i]->name, self, properties[i]->name,
                       G_SETTINGS_BIND_DEFAULT);
}

AglChoices *
agl_choices_new (void)
{
  AglChoices *self = g_object_new (AGL_TYPE_CHOICES, NULL);

  self->settings = open_settings ();
  if (self->settings != NULL)
    bind_settings (self);
  return self;
}

/* --- GObject --- */

static void
agl_choices_get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  AglChoices *self = AGL_CHOICES (object);

  if (id >= PROP_FIRST_SWITCH && id < PROP_WATCHED)
    g_value_set_boolean (value, self->is_on[id - PROP_FIRST_SWITCH]);
  else if (id == PROP_WATCHED)
    g_value_set_boxed (value, self->watched);
  else
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
}

static void
agl_choices_set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  AglChoices *self = AGL_CHOICES (object);

  if (id >= PROP_FIRST_SWITCH && id < PROP_WATCHED)
    {
      if (self->is_on[id - PROP_FIRST_SWITCH] == g_value_get_boolean (value))
        return;
      self->is_on[id - PROP_FIRST_SWITCH] = g_value_get_boolean (value);
      g_object_notify_by_pspec (object, pspec);
    }
  else if (id == PROP_WATCHED)
    {
      char **watched = g_value_get_boxed (value) != NULL ? g_value_dup_boxed (value) : g_new0 (char *, 1);

      take_watched (self, watched);
    }
  else
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
}

static void
agl_choices_finalize (GObject *object)
{
  AglChoices *self = AGL_CHOICES (object);

  /* Bindings end with this object; what was written last is on its way. */
  g_clear_object (&self->settings);
  g_strfreev (self->watched);
  G_OBJECT_CLASS (agl_choices_parent_class)->finalize (object);
}

static void
agl_choices_class_init (AglChoicesClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY;

  object_class->get_property = agl_choices_get_property;
  object_class->set_property = agl_choices_set_property;
  object_class->finalize = agl_choices_finalize;
  for (guint i = 0; i < N_SWITCHES; i++)
    properties[PROP_FIRST_SWITCH + i] =
        g_param_spec_boolean (switches[i].name, NULL, NULL, switches[i].is_on, flags);
  properties[PROP_WATCHED] = g_param_spec_boxed ("watched", NULL, NULL, G_TYPE_STRV, flags);
  g_object_class_install_properties (object_class, N_PROPERTIES, properties);
}

static void
agl_choices_init (AglChoices *self)
{
  for (guint i = 0; i < N_SWITCHES; i++)
    self->is_on[i] = switches[i].is_on;
  self->watched = g_new0 (char *, 1);
}
