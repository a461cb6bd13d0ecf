# SPDX-License-Identifier: MIT
"""The applet and its service: found, lost, found again, and busy."""
import os
import signal
import stat
import subprocess

import harness
from applet import AppletCase
from harness import lines_of, until


@harness.both_doors
class Recovery(AppletCase):
    def test_the_service_goes_and_comes(self):
        agent, kept = self.holder(self.directory("kept"))
        gone, lost = self.holder(self.directory("lost"))
        applet = self.start_applet()
        applet.wait_ids([kept, lost])
        self.service.stop()
        state = applet.wait_state(lambda state: state["banner"] != "", "a banner")
        self.assertIn("The service has ended.", state["banner"])
        self.assertEqual(applet.ids(), [kept, lost])
        gone.die()
        self.service.start()
        applet.wait_state(lambda state: state["banner"] == "", "no banner")
        applet.wait_ids([kept])
        self.me = self.client()
        later = self.claim("later")
        applet.wait_ids([kept, later])
        agent.die()
        applet.wait_ids([later])

    def test_it_is_killed(self):
        """Again and again; what happens meanwhile is seen afterwards."""
        applet = self.start_applet()
        applet.wait_page("empty")
        for number in range(3):
            self.service.kill()
            applet.wait_page("away")
            self.service.start()
            applet.wait_page("empty")
            self.me = self.client()
            lock = self.claim(f"p{number}")
            applet.wait_ids([lock])
            self.me.release(id=lock)
            applet.wait_page("empty")

    def test_asking_while_it_is_away(self):
        lock = self.claim()
        applet = self.start_applet()
        applet.wait_ids([lock])
        self.service.stop()
        applet.wait_state(lambda state: state["banner"] != "", "a banner")
        applet.on_lock("win.release", lock)
        applet.wait_row(lock, lambda row: "away" in row["trouble"], "an error in the row")

    def test_it_comes_later(self):
        """Nobody is there at first."""
        self.service.stop()
        applet = self.start_applet()
        applet.wait_page("away")
        self.service.start()
        applet.wait_page("empty")


class Finding(AppletCase):
    """Without an address: as the commands find it."""

    autostart = False

    def test_it_is_started(self):
        """Where none runs and no bus would start it, the applet's start starts it, as a command would."""
        applet = self.start_applet("--user")
        applet.wait_page("empty")
        runtime = f"{self.service.root}/xdg/agentctl-locks"
        self.assertTrue(stat.S_ISSOCK(os.stat(f"{runtime}/bus").st_mode))
        done = self.command_line("claim", self.directory("mine"), "--user", address=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        applet.wait_page("list")
        daemon = self.daemons()[0]
        os.kill(daemon, signal.SIGKILL)
        applet.wait_state(lambda state: state["banner"] != "", "a banner")
        # It is waited for, until a person says otherwise.
        applet.activate("win.start-service")
        applet.wait_state(lambda state: state["banner"] == "", "no banner")
        self.assertNotEqual(self.daemons(), [daemon])

    def test_it_is_on_the_bus_alone(self):
        """The socket of another folder: the name on the session bus leads to it."""
        self.service.start()
        applet = self.start_applet("--user")
        applet.wait_page("empty")
        self.me = self.client()
        lock = self.claim()
        applet.wait_ids([lock])

    def daemons(self):
        """Those that live in our folder."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/environ", "rb") as file:
                    ours = f"HOME={self.service.root}/home".encode() in file.read().split(b"\0")
                with open(f"/proc/{pid}/comm", encoding="utf-8") as file:
                    name = file.read().strip()
                with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
                    dead = file.read().rpartition(")")[2].split()[0] in "ZX"
            except OSError:
                continue
            if ours and not dead and name.startswith("agentctl-locksd"):
                found.append(int(pid))
        return found


@harness.both_doors
class Load(AppletCase):
    config = {"MaxLocksPerUser": 5000}

    def test_hundreds_of_changes_a_second(self):
        """Nothing is lost and nothing doubled; the list is redrawn, not flooded."""
        kept = [self.claim(f"kept{number}") for number in range(3)]
        places = [self.directory(f"d{number}") for number in range(20)]
        applet = self.start_applet()
        applet.wait_ids(kept)
        for _ in range(30):
            locks = [self.me.acquire(place, manual=True) for place in places]
            for lock in locks[:-1]:
                self.me.release(id=lock)
            kept.append(locks[-1])
            places[-1] = self.directory(f"last{len(kept)}")
        applet.wait_ids(kept)
        self.assertEqual([lock["id"] for lock in self.me.list()], kept)

    def test_a_start_in_the_midst(self):
        """Subscribed first, listed second: whatever moment it starts at."""
        places = [self.directory(f"d{number}") for number in range(10)]
        running = self.start_command_line_load(places)
        applet = self.start_applet()
        lines = lines_of(running)
        while running.poll() is None:
            said = len(lines())
            until(lambda: running.poll() is not None or len(lines()) > said, "the load to go on")
        self.assertEqual(running.returncode, 0)
        applet.wait_ids([lock["id"] for lock in self.me.list()])

    def start_command_line_load(self, places):
        """Another process that claims and releases for a while, and leaves every second lock."""
        script = (
            "import gi, sys\ngi.require_version('Gio', '2.0')\nfrom gi.repository import Gio, GLib\n"
            "flags = Gio.DBusConnectionFlags(int(sys.argv[2]))\n"
            "bus = Gio.DBusConnection.new_for_address_sync(sys.argv[1], flags, None, None)\n"
            "name = 'org.agentctl.Locks' if int(sys.argv[2]) & 8 else None\n"
            "def call(method, *args):\n"
            "    return bus.call_sync(name, '/org/agentctl/Locks', 'org.agentctl.Locks', method,\n"
            "        GLib.Variant('(sa{sv})', args), None, 0, -1, None).unpack()[0]\n"
            "for _ in range(100):\n"
            "    ids = [call('Acquire', p, {'manual': GLib.Variant('b', True)}) for p in sys.argv[3:]]\n"
            "    for i in ids: call('Release', '', {'id': GLib.Variant('t', i)})\n"
            "    print('on', flush=True)\n"
            "for p in sys.argv[3::2]: call('Acquire', p, {'manual': GLib.Variant('b', True)})\n")
        process = subprocess.Popen(["/usr/bin/python3", "-c", script, self.service.address(self.door),
                                    "1" if self.door == "direct" else "9", *places], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, preexec_fn=harness._die_with_parent)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process


if __name__ == "__main__":
    harness.main()
