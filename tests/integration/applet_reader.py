# SPDX-License-Identifier: MIT
"""What a screen reader is told (AT-SPI), in a process of its own, since the library knows one bus only.

  applet_reader.py tree              every object on the screen, as JSON: role, name, children
  applet_reader.py press ROLE NAME   does what a press of that object would do
"""
import json
import sys

import gi

gi.require_version("Atspi", "2.0")
from gi.repository import Atspi  # noqa: E402

NAMES = ("test-applet", "agentctl-locks-applet", "org.agentctl.Locks.Applet")


def children(one):
    found = []
    for i in range(one.get_child_count()):
        child = one.get_child_at_index(i)
        if child is not None:
            found.append(child)
    return found


def applet():
    desktop = Atspi.get_desktop(0)
    return next((app for app in children(desktop) if app.get_name() in NAMES), None)


def shown(one):
    states = one.get_state_set()
    return states.contains(Atspi.StateType.VISIBLE) or one.get_role() in (Atspi.Role.APPLICATION, Atspi.Role.FRAME)


def describe(one):
    return {"role": one.get_role_name(), "name": one.get_name(),
            "focusable": one.get_state_set().contains(Atspi.StateType.FOCUSABLE),
            "children": [describe(child) for child in children(one) if shown(child)]}


def find(one, role, name):
    if one.get_role_name() == role and one.get_name() == name:
        return one
    for child in children(one):
        found = find(child, role, name)
        if found is not None:
            return found
    return None


def main():
    app = applet()
    if app is None:
        print("null")
    elif sys.argv[1] == "tree":
        print(json.dumps(describe(app)))
    else:
        one = find(app, sys.argv[2], sys.argv[3])
        print(json.dumps(one is not None and one.get_action_iface().do_action(0)))


main()
