# SPDX-License-Identifier: MIT
"""The applet on a screen of its own (Xvfb), on the test's own bus. What it shows is asked of it through its exported
actions (org.gtk.Actions): those that people use, and those of applet-hooks.c."""
import json
import os
import shutil
import subprocess

import harness
from gi.repository import Gio, GLib
from harness import until

APPLET = "org.agentctl.Locks.Applet"
APPLET_PATH = "/org/agentctl/Locks/Applet"
XDOTOOL = shutil.which("xdotool")
PICTURES = os.path.join(harness.BUILD, "tests", "applet-pictures")


class Screen:
    """An X server without a monitor."""

    def __init__(self, root):
        reader, writer = os.pipe()
        with open(f"{root}/xvfb.log", "ab") as log:
            self.process = subprocess.Popen(
                ["Xvfb", "-displayfd", str(writer), "-screen", "0", "1280x1024x24", "-nolisten", "tcp", "-noreset"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=[writer],
                preexec_fn=harness._die_with_parent)
        os.close(writer)
        with os.fdopen(reader, encoding="ascii") as file:
            number = file.readline().strip()
        if not number:
            raise AssertionError(f"no X server: {open(f'{root}/xvfb.log', encoding='utf-8').read()}")
        self.display = f":{number}"

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Applet:
    """@arguments: of its command line. It is stopped with the test."""

    def __init__(self, case, *arguments, environment=None, program="tests/integration/test-applet"):
        self.case, self.root = case, case.service.root
        self.environment = self.make_environment(case, environment)
        self.n_files = 0
        self.log = f"{self.root}/applet.log"
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([os.path.join(harness.BUILD, program), *arguments],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/",
                                            env=self.environment, preexec_fn=harness._die_with_parent)
        case.applets.append(self)
        self.bus = Gio.DBusConnection.new_for_address_sync(
            case.service.address("bus"), Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT
            | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION, None, None)
        self.bus.set_exit_on_close(False)
        until(self.is_there, "the applet's name on the bus")

    @staticmethod
    def make_environment(case, environment=None):
        return {
            **case.service.environment, "DISPLAY": case.screen.display, "GDK_BACKEND": "x11", "GSK_RENDERER": "cairo",
            "GSETTINGS_SCHEMA_DIR": os.path.join(harness.BUILD, "data", "applet"), "GTK_A11Y": "none", "GSETTINGS_BACKEND": "memory", "GTK_USE_PORTAL": "0", "NO_AT_BRIDGE": "1",
            "XDG_DATA_DIRS": "/usr/local/share:/usr/share", **(environment or {})}

    def call(self, path, interface, method, args, destination=APPLET):
        return self.bus.call_sync(destination, path, interface, method, args, None, Gio.DBusCallFlags.NO_AUTO_START,
                                  int(harness.LIMIT * 1000), None).unpack()

    def is_there(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the applet ended with {self.process.returncode}: {self.words()}")
        return self.call("/org/freedesktop/DBus", "org.freedesktop.DBus", "NameHasOwner", GLib.Variant("(s)", (APPLET,)),
                         "org.freedesktop.DBus")[0]

    def words(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()

    # --- actions ---

    def activate(self, action, *parameters):
        """app.NAME or win.NAME."""
        group, _, name = action.partition(".")
        path = APPLET_PATH if group == "app" else APPLET_PATH + "/window/1"
        self.call(path, "org.gtk.Actions", "Activate", GLib.Variant("(sava{sv})", (name, list(parameters), {})))

    def on_lock(self, action, lock_id):
        self.activate(action, GLib.Variant("t", lock_id))

    def press(self, label):
        """A button of the window on top."""
        self.activate("app.test-press", GLib.Variant("s", label))

    def strike(self, *keys):
        """On the keyboard, through the X server: "ctrl+n", "Down". Returns when the applet has dealt with it."""
        self._use_keyboard("key", *keys)

    def write(self, text):
        self._use_keyboard("type", "--args", "1", text)

    def _use_keyboard(self, *words):
        self._file_of("app.test-sync")  # what is to have the keys is on the screen
        # The last word asks the X server something, which answers when it has taken the keys.
        subprocess.run([XDOTOOL, *words, "getmouselocation"], check=True, env=self.environment, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, timeout=harness.LIMIT)
        self._file_of("app.test-sync")

    def type(self, title, text):
        self.activate("app.test-type", GLib.Variant("(ss)", (title, text)))

    def choose(self, title, position):
        self.activate("app.test-choose", GLib.Variant("(su)", (title, position)))

    def resize(self, width, height):
        self.activate("app.test-size", GLib.Variant("(ii)", (width, height)))

    def idle(self):
        """Returns when nothing is drawn or moves any more."""
        self._file_of("app.test-idle")

    def has_window(self):
        return "<node name=\"window\"/>" in self.call(
            APPLET_PATH, "org.freedesktop.DBus.Introspectable", "Introspect", None)[0]

    def clipboard(self):
        return self._answer("app.test-clipboard")

    def _file_of(self, action, path=None):
        self.n_files += 1
        path = path or f"{self.root}/answer{self.n_files}"
        if os.path.exists(path):
            os.unlink(path)
        self.activate(action, GLib.Variant("s", path))
        until(lambda: os.path.exists(path) or self.process.poll() is not None, f"an answer to {action}")
        if self.process.poll() is not None:
            raise AssertionError(f"the applet ended with {self.process.returncode}: {self.words()}")
        return path

    def _answer(self, action):
        with open(self._file_of(action), encoding="utf-8") as file:
            return file.read()

    # --- what it shows ---

    def rows(self):
        """What the list holds: ids, and "# PATH" for a heading."""
        return [line if line.startswith("#") else int(line.split()[0])
                for line in self._answer("app.test-rows").splitlines()]

    def ids(self):
        return [row for row in self.rows() if isinstance(row, int)]

    def state(self):
        """What a person sees: page, title, banner, toast, and of each row in view its texts."""
        return json.loads(self._answer("app.test-state"))

    def row(self, lock_id):
        """The texts of that row, or None."""
        return next((row for row in self.state()["rows"] if row["id"] == lock_id), None)

    def wait_ids(self, ids, what="rows"):
        """Until it shows exactly these."""
        return until(lambda: self.ids() == list(ids), lambda: f"{what} {list(ids)}; shown: {self.ids()}")

    def wait_state(self, predicate, what):
        return until(lambda: (lambda state: state if predicate(state) else None)(self.state()),
                     lambda: f"{what}; shown: {self.state()}")

    def wait_page(self, name):
        return self.wait_state(lambda state: state["page"] == name, f"page {name}")

    def wait_row(self, lock_id, predicate, what):
        return until(lambda: (lambda row: row if row is not None and predicate(row) else None)(self.row(lock_id)),
                     lambda: f"{what} of lock {lock_id}; shown: {self.row(lock_id)}")

    def picture(self, name):
        os.makedirs(PICTURES, exist_ok=True)
        return self._file_of("app.test-picture", os.path.join(PICTURES, f"{name}.png"))

    def frames(self):
        """Since the last call: (when it began, how long it took) of each frame, in µs."""
        return [tuple(map(int, line.split())) for line in self._answer("app.test-frames").splitlines()]

    def end(self):
        if self.process.poll() is None:
            self.activate("app.quit")
            until(lambda: self.process.poll() is not None, lambda: f"the end of the applet: {self.words()}")
        if not self.bus.is_closed():
            self.bus.close_sync(None)
        return self.process.returncode

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
