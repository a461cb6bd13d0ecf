/* SPDX-License-Identifier: MIT */
#pragma once
#include <gio/gio.h>

/* What the parts of the mini-bus share; mini-bus.h is for everybody else. */

#define BUS_NAME       "org.freedesktop.DBus"
#define BUS_PATH       "/org/freedesktop/DBus"
#define BUS_ERROR      "org.freedesktop.DBus.Error."
#define BUS_MONITORING "org.freedesktop.DBus.Monitoring"

/* Filters run in GDBus' thread, one at a time by its present ways; the lock holds whatever those are. */
typedef struct
{
  GDBusConnection *connection; /* owns this */
  GMutex lock;
  char *unique_name; /* NULL: the peer has not said Hello */
  GPtrArray *rules;  /* of AglMatchRule */
  gboolean has_spoken;
  gint64 attached_usec; /* g_get_monotonic_time() */
  GQueue held;          /* of GDBusMessage: signals since then, while it is silent */
} AglMiniBus;

/* Ways to answer, in the bus's own name. @body: floating, or NULL. */
void agl_mini_bus_reply (AglMiniBus *self, GDBusMessage *call, GVariant *body);
void agl_mini_bus_refuse (AglMiniBus *self, GDBusMessage *call, const char *name, const char *format, ...)
    G_GNUC_PRINTF (4, 5);
void agl_mini_bus_emit (AglMiniBus *self, const char *member, GVariant *body);

/* Methods: each answers @call, whose @arguments are of the right types. */

/* mini-bus-names.c: who is there. */
void agl_mini_bus_hello (AglMiniBus *self, GDBusMessage *call, GVariant *arguments);
void agl_mini_bus_get_name_owner (AglMiniBus *self, GDBusMessage *call, GVariant *arguments);
void agl_mini_bus_name_has_owner (AglMiniBus *self, GDBusMessage *call, GVariant *arguments);
void agl_mini_bus_list_names (AglMiniBus *self, GDBusMessage *call, GVariant *arguments);
void agl_mini_bus_list_activatable_names (AglMiniBus *self, GDBusMessage *call, GVariant *arguments);
void agl_mini_bus_start_service_by_name (AglMiniBus *self, GDBusMessage *call, GVariant *arguments);
void agl_mini_bus_request_name (AglMiniBus *self, GDBusMessage *call, GVariant *arguments);
void agl_mini_bus_get_id (AglMiniBus *self, GDBusMessage *call, GVariant *arguments);
void agl_mini_bus_get_connection_unix_user (AglMiniBus *self, GDBusMessage *call, GVariant *arguments);
void agl_mini_bus_get_connection_unix_process_id (AglMiniBus *self, GDBusMessage *call, GVariant *arguments);
void agl_mini_bus_get_connection_credentials (AglMiniBus *self, GDBusMessage *call, GVariant *arguments);

/* mini-bus-object.c: what every object has. */
void agl_mini_bus_ping (AglMiniBus *self, GDBusMessage *call, GVariant *arguments);
void agl_mini_bus_introspect (AglMiniBus *self, GDBusMessage *call, GVariant *arguments);
void agl_mini_bus_get_property (AglMiniBus *self, GDBusMessage *call, GVariant *arguments);
void agl_mini_bus_get_all_properties (AglMiniBus *self, GDBusMessage *call, GVariant *arguments);
