/* SPDX-License-Identifier: MIT */
#include "applet/menu-server.h"

#include "applet/agl-dbusmenu.h"
#include "applet/menu-layout.h"

#define VERSION    3
#define ERROR_NAME "com.canonical.dbusmenu.NoSuchItem"

struct _AglMenuServer
{
  GObject parent_instance;
  GActionGroup *actions;
  AglTrayBusMenu *skeleton;
  AglMenuLayout *layout;
  guint revision;
};

G_DEFINE_FINAL_TYPE (AglMenuServer, agl_menu_server, G_TYPE_OBJECT)

enum
{
  SIGNAL_ABOUT_TO_SHOW,
  N_SIGNALS
};
static guint signals[N_SIGNALS];

void
agl_menu_server_set_menu (AglMenuServer *self, GMenuModel *menu)
{
  g_autoptr (AglMenuLayout) earlier = NULL;

  g_return_if_fail (AGL_IS_MENU_SERVER (self));

  earlier = g_steal_pointer (&self->layout);
  self->layout = agl_menu_layout_new (menu, earlier);
  if (agl_menu_layout_equal (self->layout, earlier))
    return;
  self->revision++;
  agl_tray_bus_menu_emit_layout_updated (self->skeleton, self->revision, 0);
}

/* --- calls --- */

static void
refuse (GDBusMethodInvocation *call, gint32 id)
{
  g_autofree char *message = g_strdup_printf ("The menu has no item %d (any more).", id);

  g_dbus_method_invocation_return_dbus_error (call, ERROR_NAME, message);
}

static gboolean
on_get_layout (AglTrayBusMenu *skeleton,
               GDBusMethodInvocation *call,
               gint32 parent,
               gint32 depth,
               const char *const *names,
               AglMenuServer *self)
{
  GVariant *layout = agl_menu_layout_describe (self->layout, parent, depth, names);

  if (layout == NULL)
    refuse (call, parent);
  else
    agl_tray_bus_menu_complete_get_layout (skeleton, call, self->revision, layout);
  return TRUE;
}

static gboolean
on_get_group_properties (AglTrayBusMenu *skeleton,
                         GDBusMethodInvocation *call,
                         GVariant *ids,
                         const char *const *names,
                         AglMenuServer *self)
{
  g_autoptr (GArray) all = agl_menu_layout_ids (self->layout);
  const gint32 *wanted;
  GVariantBuilder found;
  gsize n;

  wanted = g_variant_get_fixed_array (ids, &n, sizeof *wanted);
  if (n == 0)
    {
      wanted = (const gint32 *)all->data;
      n = all->len;
    }
  g_variant_builder_init (&found, G_VARIANT_TYPE ("a(ia{sv})"));
  for (gsize i = 0; i < n; i++)
    if (agl_menu_layout_has (self->layout, wanted[i]))
      g_variant_builder_add (&found, "(i@a{sv})", wanted[i],
                             agl_menu_layout_properties (self->layout, wanted[i], names));
  agl_tray_bus_menu_complete_get_group_properties (skeleton, call, g_variant_builder_end (&found));
  return TRUE;
}

static gboolean
on_get_property (
    AglTrayBusMenu *skeleton, GDBusMethodInvocation *call, gint32 id, const char *name, AglMenuServer *self)
{
  g_autoptr (GVariant) properties = agl_menu_layout_properties (self->layout, id, NULL);
  g_autoptr (GVariant) value = NULL;

  if (properties == NULL)
    {
      refuse (call, id);
      return TRUE;
    }
  g_variant_ref_sink (properties);
  value = g_variant_lookup_value (properties, name, NULL);
  if (value == NULL)
    g_dbus_method_invocation_return_error (call, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_PROPERTY,
                                           "Item %d has no property “%s”.", id, name);
  else
    agl_tray_bus_menu_complete_get_property (skeleton, call, g_variant_new_variant (value));
  return TRUE;
}

/* FALSE: no such item. What else happens to an item ("hovered", "opened") is the tray's own business. */
static gboolean
take_event (AglMenuServer *self, gint32 id, const char *event)
{
  g_autoptr (GVariant) kept = NULL;
  g_autofree char *action = NULL;
  GVariant *target;

  if (!agl_menu_layout_has (self->layout, id))
    return FALSE;
  action = g_strdup (agl_menu_layout_action (self->layout, id, &target));
  if (g_str_equal (event, "clicked") && action != NULL)
    {
      kept = target != NULL ? g_variant_ref (target) : NULL; /* the action may change the menu */
      g_action_group_activate_action (self->actions, action, kept);
    }
  return TRUE;
}

/* Answered before it is done: what is done may be to quit. */
static gboolean
on_event (AglTrayBusMenu *skeleton,
          GDBusMethodInvocation *call,
          gint32 id,
          const char *event,
          GVariant *data,
          guint32 timestamp,
          AglMenuServer *self)
{
  if (!agl_menu_layout_has (self->layout, id))
    {
      refuse (call, id);
      return TRUE;
    }
  agl_tray_bus_menu_complete_event (skeleton, call);
  take_event (self, id, event);
  return TRUE;
}

static gboolean
on_event_group (AglTrayBusMenu *skeleton, GDBusMethodInvocation *call, GVariant *events, AglMenuServer *self)
{
  GVariantBuilder missing;
  GVariantIter iter;
  const char *event;
  gint32 id;

  g_variant_builder_init (&missing, G_VARIANT_TYPE ("ai"));
  g_variant_iter_init (&iter, events);
  while (g_variant_iter_next (&iter, "(i&svu)", &id, &event, NULL, NULL))
    if (!take_event (self, id, event))
      g_variant_builder_add (&missing, "i", id);
  agl_tray_bus_menu_complete_event_group (skeleton, call, g_variant_builder_end (&missing));
  return TRUE;
}

/* Whether the menu is another one for it. */
static gboolean
prepare_to_show (AglMenuServer *self)
{
  guint before = self->revision;

  g_signal_emit (self, signals[SIGNAL_ABOUT_TO_SHOW], 0);
  return self->revision != before;
}

static gboolean
on_about_to_show (AglTrayBusMenu *skeleton, GDBusMethodInvocation *call, gint32 id, AglMenuServer *self)
{
  gboolean is_new = prepare_to_show (self);

  if (agl_menu_layout_has (self->layout, id))
    agl_tray_bus_menu_complete_about_to_show (skeleton, call, is_new);
  else
    refuse (call, id);
  return TRUE;
}

static gboolean
on_about_to_show_group (AglTrayBusMenu *skeleton,
                        GDBusMethodInvocation *call,
                        GVariant *ids,
                        AglMenuServer *self)
{
  gboolean is_new = prepare_to_show (self);
  GVariantBuilder changed, missing;
  GVariantIter iter;
  gint32 id;

  g_variant_builder_init (&changed, G_VARIANT_TYPE ("ai"));
  g_variant_builder_init (&missing, G_VARIANT_TYPE ("ai"));
  g_variant_iter_init (&iter, ids);
  while (g_variant_iter_next (&iter, "i", &id))
    {
      if (!agl_menu_layout_has (self->layout, id))
        g_variant_builder_add (&missing, "i", id);
      else if (is_new)
        g_variant_builder_add (&changed, "i", id);
    }
  agl_tray_bus_menu_complete_about_to_show_group (skeleton, call, g_variant_builder_end (&changed),
                                                  g_variant_builder_end (&missing));
  return TRUE;
}

/* --- for others --- */

gboolean
agl_menu_server_export (AglMenuServer *self, GDBusConnection *connection, const char *path, GError **error)
{
  g_return_val_if_fail (AGL_IS_MENU_SERVER (self), FALSE);
  return g_dbus_interface_skeleton_export (G_DBUS_INTERFACE_SKELETON (self->skeleton), connection, path,
                                           error);
}

void
agl_menu_server_unexport (AglMenuServer *self)
{
  g_return_if_fail (AGL_IS_MENU_SERVER (self));
  if (g_dbus_interface_skeleton_get_connection (G_DBUS_INTERFACE_SKELETON (self->skeleton)) != NULL)
    g_dbus_interface_skeleton_unexport (G_DBUS_INTERFACE_SKELETON (self->skeleton));
}

AglMenuServer *
agl_menu_server_new (GActionGroup *actions, gboolean rtl)
{
  AglMenuServer *self = g_object_new (AGL_TYPE_MENU_SERVER, NULL);

  self->actions = g_object_ref (actions);
  agl_tray_bus_menu_set_text_direction (self->skeleton, rtl ? "rtl" : "ltr");
  return self;
}

static void
agl_menu_server_finalize (GObject *object)
{
  AglMenuServer *self = AGL_MENU_SERVER (object);

  agl_menu_server_unexport (self);
  g_signal_handlers_disconnect_by_data (self->skeleton, self);
  g_object_unref (self->skeleton);
  g_clear_object (&self->actions);
  agl_menu_layout_free (self->layout);
  G_OBJECT_CLASS (agl_menu_server_parent_class)->finalize (object);
}

static void
agl_menu_server_class_init (AglMenuServerClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = agl_menu_server_finalize;
  signals[SIGNAL_ABOUT_TO_SHOW] = g_signal_new ("about-to-show", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST,
                                                0, NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static void
agl_menu_server_init (AglMenuServer *self)
{
  static const char *const no_paths[] = { NULL };
  g_autoptr (GMenu) empty = g_menu_new ();

  self->layout = agl_menu_layout_new (G_MENU_MODEL (empty), NULL);
  self->revision = 1;
  self->skeleton = agl_tray_bus_menu_skeleton_new ();
  agl_tray_bus_menu_set_version (self->skeleton, VERSION);
  agl_tray_bus_menu_set_status (self->skeleton, "normal");
  agl_tray_bus_menu_set_icon_theme_path (self->skeleton, no_paths);
  g_object_connect (self->skeleton, "signal::handle-get-layout", on_get_layout, self,
                    "signal::handle-get-group-properties", on_get_group_properties, self,
                    "signal::handle-get-property", on_get_property, self, "signal::handle-event", on_event,
                    self, "signal::handle-event-group", on_event_group, self, "signal::handle-about-to-show",
                    on_about_to_show, self, "signal::handle-about-to-show-group", on_about_to_show_group,
                    self, NULL);
}
