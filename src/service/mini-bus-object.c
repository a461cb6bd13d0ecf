/* SPDX-License-Identifier: MIT */
#include "service/mini-bus-private.h"

#include <string.h>

void
agl_mini_bus_ping (AglMiniBus *self, GDBusMessage *call, GVariant *arguments)
{
  agl_mini_bus_reply (self, call, NULL);
}

static const char introspection[] =
    "<!DOCTYPE node PUBLIC \"-//freedesktop//DTD D-BUS Object Introspection 1.0//EN\"\n"
    " \"http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd\">\n"
    "<node>\n"
    " <interface name='org.freedesktop.DBus'>\n"
    "  <method name='Hello'><arg type='s' direction='out'/></method>\n"
    "  <method name='AddMatch'><arg type='s' direction='in'/></method>\n"
    "  <method name='RemoveMatch'><arg type='s' direction='in'/></method>\n"
    "  <method name='GetNameOwner'><arg type='s' direction='in'/><arg type='s' direction='out'/></method>\n"
    "  <method name='NameHasOwner'><arg type='s' direction='in'/><arg type='b' direction='out'/></method>\n"
    "  <method name='ListNames'><arg type='as' direction='out'/></method>\n"
    "  <method name='ListActivatableNames'><arg type='as' direction='out'/></method>\n"
    "  <method name='GetId'><arg type='s' direction='out'/></method>\n"
    "  <method name='GetConnectionCredentials'><arg type='s' direction='in'/>"
    "<arg type='a{sv}' direction='out'/></method>\n"
    "  <method name='GetConnectionUnixProcessID'><arg type='s' direction='in'/>"
    "<arg type='u' direction='out'/></method>\n"
    "  <method name='GetConnectionUnixUser'><arg type='s' direction='in'/>"
    "<arg type='u' direction='out'/></method>\n"
    "  <method name='StartServiceByName'><arg type='s' direction='in'/><arg type='u' direction='in'/>"
    "<arg type='u' direction='out'/></method>\n"
    "  <method name='RequestName'><arg type='s' direction='in'/><arg type='u' direction='in'/>"
    "<arg type='u' direction='out'/></method>\n"
    "  <property name='Features' type='as' access='read'/>\n"
    "  <property name='Interfaces' type='as' access='read'/>\n"
    "  <signal name='NameOwnerChanged'><arg type='s'/><arg type='s'/><arg type='s'/></signal>\n"
    "  <signal name='NameLost'><arg type='s'/></signal>\n"
    "  <signal name='NameAcquired'><arg type='s'/></signal>\n"
    " </interface>\n"
    " <interface name='org.freedesktop.DBus.Monitoring'>\n"
    "  <method name='BecomeMonitor'><arg type='as' direction='in'/><arg type='u' direction='in'/></method>\n"
    " </interface>\n"
    " <interface name='org.freedesktop.DBus.Introspectable'>\n"
    "  <method name='Introspect'><arg type='s' direction='out'/></method>\n"
    " </interface>\n"
    " <interface name='org.freedesktop.DBus.Peer'>\n"
    "  <method name='Ping'/>\n"
    " </interface>\n"
    " <interface name='org.freedesktop.DBus.Properties'>\n"
    "  <method name='Get'><arg type='s' direction='in'/><arg type='s' direction='in'/>"
    "<arg type='v' direction='out'/></method>\n"
    "  <method name='GetAll'><arg type='s' direction='in'/><arg type='a{sv}' direction='out'/></method>\n"
    " </interface>\n"
    "</node>\n";

void
agl_mini_bus_introspect (AglMiniBus *self, GDBusMessage *call, GVariant *arguments)
{
  const char *path = g_dbus_message_get_path (call);
  const char *xml = "<node/>\n";

  if (strcmp (path, BUS_PATH) == 0)
    xml = introspection;
  else if (strcmp (path, "/") == 0)
    xml = "<node><node name='org/freedesktop/DBus'/></node>\n";
  agl_mini_bus_reply (self, call, g_variant_new ("(s)", xml));
}

static GVariant *
get_property_value (const char *name)
{
  static const char *const interfaces[] = { BUS_MONITORING, NULL };

  if (strcmp (name, "Features") == 0)
    return g_variant_new_strv (NULL, 0);
  if (strcmp (name, "Interfaces") == 0)
    return g_variant_new_strv (interfaces, -1);
  return NULL;
}

void
agl_mini_bus_get_property (AglMiniBus *self, GDBusMessage *call, GVariant *arguments)
{
  const char *interface, *name;
  GVariant *value;

  g_variant_get (arguments, "(&s&s)", &interface, &name);
  value = strcmp (interface, BUS_NAME) == 0 ? get_property_value (name) : NULL;
  if (value != NULL)
    agl_mini_bus_reply (self, call, g_variant_new ("(v)", value));
  else
    agl_mini_bus_refuse (self, call, BUS_ERROR "UnknownProperty", "There is no such property");
}

void
agl_mini_bus_get_all_properties (AglMiniBus *self, GDBusMessage *call, GVariant *arguments)
{
  g_autoptr (GVariantDict) values = g_variant_dict_new (NULL);
  const char *interface;

  g_variant_get (arguments, "(&s)", &interface);
  if (strcmp (interface, BUS_NAME) == 0)
    {
      g_variant_dict_insert_value (values, "Features", get_property_value ("Features"));
      g_variant_dict_insert_value (values, "Interfaces", get_property_value ("Interfaces"));
    }
  agl_mini_bus_reply (self, call, g_variant_new ("(@a{sv})", g_variant_dict_end (values)));
}
