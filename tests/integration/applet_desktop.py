# SPDX-License-Identifier: MIT
"""What a desktop gives the applet, on the test's own bus: a tray, and a place for notifications. They remember what
they were told."""
import harness
from gi.repository import Gio, GLib
from harness import until

WATCHER, WATCHER_PATH = "org.kde.StatusNotifierWatcher", "/StatusNotifierWatcher"
ITEM, ITEM_PATH = "org.kde.StatusNotifierItem", "/StatusNotifierItem"
MENU = "com.canonical.dbusmenu"
PROPERTIES = "org.freedesktop.DBus.Properties"

WATCHER_XML = """<node><interface name="org.kde.StatusNotifierWatcher">
  <method name="RegisterStatusNotifierItem"><arg type="s" direction="in"/></method>
  <property name="IsStatusNotifierHostRegistered" type="b" access="read"/>
  <signal name="StatusNotifierHostRegistered"/>
  <signal name="StatusNotifierHostUnregistered"/>
</interface></node>"""

NOTIFICATIONS_XML = """<node><interface name="org.freedesktop.Notifications">
  <method name="Notify">
    <arg type="s" direction="in"/><arg type="u" direction="in"/><arg type="s" direction="in"/>
    <arg type="s" direction="in"/><arg type="s" direction="in"/><arg type="as" direction="in"/>
    <arg type="a{sv}" direction="in"/><arg type="i" direction="in"/><arg type="u" direction="out"/>
  </method>
  <method name="CloseNotification"><arg type="u" direction="in"/></method>
  <method name="GetCapabilities"><arg type="as" direction="out"/></method>
  <signal name="NotificationClosed"><arg type="u"/><arg type="u"/></signal>
  <signal name="ActionInvoked"><arg type="u"/><arg type="s"/></signal>
</interface></node>"""

GTK_NOTIFICATIONS_XML = """<node><interface name="org.gtk.Notifications">
  <method name="AddNotification">
    <arg type="s" direction="in"/><arg type="s" direction="in"/><arg type="a{sv}" direction="in"/>
  </method>
  <method name="RemoveNotification"><arg type="s" direction="in"/><arg type="s" direction="in"/></method>
</interface></node>"""


class Owner:
    """A connection that owns a name and has one object."""

    name = path = xml = None

    def __init__(self, address):
        self.bus = Gio.DBusConnection.new_for_address_sync(
            address, Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION,
            None, None)
        self.bus.set_exit_on_close(False)
        info = Gio.DBusNodeInfo.new_for_xml(self.xml).interfaces[0]
        self.bus.register_object(self.path, info, self._on_call, self._on_get, None)
        self.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "RequestName",
                  GLib.Variant("(su)", (self.name, 4)))

    def _on_call(self, _connection, sender, _path, _interface, method, args, invocation):
        invocation.return_value(getattr(self, method)(sender, *args.unpack()))

    def _on_get(self, _connection, _sender, _path, _interface, name):
        return getattr(self, name)

    def call(self, destination, path, interface, method, args=None):
        return self.bus.call_sync(destination, path, interface, method, args, None, Gio.DBusCallFlags.NO_AUTO_START,
                                  int(harness.LIMIT * 1000), None).unpack()

    def emit(self, name, args=None):
        self.bus.emit_signal(None, self.path, self.name, name, args)

    def leave(self):
        if not self.bus.is_closed():
            self.bus.close_sync(None)


class Tray(Owner):
    """A watcher and its host in one, as a panel is."""

    name, path, xml = WATCHER, WATCHER_PATH, WATCHER_XML

    def __init__(self, address, has_host=True):
        self.items, self.signals, self.has_host, self.n_asked = [], [], has_host, 0
        super().__init__(address)
        for interface in (ITEM, MENU):
            self.bus.signal_subscribe(None, interface, None, None, None, Gio.DBusSignalFlags.NONE, self._on_signal)

    @property
    def IsStatusNotifierHostRegistered(self):
        self.n_asked += 1
        return GLib.Variant("b", self.has_host)

    def RegisterStatusNotifierItem(self, _sender, service):
        self.items.append(service)

    def set_host(self, has_host):
        self.has_host = has_host
        self.emit("StatusNotifierHostRegistered" if has_host else "StatusNotifierHostUnregistered")

    def _on_signal(self, _connection, _sender, _path, _interface, name, args, *_):
        self.signals.append((name, args.unpack()))

    def said(self, name):
        return [args for signal, args in self.signals if signal == name]

    # --- as a host ---

    def wait_item(self, number=1):
        """Until one has come so many times, and knows that it is shown: its answer comes after ours."""
        until(lambda: len(self.items) == number and self.n_asked >= number,
              lambda: f"an item in the tray; there came {self.items}")
        self.item()
        return self.items[-1]

    def item(self):
        """All that the item says."""
        return self.call(self.items[-1], ITEM_PATH, PROPERTIES, "GetAll", GLib.Variant("(s)", (ITEM,)))[0]

    def wait_item_says(self, name, value):
        until(lambda: self.item()[name] == value, lambda: f"{name} {value!r} of the item; it says {self.item()}")

    def click(self, method="Activate"):
        self.call(self.items[-1], ITEM_PATH, ITEM, method, GLib.Variant("(ii)", (0, 0)))

    def menu_call(self, method, *args, types=None):
        return self.call(self.items[-1], self.item()["Menu"], MENU, method, GLib.Variant(types, args) if types else None)

    def layout(self):
        """The menu: a list of (number, properties, such a list)."""
        def unpack(item):
            number, properties, children = item
            return number, properties, [unpack(child) for child in children]
        return unpack(self.menu_call("GetLayout", 0, -1, [], types="(iias)")[1])[2]

    def labels(self):
        """The menu as a person reads it: "-" for a line between, an open submenu as a list."""
        def read(items):
            out = []
            for _number, properties, children in items:
                label = properties.get("label", "-").replace("__", "\0").replace("_", "").replace("\0", "_")
                out.append(label)
                if children:
                    out.append(read(children))
            return out
        return read(self.layout())

    def find(self, label):
        """The number of the item that reads so."""
        def search(items):
            for number, properties, children in items:
                text = properties.get("label", "").replace("__", "\0").replace("_", "").replace("\0", "_")
                found = number if text == label else search(children)
                if found is not None:
                    return found
            return None
        return search(self.layout())

    def choose(self, label):
        self.menu_call("Event", self.find(label), "clicked", GLib.Variant("i", 0), 0, types="(isvu)")


class Notifications(Owner):
    """org.freedesktop.Notifications: what is shown, and all that ever was."""

    name, path, xml = "org.freedesktop.Notifications", "/org/freedesktop/Notifications", NOTIFICATIONS_XML

    def __init__(self, address):
        self.shown, self.all, self.n = {}, [], 0
        self.held = None  # a list: answers that are kept back
        super().__init__(address)

    def _on_call(self, connection, sender, path, interface, method, args, invocation):
        if method == "Notify" and self.held is not None:
            self.held.append((invocation, self.Notify(sender, *args.unpack())))
        else:
            super()._on_call(connection, sender, path, interface, method, args, invocation)

    def answer(self):
        for invocation, value in self.held:
            invocation.return_value(value)
        self.held = None

    def Notify(self, _sender, _application, replaces, _icon, title, body, actions, hints, _timeout):
        self.n += 1
        number = replaces or self.n
        self.shown[number] = title
        self.all.append({"title": title, "body": body, "actions": actions, "urgency": hints.get("urgency")})
        return GLib.Variant("(u)", (number,))

    def CloseNotification(self, _sender, number):
        self.shown.pop(number, None)

    def GetCapabilities(self, _sender):
        return GLib.Variant("(as)", (["actions", "body"],))

    def click(self, title):
        number = next(number for number, shown in self.shown.items() if shown == title)
        self.emit("ActionInvoked", GLib.Variant("(us)", (number, "default")))

    def titles(self):
        return list(self.shown.values())


class GtkNotifications(Owner):
    """org.gtk.Notifications, as GNOME Shell has it."""

    name, path, xml = "org.gtk.Notifications", "/org/gtk/Notifications", GTK_NOTIFICATIONS_XML

    def __init__(self, address):
        self.shown, self.all = {}, []
        super().__init__(address)

    def AddNotification(self, _sender, application, notification_id, facts):
        self.shown[notification_id] = facts["title"]
        self.all.append({"title": facts["title"], "body": facts["body"], "application": application,
                         "action": facts.get("default-action")})

    def RemoveNotification(self, _sender, _application, notification_id):
        self.shown.pop(notification_id, None)

    def titles(self):
        return list(self.shown.values())
