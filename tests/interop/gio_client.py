# SPDX-License-Identifier: MIT
"""A client as one writes it with Gio: acquires the directory it works in, is refused another, hears of both
ends of its lock, releases it.

    gio_client.py bus|peer ADDRESS HELD-DIRECTORY

bus: ADDRESS is a message bus, or is used as one. peer: the service itself is at the other end.
"""
import json
import os
import sys

import gi

gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib  # noqa: E402

NAME, PATH = "org.agentctl.Locks", "/org/agentctl/Locks"


def main():
    how, address, held = sys.argv[1:]
    flags = Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT
    if how == "bus":
        flags |= Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION
    destination = NAME if how == "bus" else None
    connection = Gio.DBusConnection.new_for_address_sync(address, flags, None, None)
    loop = GLib.MainLoop()
    heard = []

    def on_signal(_connection, _sender, _path, _interface, name, arguments):
        if name != "LockChanged" and arguments.unpack()[2] == os.getpid():
            heard.append([name, *arguments.unpack()[:-1]])
        if name == "LockReleased" and heard and heard[-1][0] == name:
            loop.quit()

    def call(method, kind, *arguments):
        return connection.call_sync(destination, PATH, NAME, method, GLib.Variant(kind, arguments), None,
                                    Gio.DBusCallFlags.NONE, -1, None).unpack()

    connection.signal_subscribe(destination, NAME, None, PATH, None, Gio.DBusSignalFlags.NONE, on_signal)
    lock, = call("Acquire", "(sa{sv})", os.getcwd(), {"agent": GLib.Variant("s", "gio")})
    try:
        call("Acquire", "(sa{sv})", held, {"follow-cwd": GLib.Variant("b", False)})
        refusal = None
    except GLib.Error as error:
        refusal = Gio.DBusError.get_remote_error(error)
    released, = call("Release", "(sa{sv})", os.getcwd(), {})
    loop.run()
    print(json.dumps({"lock": lock, "refusal": refusal, "released": released, "heard": heard}))


main()
