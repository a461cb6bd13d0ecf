/* SPDX-License-Identifier: MIT */
#include "applet/tray.h"

#include <glib/gi18n.h>
#include <unistd.h>

#include "applet/agl-status-notifier-item.h"
#include "applet/menu-server.h"
#include "applet/tray-menu.h"
#include "config.h"

#define WATCHER        "org.kde.StatusNotifierWatcher"
#define WATCHER_PATH   "/StatusNotifierWatcher"
#define ITEM_PATH      "/StatusNotifierItem" /* the specification's */
#define MENU_PATH      "/StatusNotifierItem/Menu"
#define ICON           "org.agentctl.Locks.Applet-symbolic"
#define ATTENTION_ICON "org.agentctl.Locks.Applet-attention-symbolic"

/* Trays ask for everything anew at each change: four times a second is quicker than people look. */
#define UPDATE_MSEC 250

struct _AglTray
{
  GObject parent_instance;
  GDBusConnection *bus;
  AglServiceLink *link;
  AglChoices *choices;
  GActionGroup *actions;
  AglTrayBusItem *item;
  AglMenuServer *menu;
  AglTrayState state;
  guint name, watch, host_signals;
  char *item_name;        /* NULL: not there yet */
  gboolean has_watcher;   /* and the two that follow say what it answered */
  gboolean is_registered; /* the item */
  gboolean has_host;
  GCancellable *questions; /* of this watcher */
  guint patience, update;
  char *token; /* NULL: none */
};

G_DEFINE_FINAL_TYPE (AglTray, agl_tray, G_TYPE_OBJECT)

enum
{
  PROP_STATE = 1,
  N_PROPERTIES
};
static GParamSpec *properties[N_PROPERTIES];

/* --- is there a tray? --- */

static void
set_state (AglTray *self, AglTrayState state)
{
  if (self->state == state)
    return;
  self->state = state;
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_STATE]);
}

static gboolean
on_patience_ends (gpointer user_data)
{
  AglTray *self = user_data;

  self->patience = 0;
  set_state (self, AGL_TRAY_NONE);
  return G_SOURCE_REMOVE;
}

/* A watcher alone shows nothing: it needs a host, and may be there without one. */
static void
judge (AglTray *self)
{
  if (self->has_watcher && self->is_registered && self->has_host)
    {
      g_clear_handle_id (&self->patience, g_source_remove);
      set_state (self, AGL_TRAY_SHOWN);
      return;
    }
  if (self->state == AGL_TRAY_SHOWN)
    set_state (self, AGL_TRAY_ASKING);
  if (self->state == AGL_TRAY_ASKING && self->patience == 0)
    self->patience = g_timeout_add (AGL_TRAY_PATIENCE_MSEC, on_patience_ends, self);
}

static void
on_registered (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  AglTray *self = user_data;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  if (reply == NULL)
    g_message ("The tray does not take the item: %s", error->message);
  self->is_registered = reply != NULL;
  judge (self);
}

static void
on_host_answer (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  g_autoptr (GVariant) value = NULL;
  AglTray *self = user_data;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  if (reply != NULL)
    g_variant_get (reply, "(v)", &value);
  self->has_host =
      value != NULL && g_variant_is_of_type (value, G_VARIANT_TYPE_BOOLEAN) && g_variant_get_boolean (value);
  judge (self);
}

static void
ask_for_host (AglTray *self)
{
  g_dbus_connection_call (self->bus, WATCHER, WATCHER_PATH, "org.freedesktop.DBus.Properties", "Get",
                          g_variant_new ("(ss)", WATCHER, "IsStatusNotifierHostRegistered"),
                          G_VARIANT_TYPE ("(v)"), G_DBUS_CALL_FLAGS_NO_AUTO_START, -1, self->questions,
                          on_host_answer, self);
}

static void
on_host_signal (GDBusConnection *connection,
                const char *sender,
                const char *path,
                const char *interface,
                const char *name,
                GVariant *parameters,
                gpointer user_data)
{
  AglTray *self = user_data;

  if (self->questions != NULL
      && (g_str_equal (name, "StatusNotifierHostRegistered")
          || g_str_equal (name, "StatusNotifierHostUnregistered")))
    ask_for_host (self);
}

static void
forget_watcher (AglTray *self)
{
  if (self->questions != NULL)
    g_cancellable_cancel (self->questions);
  g_clear_object (&self->questions);
  self->is_registered = FALSE;
  self->has_host = FALSE;
}

/* Once both are there: the item's name, and the watcher. */
static void
introduce (AglTray *self)
{
  if (!self->has_watcher || self->item_name == NULL)
    return;
  forget_watcher (self);
  self->questions = g_cancellable_new ();
  g_dbus_connection_call (self->bus, WATCHER, WATCHER_PATH, WATCHER, "RegisterStatusNotifierItem",
                          g_variant_new ("(s)", self->item_name), NULL, G_DBUS_CALL_FLAGS_NO_AUTO_START, -1,
                          self->questions, on_registered, self);
  ask_for_host (self);
}

static void
on_watcher_appeared (GDBusConnection *connection, const char *name, const char *owner, gpointer user_data)
{
  AglTray *self = user_data;

  self->has_watcher = TRUE;
  introduce (self);
}

static void
on_watcher_vanished (GDBusConnection *connection, const char *name, gpointer user_data)
{
  AglTray *self = user_data;

  self->has_watcher = FALSE;
  forget_watcher (self);
  judge (self);
}

static void
take_name (AglTray *self, const char *name)
{
  g_free (self->item_name);
  self->item_name = g_strdup (name);
  introduce (self);
}

static void
on_name_acquired (GDBusConnection *connection, const char *name, gpointer user_data)
{
  take_name (user_data, name);
}

/* In a sandbox with a PID namespace of its own another one may have the name; a tray takes any. */
static void
on_name_lost (GDBusConnection *connection, const char *name, gpointer user_data)
{
  if (connection != NULL && !g_dbus_connection_is_closed (connection))
    take_name (user_data, g_dbus_connection_get_unique_name (connection));
}

/* --- what it shows --- */

static void
set_words (AglTray *self)
{
  AglLockModel *locks = agl_service_link_get_model (self->link);
  AglLinkState state = agl_service_link_get_state (self->link);
  g_autofree char *summary = agl_tray_summary (locks, state);
  g_autofree char *details = agl_tray_details (locks, state);
  guint n = state == AGL_LINK_READY ? agl_lock_model_count_directories (locks) : 0;
  g_autofree char *label = n > 0 ? g_strdup_printf ("%u", n) : g_strdup ("");
  g_autoptr (GVariant) tip = g_variant_ref_sink (g_variant_new ("(sa(iiay)ss)", "", NULL, summary, details));

  if (g_strcmp0 (agl_tray_bus_item_get_title (self->item), summary) != 0)
    {
      agl_tray_bus_item_set_title (self->item, summary);
      agl_tray_bus_item_emit_new_title (self->item);
    }
  if (!g_variant_equal (agl_tray_bus_item_get_tool_tip (self->item), tip))
    {
      agl_tray_bus_item_set_tool_tip (self->item, tip);
      agl_tray_bus_item_emit_new_tool_tip (self->item);
    }
  if (g_strcmp0 (agl_tray_bus_item_get_xayatana_label (self->item), label) != 0)
    {
      agl_tray_bus_item_set_xayatana_label (self->item, label);
      agl_tray_bus_item_emit_xayatana_new_label (self->item, label, "00");
    }
}

static void
set_status (AglTray *self)
{
  gboolean is_odd = agl_service_link_get_state (self->link) == AGL_LINK_READY
                    && agl_tray_wants_attention (agl_service_link_get_model (self->link));
  const char *status = is_odd ? "NeedsAttention" : "Active";

  if (g_strcmp0 (agl_tray_bus_item_get_status (self->item), status) == 0)
    return;
  agl_tray_bus_item_set_status (self->item, status);
  agl_tray_bus_item_emit_new_status (self->item, status);
}

static void
set_menu (AglTray *self)
{
  g_autoptr (GMenuModel) menu =
      agl_tray_menu_new (agl_service_link_get_model (self->link), agl_service_link_get_state (self->link),
                         agl_choices_get (self->choices, "group-by-repository"));

  agl_menu_server_set_menu (self->menu, menu);
}

static gboolean
on_update (gpointer user_data)
{
  AglTray *self = user_data;

  self->update = 0;
  set_words (self);
  set_status (self);
  set_menu (self);
  return G_SOURCE_REMOVE;
}

void
agl_tray_refresh (AglTray *self)
{
  g_return_if_fail (AGL_IS_TRAY (self));

  if (self->update == 0)
    self->update = g_timeout_add (UPDATE_MSEC, on_update, self);
}

static gboolean
on_activate (AglTrayBusItem *item, GDBusMethodInvocation *call, int x, int y, AglTray *self)
{
  agl_tray_bus_item_complete_activate (item, call);
  g_action_group_activate_action (self->actions, "show", NULL);
  return TRUE;
}

static gboolean
on_secondary_activate (AglTrayBusItem *item, GDBusMethodInvocation *call, int x, int y, AglTray *self)
{
  agl_tray_bus_item_complete_secondary_activate (item, call);
  g_action_group_activate_action (self->actions, "show", NULL);
  return TRUE;
}

static gboolean
on_token (AglTrayBusItem *item, GDBusMethodInvocation *call, const char *token, AglTray *self)
{
  g_free (self->token);
  self->token = g_strdup (token);
  agl_tray_bus_item_complete_provide_xdg_activation_token (item, call);
  return TRUE;
}

/* Trays draw the menu themselves. */
static gboolean
on_context_menu (AglTrayBusItem *item, GDBusMethodInvocation *call, int x, int y, AglTray *self)
{
  agl_tray_bus_item_complete_context_menu (item, call);
  return TRUE;
}

static gboolean
on_scroll (
    AglTrayBusItem *item, GDBusMethodInvocation *call, int delta, const char *orientation, AglTray *self)
{
  agl_tray_bus_item_complete_scroll (item, call);
  return TRUE;
}

/* --- for others --- */

AglTrayState
agl_tray_get_state (AglTray *self)
{
  g_return_val_if_fail (AGL_IS_TRAY (self), AGL_TRAY_NONE);
  return self->state;
}

char *
agl_tray_take_token (AglTray *self)
{
  g_return_val_if_fail (AGL_IS_TRAY (self), NULL);
  return g_steal_pointer (&self->token);
}

static gboolean
put_on_bus (AglTray *self, GError **error)
{
  return g_dbus_interface_skeleton_export (G_DBUS_INTERFACE_SKELETON (self->item), self->bus, ITEM_PATH,
                                           error)
         && agl_menu_server_export (self->menu, self->bus, MENU_PATH, error);
}

static void
open_tray (AglTray *self)
{
  g_autofree char *name = g_strdup_printf ("org.kde.StatusNotifierItem-%d-1", (int)getpid ());
  g_autoptr (GError) error = NULL;

  if (self->bus == NULL)
    {
      self->state = AGL_TRAY_NONE;
      return;
    }
  if (!put_on_bus (self, &error))
    {
      g_warning ("The tray's item cannot be put on the bus: %s", error->message);
      self->state = AGL_TRAY_NONE;
      return;
    }
  self->host_signals =
      g_dbus_connection_signal_subscribe (self->bus, WATCHER, WATCHER, NULL, WATCHER_PATH, NULL,
                                          G_DBUS_SIGNAL_FLAGS_NONE, on_host_signal, self, NULL);
  self->name = g_bus_own_name_on_connection (self->bus, name, G_BUS_NAME_OWNER_FLAGS_DO_NOT_QUEUE,
                                             on_name_acquired, on_name_lost, self, NULL);
  self->watch = g_bus_watch_name_on_connection (self->bus, WATCHER, G_BUS_NAME_WATCHER_FLAGS_NONE,
                                                on_watcher_appeared, on_watcher_vanished, self, NULL);
  judge (self);
}

AglTray *
agl_tray_new (
    GDBusConnection *bus, AglServiceLink *link, AglChoices *choices, GActionGroup *actions, gboolean rtl)
{
  AglTray *self = g_object_new (AGL_TYPE_TRAY, NULL);
  AglLockModel *locks = agl_service_link_get_model (link);

  self->bus = bus != NULL ? g_object_ref (bus) : NULL;
  self->link = g_object_ref (link);
  self->choices = g_object_ref (choices);
  self->actions = g_object_ref (actions);
  self->menu = agl_menu_server_new (actions, rtl);
  g_signal_connect_object (self->menu, "about-to-show", G_CALLBACK (set_menu), self, G_CONNECT_SWAPPED);
  g_signal_connect_object (locks, "items-changed", G_CALLBACK (agl_tray_refresh), self, G_CONNECT_SWAPPED);
  g_signal_connect_object (locks, "lock-changed", G_CALLBACK (agl_tray_refresh), self, G_CONNECT_SWAPPED);
  g_signal_connect_object (link, "notify::state", G_CALLBACK (agl_tray_refresh), self, G_CONNECT_SWAPPED);
  g_signal_connect_object (choices, "notify::group-by-repository", G_CALLBACK (agl_tray_refresh), self,
                           G_CONNECT_SWAPPED);
  on_update (self); /* whoever looks first sees it as it is */
  open_tray (self);
  return self;
}

void
agl_tray_close (AglTray *self)
{
  g_return_if_fail (AGL_IS_TRAY (self));

  g_clear_handle_id (&self->patience, g_source_remove);
  g_clear_handle_id (&self->update, g_source_remove);
  forget_watcher (self);
  g_clear_handle_id (&self->watch, g_bus_unwatch_name);
  g_clear_handle_id (&self->name, g_bus_unown_name);
  if (self->host_signals != 0)
    g_dbus_connection_signal_unsubscribe (self->bus, self->host_signals);
  self->host_signals = 0;
  if (g_dbus_interface_skeleton_get_connection (G_DBUS_INTERFACE_SKELETON (self->item)) != NULL)
    g_dbus_interface_skeleton_unexport (G_DBUS_INTERFACE_SKELETON (self->item));
  if (self->menu != NULL)
    agl_menu_server_unexport (self->menu);
}

/* --- GObject --- */

static void
agl_tray_get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  if (id == PROP_STATE)
    g_value_set_uint (value, AGL_TRAY (object)->state);
  else
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
}

static void
agl_tray_dispose (GObject *object)
{
  AglTray *self = AGL_TRAY (object);

  agl_tray_close (self);
  g_clear_object (&self->menu);
  G_OBJECT_CLASS (agl_tray_parent_class)->dispose (object);
}

static void
agl_tray_finalize (GObject *object)
{
  AglTray *self = AGL_TRAY (object);

  g_signal_handlers_disconnect_by_data (self->item, self);
  g_object_unref (self->item);
  g_clear_object (&self->link);
  g_clear_object (&self->choices);
  g_clear_object (&self->actions);
  g_clear_object (&self->bus);
  g_free (self->item_name);
  g_free (self->token);
  G_OBJECT_CLASS (agl_tray_parent_class)->finalize (object);
}

static void
agl_tray_class_init (AglTrayClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->get_property = agl_tray_get_property;
  object_class->dispose = agl_tray_dispose;
  object_class->finalize = agl_tray_finalize;
  properties[PROP_STATE] = g_param_spec_uint ("state", NULL, NULL, 0, AGL_TRAY_NONE, AGL_TRAY_ASKING,
                                              G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
  g_object_class_install_properties (object_class, N_PROPERTIES, properties);
}

static void
agl_tray_init (AglTray *self)
{
  self->item = agl_tray_bus_item_skeleton_new ();
  agl_tray_bus_item_set_category (self->item, "ApplicationStatus");
  agl_tray_bus_item_set_id (self->item, "agentctl-locks-applet");
  agl_tray_bus_item_set_icon_theme_path (self->item, AGL_ICONDIR);
  agl_tray_bus_item_set_icon_name (self->item, ICON);
  agl_tray_bus_item_set_attention_icon_name (self->item, ATTENTION_ICON);
  agl_tray_bus_item_set_overlay_icon_name (self->item, "");
  agl_tray_bus_item_set_tool_tip (self->item, g_variant_new ("(sa(iiay)ss)", "", NULL, "", ""));
  agl_tray_bus_item_set_menu (self->item, MENU_PATH);
  agl_tray_bus_item_set_xayatana_label (self->item, "");
  agl_tray_bus_item_set_xayatana_label_guide (self->item, "00");
  g_object_connect (self->item, "signal::handle-activate", on_activate, self,
                    "signal::handle-secondary-activate", on_secondary_activate, self,
                    "signal::handle-context-menu", on_context_menu, self, "signal::handle-scroll", on_scroll,
                    self, "signal::handle-provide-xdg-activation-token", on_token, self, NULL);
}
