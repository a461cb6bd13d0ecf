# SPDX-License-Identifier: MIT
"""agentctl-locks-applet without its window: in the tray, in the background, and through notifications."""
import os
import re
import subprocess
import time

import harness
from applet import AppletCase
from applet_desktop import GtkNotifications, Notifications, Tray
from applet_screen import APPLET, APPLET_PATH, Applet
from gi.repository import GLib
from harness import until

NO_TRAY = "There is no tray here"
HINT = "This desktop has no tray"


class DesktopCase(AppletCase):
    """With settings that last, and a tray and notifications where the class says so."""

    tray_is_there = True
    notifications_class = Notifications

    def setUp(self):
        super().setUp()
        self.notes = self.own(self.notifications_class)

    def start_applet(self, *arguments, **given):
        environment = {"GSETTINGS_BACKEND": "keyfile", **given.pop("environment", {})}
        return super().start_applet(*[f"--address={self.service.address(self.door)}", *arguments],
                                    environment=environment, **given)

    def wait_hint(self, applet):
        applet.wait_state(lambda state: HINT in str(state["texts"]), "a word about the tray")

    def choose(self, **choices):
        """In the settings, before the applet starts or while it runs."""
        folder = os.path.join(self.service.environment["XDG_CONFIG_HOME"], "glib-2.0", "settings")
        os.makedirs(folder, exist_ok=True)
        self.chosen = {**getattr(self, "chosen", {}), **choices}
        with open(f"{folder}/keyfile.new", "w", encoding="utf-8") as file:
            file.write("[org/agentctl/Locks/Applet]\n")
            for name, value in self.chosen.items():
                text = str(value).lower() if isinstance(value, bool) else str(value)
                file.write(f"{name.replace('_', '-')}={text}\n")
        os.rename(f"{folder}/keyfile.new", f"{folder}/keyfile")

    def settings(self):
        try:
            path = os.path.join(self.service.environment["XDG_CONFIG_HOME"], "glib-2.0", "settings", "keyfile")
            with open(path, encoding="utf-8") as file:
                return file.read()
        except FileNotFoundError:
            return ""


class Item(DesktopCase):
    config = {"CwdGraceSec": 3600}

    def test_how_many(self):
        self.start_applet()
        name = self.tray.wait_item()
        self.assertRegex(name, r"^org\.kde\.StatusNotifierItem-\d+-1$")
        self.tray.wait_item_says("Title", "No directory is in use")
        item = self.tray.item()
        self.assertEqual(item["Category"], "ApplicationStatus")
        self.assertEqual(item["Id"], "agentctl-locks-applet")
        self.assertEqual(item["Status"], "Active")
        self.assertEqual(item["IconName"], APPLET + "-symbolic")
        self.assertEqual(item["AttentionIconName"], APPLET + "-attention-symbolic")
        self.assertFalse(item["ItemIsMenu"])
        self.assertEqual(item["XAyatanaLabel"], "")
        first = self.claim("a & b", agent="me")
        self.tray.wait_item_says("Title", "1 directory in use")
        self.tray.wait_item_says("XAyatanaLabel", "1")
        tip = self.tray.item()["ToolTip"]
        self.assertEqual(tip[2], "1 directory in use")
        self.assertEqual(tip[3], GLib.markup_escape_text(f"{self.directory('a & b')} — me"))
        self.claim("two")
        place = self.directory("three")
        for _ in range(2):  # two locks, one directory
            self.agent(place).acquire(place, shared=True)
        self.tray.wait_item_says("Title", "3 directories in use")
        self.me.release(id=first)
        self.tray.wait_item_says("Title", "2 directories in use")
        for name in ("NewTitle", "NewToolTip"):
            until(lambda name=name: len(self.tray.said(name)) >= 3, f"{name} for each change")
        until(lambda: self.tray.said("XAyatanaNewLabel")[-1] == ("2", "00"), "the signal of the label")

    def test_attention(self):
        place = self.directory()
        agent, _lock = self.holder(place)
        self.start_applet()
        self.tray.wait_item()
        self.tray.wait_item_says("Title", "1 directory in use")
        agent.chdir("/")
        self.tray.wait_item_says("Status", "NeedsAttention")
        agent.chdir(place)
        self.tray.wait_item_says("Status", "Active")
        until(lambda: self.tray.said("NewStatus") == [("NeedsAttention",), ("Active",)],
              lambda: f"a signal each; there was {self.tray.said('NewStatus')}")

    def test_service_away(self):
        self.claim()
        self.start_applet()
        self.tray.wait_item()
        self.tray.wait_item_says("Title", "1 directory in use")
        self.service.stop()
        self.tray.wait_item_says("Title", "The service is away")
        self.assertEqual(self.tray.item()["XAyatanaLabel"], "")
        self.assertNotIn("project", str(self.tray.labels()))
        self.service.start()
        self.tray.wait_item_says("Title", "1 directory in use")

    def test_at_most_a_few_times_a_second(self):
        """A thousand changes are not a thousand redraws."""
        self.start_applet()
        self.tray.wait_item()
        self.tray.wait_item_says("Title", "No directory is in use")
        began = time.monotonic()
        for n in range(300):
            self.claim(f"many{n}")
        self.tray.wait_item_says("Title", "300 directories in use")
        few = 10 + 5 * (time.monotonic() - began)
        self.assertLess(len(self.tray.said("NewTitle")), few)
        self.assertLess(len(self.tray.said("LayoutUpdated")), few)


class Menu(DesktopCase):
    def test_entries(self):
        agent, lock = self.holder(self.directory("my_project"), agent="claude")
        applet = self.start_applet("--background")
        self.tray.wait_item()
        head = ["1 directory in use", "-", "my_project — claude", "-"]
        tail = ["Open Window", "Claim a Directory…", "Preferences", "-", "Quit"]
        until(lambda: self.tray.labels() == head + tail, lambda: f"the menu; it has {self.tray.labels()}")
        layout = self.tray.layout()
        self.assertEqual(layout[0][1], {"label": "1 directory in use", "enabled": False})
        self.assertEqual(layout[1][1], {"type": "separator"})
        number = layout[2][0]
        # What is asked for, and no more.
        self.assertEqual(self.tray.menu_call("GetGroupProperties", [number, 4711], ["label"], types="(aias)")[0],
                         [(number, {"label": "my__project — claude"})])
        self.assertEqual(self.tray.menu_call("GetProperty", 0, "children-display", types="(is)")[0], "submenu")
        self.assertEqual(self.tray.menu_call("GetLayout", 0, 0, [], types="(iias)")[1][2], [])
        self.assertEqual(self.tray.menu_call("AboutToShow", 0, types="(i)")[0], False)
        self.assertEqual(self.tray.menu_call("AboutToShowGroup", [0, number, 4711], types="(ai)"), ([], [4711]))
        nothing = GLib.Variant("i", 0)
        self.assertEqual(self.tray.menu_call("EventGroup", [(number, "hovered", nothing, 0), (4711, "opened", nothing, 0)],
                                             types="(a(isvu))"), ([4711],))
        self.assertEqual(self.tray.menu_call("GetGroupProperties", [], ["type"], types="(aias)")[0].count(
            (layout[1][0], {"type": "separator"})), 1)
        for method, arguments, types in (("GetLayout", (4711, -1, []), "(iias)"), ("AboutToShow", (4711,), "(i)"),
                                         ("GetProperty", (number, "colour"), "(is)"), ("GetProperty", (4711, "label"), "(is)")):
            with self.subTest(method), self.assertRaises(GLib.Error):
                self.tray.menu_call(method, *arguments, types=types)
        with self.assertRaises(GLib.Error):
            self.tray.menu_call("Event", 4711, "clicked", GLib.Variant("i", 0), 0, types="(isvu)")
        # Its number is its own: another directory gets another, and a click on what is gone does nothing.
        agent.die()
        self.claim("other", agent="me")
        until(lambda: self.tray.find("other — me"), "the other directory in the menu")
        self.assertNotEqual(self.tray.find("other — me"), number)
        with self.assertRaises(GLib.Error):
            self.tray.menu_call("Event", number, "clicked", GLib.Variant("i", 0), 0, types="(isvu)")
        self.assertFalse(applet.has_window())
        self.assertEqual(len({number for number, _, _ in self.tray.layout()}), len(self.tray.layout()))

    def test_clicks(self):
        locks = [self.claim(name, agent="me") for name in ("one", "two")]
        applet = self.start_applet("--background")
        self.tray.wait_item()
        until(lambda: self.tray.find("two — me"), "the second directory in the menu")
        self.tray.choose("two — me")
        until(applet.has_window, "the window")
        applet.wait_ids(locks)
        applet.wait_state(lambda state: locks[1] in [row["id"] for row in state["rows"]], "the second in view")
        applet.activate("app.test-close")
        until(lambda: not applet.has_window(), "no window")
        self.tray.call(self.tray.items[-1], "/StatusNotifierItem", "org.kde.StatusNotifierItem",
                       "ProvideXdgActivationToken", GLib.Variant("(s)", ("token",)))
        self.tray.click()
        until(applet.has_window, "the window, by a click on the icon")
        # What has no meaning here is no error.
        self.tray.click("ContextMenu")
        self.tray.call(self.tray.items[-1], "/StatusNotifierItem", "org.kde.StatusNotifierItem", "Scroll",
                       GLib.Variant("(is)", (1, "vertical")))
        applet.activate("app.test-close")
        until(lambda: not applet.has_window(), "no window again")
        self.tray.click("SecondaryActivate")
        until(applet.has_window, "the window, by the other click")
        self.tray.choose("Claim a Directory…")
        applet.wait_state(lambda state: state["dialog"], "the dialog")
        self.tray.choose("Quit")
        until(lambda: applet.process.poll() is not None, "the end of the applet")
        self.assertEqual(applet.process.returncode, 0, applet.words())

    def test_a_repository_is_a_submenu(self):
        place = self.repository("house", "attic", "cellar")
        for path in (place, f"{place}-attic", f"{place}-cellar"):
            self.me.acquire(path, manual=True, agent="me")
        self.claim("elsewhere", agent="me")
        self.start_applet("--background")
        self.tray.wait_item()

        def labels():
            self.tray.menu_call("AboutToShow", 0, types="(i)")
            return self.tray.labels()[2:-6]
        until(lambda: labels() == ["house (3)", ["house — me", "house-attic — me", "house-cellar — me"],
                                   "elsewhere — me"], lambda: f"a submenu; the menu has {labels()}")
        self.choose(group_by_repository=False)
        until(lambda: labels() == ["house — me", "house-attic — me", "house-cellar — me", "elsewhere — me"],
              lambda: f"no submenu; the menu has {labels()}")

    def test_no_longer_than_a_screen(self):
        for n in range(20):
            self.claim(f"d{n}", agent="me")
        applet = self.start_applet("--background")
        self.tray.wait_item()
        until(lambda: self.tray.find("8 more…"), lambda: f"the rest in one; the menu has {self.tray.labels()}")
        self.assertEqual(self.tray.labels()[2:15], [f"d{n} — me" for n in range(12)] + ["8 more…"])
        self.tray.choose("8 more…")
        until(applet.has_window, "the window")


class Background(DesktopCase):
    def test_goes_on_without_a_window(self):
        applet = self.start_applet()
        self.tray.wait_item()
        until(applet.has_window, "the window")
        applet.wait_page("empty")
        applet.activate("app.test-close")
        until(lambda: not applet.has_window(), "no window")
        lock = self.claim()
        self.tray.wait_item_says("Title", "1 directory in use")
        applet.activate("app.show")
        applet.wait_ids([lock])
        self.assertEqual(applet.words(), "")

    def test_when_that_is_not_wanted(self):
        self.choose(background=False)
        applet = self.start_applet()
        applet.wait_page("empty")
        self.assertEqual(self.tray.items, [])
        applet.activate("app.test-close")
        until(lambda: applet.process.poll() is not None, "the end of the applet with its window")
        self.assertEqual(applet.process.returncode, 0, applet.words())

    def test_chosen_while_it_runs(self):
        applet = self.start_applet()
        name = self.tray.wait_item()
        self.choose(background=False)
        until(lambda: not self.has_owner(name), "the item's end")
        self.choose(background=True)
        self.tray.wait_item(2)
        applet.activate("app.test-close")
        until(lambda: not applet.has_window(), "no window")
        # Nobody is left unseen.
        self.choose(background=False)
        until(applet.has_window, "the window")

    def has_owner(self, name):
        return self.tray.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "NameHasOwner",
                              GLib.Variant("(s)", (name,)))[0]

    def test_the_panel_starts_again(self):
        self.claim()
        applet = self.start_applet("--background")
        first = self.tray.wait_item()
        self.tray.leave()
        self.tray = self.own(Tray)
        self.assertEqual(self.tray.wait_item(), first)
        self.tray.wait_item_says("Title", "1 directory in use")
        self.assertFalse(applet.has_window())
        self.assertEqual(len(self.tray.items), 1)
        self.assertEqual(applet.words(), "")

    def test_the_panel_goes_for_good(self):
        applet = self.start_applet("--background")
        self.tray.wait_item()
        self.tray.leave()
        until(applet.has_window, "a window, where there is no tray any more")
        self.wait_hint(applet)
        # Once is enough, though it comes and goes again.
        self.tray = self.own(Tray)
        self.tray.wait_item()
        applet.wait_state(lambda state: HINT not in str(state["texts"]), "no more word of a tray")
        self.tray.leave()
        self.wait_hint(applet)
        self.assertEqual(applet.words().count(NO_TRAY), 1)
        self.forgive(NO_TRAY)

    def test_the_host_comes_late(self):
        """A watcher without a host shows nothing."""
        self.tray.leave()
        self.tray = self.own(Tray, has_host=False)
        applet = self.start_applet("--background")
        self.tray.wait_item()
        until(applet.has_window, "a window")
        self.wait_hint(applet)
        self.tray.set_host(True)
        # From here on the window may be closed.
        applet.wait_state(lambda state: HINT not in str(state["texts"]), "no more word of a tray")
        applet.activate("app.test-close")
        until(lambda: not applet.has_window(), "no window")
        self.tray.wait_item_says("Title", "No directory is in use")
        self.forgive(NO_TRAY)


class NoTray(DesktopCase):
    tray_is_there = False

    def setUp(self):
        super().setUp()
        self.forgive(NO_TRAY)

    def test_says_so_once(self):
        applet = self.start_applet()
        self.wait_hint(applet)
        self.assertEqual(applet.words().count(NO_TRAY), 1)
        applet.activate("app.test-use", GLib.Variant("s", "dismiss-tray-hint"))
        applet.wait_state(lambda state: HINT not in str(state["texts"]), "no more word of it")
        until(lambda: "tray-hint=false" in self.settings(), lambda: f"a note of that; there is {self.settings()}")
        applet.activate("app.test-close")
        until(lambda: applet.process.poll() is not None, "the end of the applet with its window")
        self.assertEqual(applet.process.returncode, 0, applet.words())
        # And never again.
        again = self.start_applet()
        until(lambda: again.words().count(NO_TRAY) == 2, "the log's line of the second run")
        self.assertNotIn(HINT, str(again.state()["texts"]))

    def test_background_becomes_a_window(self):
        applet = self.start_applet("--background")
        # Not before it is known that there is no tray.
        self.assertTrue(not applet.has_window() or NO_TRAY in applet.words())
        until(applet.has_window, "the window")
        self.assertIn(NO_TRAY, applet.words())
        self.wait_hint(applet)
        applet.activate("app.test-close")
        until(lambda: applet.process.poll() is not None, "the end of the applet with its window")

    def test_closed_before_it_is_known(self):
        applet = self.start_applet()
        until(applet.has_window, "the window")
        applet.activate("app.test-close")
        until(lambda: applet.process.poll() is not None, "the end of the applet with its window")
        self.assertEqual(applet.process.returncode, 0, applet.words())


class NoteCase(DesktopCase):
    """A directory that is watched."""

    def setUp(self):
        super().setUp()
        self.place = self.directory()
        self.watch()

    def watch(self):
        self.choose(watched=f"['{self.place}']")

    def ready(self, *arguments):
        """The applet, once it knows of what is there."""
        applet = self.start_applet("--background", *arguments)
        self.tray.wait_item()
        self.wait_count()
        return applet

    def wait_note(self, title):
        until(lambda: title in self.notes.titles(),
              lambda: f"a notification “{title}”; shown: {self.notes.titles()}, ever: {self.notes.all}")
        return next(note for note in reversed(self.notes.all) if note["title"] == title)

    def wait_no_note(self):
        until(lambda: not self.notes.titles(), lambda: f"no notification; shown: {self.notes.titles()}")

    def heard(self):
        """The applet knows of what was said before this: its reaction to something later is seen."""
        lock = self.claim("later")
        self.wait_count()
        self.me.release(id=lock)
        self.wait_count()

    def wait_count(self):
        n = len({lock["directory"] for lock in self.me.list()})
        self.tray.wait_item_says("XAyatanaLabel", str(n) if n > 0 else "")

    def no_more_than(self, *titles):
        """Of all that ever was: a later one has come, so what was to come before it has."""
        self.heard()
        self.beacon()
        self.assertEqual([note["title"] for note in self.notes.all if "beacon" not in note["title"]], list(titles))

    def beacon(self):
        """Something happens in another directory that is watched, and is told."""
        other = self.directory("beacon")
        self.choose(watched=f"['{self.place}', '{other}']", notify_released=True)
        before = len(self.notes.all)
        until(lambda: self.try_beacon(before), lambda: f"a notification; ever: {self.notes.all}")

    def try_beacon(self, before):
        # The settings are a file: when the applet has read it, only a notification tells.
        lock = self.claim("beacon")
        self.wait_count()
        self.me.release(id=lock)
        self.wait_count()
        deadline = GLib.get_monotonic_time() + 500_000
        until(lambda: len(self.notes.all) > before or GLib.get_monotonic_time() > deadline, "a moment")
        return any("beacon" in note["title"] for note in self.notes.all[before:])


class Notes(NoteCase):
    """Each event once, and taken back when it is moot."""

    def test_released(self):
        agent, _lock = self.holder(self.place, agent="claude")
        self.ready()
        agent.die()
        note = self.wait_note("The lock of “project” has ended")
        self.assertEqual(note["body"], f"claude: its process has ended.\n{self.place}")
        # Locked anew: history.
        self.claim()
        self.wait_no_note()
        self.no_more_than("The lock of “project” has ended")

    def test_why(self):
        lock = self.claim(agent="me")
        self.ready()
        self.me.release(id=lock)
        note = self.wait_note("The lock of “project” has ended")
        self.assertEqual(note["body"], f"me: it was released.\n{self.place}")

    def test_stolen(self):
        _agent, _lock = self.holder(self.place, agent="claude")
        self.ready()
        thief = self.agent(self.place)
        lock = thief.acquire(self.place, conflict="steal")
        note = self.wait_note("“project” was taken over")
        self.assertEqual(note["body"], f"claude has lost its lock and may still be at work there.\n{self.place}")
        # The thief's own lock is no answer to it; one that comes after is.
        self.assertEqual(self.notes.titles(), ["“project” was taken over"])
        thief.release(id=lock)
        self.wait_note("The lock of “project” has ended")
        self.claim()
        self.wait_no_note()
        self.no_more_than("“project” was taken over", "The lock of “project” has ended")

    def test_forced(self):
        _agent, lock = self.holder(self.place, agent="claude")
        self.ready()
        self.me.release(id=lock, force=True)
        self.wait_note("“project” was released by force")
        self.claim()
        self.wait_no_note()
        self.no_more_than("“project” was released by force")

    def test_granted(self):
        agent, lock = self.holder(self.place)
        self.choose(notify_released=False)
        self.ready()
        waiter = self.agent(self.place)
        waiting = waiter.begin_acquire(self.place, conflict="wait", agent="codex")
        until(lambda: self.me.lock(lock)["waiters"] == 1, "one who waits")
        self.heard()
        agent.die()
        granted = waiting.value()[0]
        note = self.wait_note("codex has “project” now")
        self.assertEqual(note["body"], f"Its wait is over.\n{self.place}")
        waiter.release(id=granted)
        self.wait_no_note()
        self.no_more_than("codex has “project” now")

    def test_not_granted_but_taken(self):
        """A free directory that somebody takes is no wait."""
        agent, _lock = self.holder(self.place)
        self.choose(notify_released=False)
        self.ready()
        agent.die()
        self.claim()
        self.no_more_than()

    def test_nobody_watches(self):
        self.choose(watched="@as []")
        agent, _lock = self.holder(self.place)
        self.ready()
        agent.die()
        self.no_more_than()

    def test_everything_is_watched(self):
        self.choose(watched="@as []", watch_all=True)
        agent, _lock = self.holder(self.place)
        self.ready()
        agent.die()
        self.wait_note("The lock of “project” has ended")

    def test_watched_from_the_window(self):
        self.choose(watched="@as []")
        agent, lock = self.holder(self.place)
        applet = self.ready()
        applet.activate("app.watch", GLib.Variant("(sb)", (self.place, True)))
        until(lambda: self.place in self.settings(), "the directory in the settings")
        agent.die()
        self.wait_note("The lock of “project” has ended")
        applet.activate("app.watch", GLib.Variant("(sb)", (self.place, False)))
        until(lambda: self.place not in self.settings(), "the directory not in the settings")

    def test_click_shows_the_window(self):
        agent, _lock = self.holder(self.place)
        applet = self.ready()
        agent.die()
        self.wait_note("The lock of “project” has ended")
        self.notes.click("The lock of “project” has ended")
        until(applet.has_window, "the window")

    def test_switched_off(self):
        """Each kind by itself; what stands is taken back."""
        agent, lock = self.holder(self.place)
        self.ready()
        self.me.release(id=lock, force=True)
        self.wait_note("“project” was released by force")
        self.choose(notify_taken=False)
        self.wait_no_note()
        lock = agent.acquire(self.place)
        self.me.release(id=lock, force=True)
        agent.acquire(self.place)
        agent.die()
        self.wait_note("The lock of “project” has ended")
        self.choose(notify_released=False)
        self.wait_no_note()
        self.no_more_than("“project” was released by force", "The lock of “project” has ended")

    def test_handed_on(self):
        """What is moot at once does not stand."""
        agent, lock = self.holder(self.place)
        self.ready()
        waiter = self.agent(self.place)
        waiting = waiter.begin_acquire(self.place, conflict="wait", agent="codex")
        until(lambda: self.me.lock(lock)["waiters"] == 1, "one who waits")
        self.heard()
        agent.die()
        waiting.value()
        self.wait_note("codex has “project” now")
        until(lambda: self.notes.titles() == ["codex has “project” now"],
              lambda: f"nothing but that; shown: {self.notes.titles()}")

    def test_the_desktop_is_slow(self):
        """What is moot before the desktop has answered is taken back once it has."""
        self.notes.held = []
        agent, _lock = self.holder(self.place)
        self.ready()
        agent.die()
        self.wait_note("The lock of “project” has ended")
        self.claim(agent="me")
        # (It is given five seconds for its answer.)
        until(lambda: "— me" in self.tray.item()["ToolTip"][3], "the claim in the tray")
        self.assertEqual(self.notes.titles(), ["The lock of “project” has ended"])
        self.notes.answer()
        self.wait_no_note()

    def test_quit_leaves_nothing(self):
        agent, _lock = self.holder(self.place)
        applet = self.ready()
        agent.die()
        self.wait_note("The lock of “project” has ended")
        applet.activate("app.quit")
        self.wait_no_note()
        until(lambda: applet.process.poll() is not None, "the end of the applet")


class Left(NoteCase):
    config = {"CwdGraceSec": 3600}

    def test_left_and_back(self):
        agent, _lock = self.holder(self.place, agent="claude")
        self.ready()
        agent.chdir("/")
        note = self.wait_note("claude has left “project”")
        self.assertEqual(note["body"], f"If it stays away, its lock ends.\n{self.place}")
        agent.chdir(self.place)
        self.wait_no_note()
        agent.chdir("/")
        self.wait_note("claude has left “project”")
        agent.die()
        self.wait_note("The lock of “project” has ended")
        self.assertEqual(self.notes.titles(), ["The lock of “project” has ended"])
        self.no_more_than("claude has left “project”", "claude has left “project”", "The lock of “project” has ended")

    def test_left_switched_off(self):
        self.choose(notify_left=False)
        agent, lock = self.holder(self.place, agent="claude")
        self.ready()
        agent.chdir("/")
        until(lambda: self.me.lock(lock)["cwd"] == "outside", "it outside")
        self.tray.wait_item_says("Status", "NeedsAttention")
        agent.chdir(self.place)
        self.tray.wait_item_says("Status", "Active")
        self.no_more_than()



class GtkNotes(NoteCase):
    """The same where the desktop is GNOME's."""

    notifications_class = GtkNotifications

    def test_as_gnome_has_it(self):
        agent, lock = self.holder(self.place)
        self.ready()
        agent.die()
        note = self.wait_note("The lock of “project” has ended")
        self.assertEqual(note["application"], APPLET)
        self.assertEqual(note["action"], "app.show-lock")
        self.claim()
        self.wait_no_note()



class Preferences(DesktopCase):
    def test_each_switch(self):
        applet = self.start_applet()
        self.tray.wait_item()
        applet.activate("app.preferences")
        switches = {"notify-released": "false", "notify-taken": "false", "notify-left": "false",
                    "notify-granted": "false", "watch-all": "true", "group-by-repository": "false",
                    "background": "false"}
        applet.wait_state(lambda state: "Notifications" in state["dialog"], "the preferences")
        for name, value in switches.items():
            applet.activate("app.test-use", GLib.Variant("s", name))
            until(lambda: re.search(rf"(?m)^{name}={value}$", self.settings()),
                  lambda: f"{name}={value} in the settings; there is {self.settings()}")

    def test_start_at_login(self):
        path = os.path.join(self.service.environment["XDG_CONFIG_HOME"], "autostart", f"{APPLET}.desktop")
        applet = self.start_applet()
        applet.activate("app.preferences")
        applet.wait_state(lambda state: "Start at Login" in state["dialog"], "the preferences")
        self.assertFalse(os.path.exists(path))
        applet.activate("app.test-use", GLib.Variant("s", "start-at-login"))
        until(lambda: os.path.exists(path), "the file that starts it")
        done = subprocess.run(["desktop-file-validate", path], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, encoding="utf-8", check=False)
        self.assertEqual((done.returncode, done.stdout), (0, ""))
        with open(path, encoding="utf-8") as file:
            self.assertRegex(file.read(), r"(?m)^Exec=/\S*/agentctl-locks-applet --background$")
        applet.activate("app.test-use", GLib.Variant("s", "start-at-login"))
        until(lambda: not os.path.exists(path), "no such file")

    def test_without_a_schema(self):
        """Not installed, or not compiled: it runs, with the defaults."""
        self.forgive("settings schema")
        lock = self.claim()
        applet = self.start_applet(environment={"GSETTINGS_SCHEMA_DIR": self.service.root})
        applet.wait_ids([lock])
        self.assertEqual(applet.words().count("settings schema"), 1)
        self.tray.wait_item()
        applet.activate("app.preferences")
        applet.wait_state(lambda state: "Notifications" in state["dialog"], "the preferences")
        applet.activate("app.test-use", GLib.Variant("s", "watch-all"))
        self.me.release(id=lock)
        until(lambda: self.notes.titles() == ["The lock of “project” has ended"], "a notification")
        self.assertEqual(self.settings(), "")


class Activated(Applet):
    """Started by the bus, not by us."""

    def __init__(self, case, action):
        self.case, self.root, self.n_files, self.log = case, case.service.root, 0, f"{case.service.root}/bus.log"
        self.process = self
        self.returncode = None
        self.bus = case.tray.bus
        environment = self.make_environment(case, {"AGENTCTL_LOCKS_ADDRESS": case.service.address("bus")})
        self.call("/org/freedesktop/DBus", "org.freedesktop.DBus", "UpdateActivationEnvironment",
                  GLib.Variant("(a{ss})", (environment,)), "org.freedesktop.DBus")
        self.call("/org/freedesktop/DBus", "org.freedesktop.DBus", "StartServiceByName",
                  GLib.Variant("(su)", (APPLET, 0)), "org.freedesktop.DBus")
        self.call(APPLET_PATH, "org.freedesktop.Application", "ActivateAction",
                  GLib.Variant("(sava{sv})", (action, [], {})))

    def poll(self):
        """As a process would be asked."""
        there = self.call("/org/freedesktop/DBus", "org.freedesktop.DBus", "NameHasOwner",
                          GLib.Variant("(s)", (APPLET,)), "org.freedesktop.DBus")[0]
        return None if there else 0


class Activation(DesktopCase):
    def test_by_the_bus(self):
        """As a desktop file that is DBusActivatable asks for it."""
        with open(os.path.join(harness.BUILD, "data", "applet", f"{APPLET}.service"), encoding="utf-8") as file:
            text = file.read()
        program = os.path.join(harness.BUILD, "tests", "integration", "test-applet")
        text, n = re.subn(r"(?m)^Exec=\S*/agentctl-locks-applet ", f"Exec={program} ", text)
        self.assertEqual(n, 1)
        with open(f"{self.service.root}/services/{APPLET}.service", "w", encoding="utf-8") as file:
            file.write(text)
        applet = Activated(self, "claim")
        applet.wait_state(lambda state: "Claim a Directory" in state["dialog"], "the dialog")
        self.tray.wait_item()
        applet.activate("app.quit")
        until(lambda: applet.poll() is not None, "the end of the applet")


if __name__ == "__main__":
    harness.main()
