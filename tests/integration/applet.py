# SPDX-License-Identifier: MIT
"""agentctl-locks-applet: the real one, against a real service, on a screen without a monitor."""
import os
import subprocess

import harness
from applet_desktop import Tray
from applet_screen import Applet, Screen
from gi.repository import GLib
from harness import until


class AppletCase(harness.Case):
    """With a screen and a tray, and an applet to be made by start_applet()."""

    tray_is_there = True

    def setUp(self):
        super().setUp()
        self.applets = []
        self.forgiven = []
        self.screen = Screen(self.service.root)
        self.addCleanup(self.screen.stop)
        self.addCleanup(self.stop_applets)
        if self.tray_is_there:
            self.tray = self.own(Tray)

    def tearDown(self):
        """It must end well, and have had nothing to complain about."""
        for applet in self.applets:
            self.assertEqual(applet.end(), 0, applet.words())
            lines = [line for line in applet.words().splitlines()
                     if line and not any(text in line for text in self.forgiven)]
            self.assertEqual(lines, [])
        super().tearDown()

    def own(self, kind, **given):
        """Something of a desktop (applet_desktop.py)."""
        owner = kind(self.service.address("bus"), **given)
        self.addCleanup(owner.leave)
        return owner

    def forgive(self, text):
        """The applet may say this in its log."""
        self.forgiven.append(text)

    def stop_applets(self):
        for applet in self.applets:
            applet.kill()

    def start_applet(self, *arguments, **given):
        return Applet(self, *(arguments or [f"--address={self.service.address(self.door)}"]), **given)

    def claim(self, name="project", **given):
        return self.me.acquire(self.directory(name), manual=True, **given)

    def executable(self, folder, name, text):
        os.makedirs(f"{self.service.root}/{folder}", exist_ok=True)
        path = f"{self.service.root}/{folder}/{name}"
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, 0o755)
        return path

    def repository(self, name, *worktrees):
        """A Git repository with a commit, and worktrees beside it."""
        place = self.directory(name)
        git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org", "-C", place]
        for command in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "begin"],
                        *(["worktree", "add", "-q", "-b", branch, f"{place}-{branch}"] for branch in worktrees)):
            subprocess.run([*git, *command], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL, env={**os.environ, "GIT_CONFIG_NOSYSTEM": "1"})
        return place


@harness.both_doors
class Rows(AppletCase):
    def test_right_from_the_start(self):
        """What was there before it, and what comes after."""
        agent, first = self.holder(self.directory("one"), agent="claude", reason="the parser", subtree=True)
        second = self.claim("two", ttl=7200)
        applet = self.start_applet()
        applet.wait_ids([first, second])
        row = applet.wait_row(first, lambda _: True, "the row")
        self.assertEqual(row["directory"], self.directory("one"))
        self.assertEqual(row["holder"], f"claude · test-agent · process {agent.pid} · the parser")
        self.assertEqual(row["mode"], "Exclusive · with everything below")
        self.assertEqual(row["warning"] + row["trouble"] + row["waiters"], "")
        row = applet.wait_row(second, lambda _: True, "the row")
        self.assertEqual(row["mode"], "Claim")
        self.assertIn("ends in", row["age"])
        applet.wait_state(lambda state: "2 directories in use" in state["texts"], "their number")
        third = self.claim("three")
        applet.wait_ids([first, second, third])

    def test_nothing_and_something(self):
        applet = self.start_applet()
        applet.wait_page("empty")
        applet.activate("win.copy-command")
        applet.wait_state(lambda state: "Command copied" in state["texts"], "a word about it")
        lock = self.claim()
        applet.wait_page("list")
        applet.wait_ids([lock])
        self.me.release(id=lock)
        applet.wait_page("empty")

    def test_changes(self):
        place = self.directory()
        agent, lock = self.holder(place, shared=True)
        applet = self.start_applet()
        applet.wait_row(lock, lambda row: row["mode"] == "Shared", "the mode")
        waiter = self.agent(place)
        waiting = waiter.begin_acquire(place, conflict="wait")
        applet.wait_row(lock, lambda row: row["waiters"] == "1 waits", "one who waits")
        agent.die()
        new = waiting.value()[0]
        applet.wait_ids([new])
        other = self.agent(place)
        waiter.call("Transfer", new, harness.options(pid=other.pid))
        applet.wait_row(new, lambda row: str(other.pid) in row["holder"], "the new holder")
        self.assertEqual(applet.row(new)["waiters"], "")

    def test_how_long(self):
        """The text is rewritten while the window is there, and is not wrong for longer than it takes to write."""
        lock = self.claim()
        applet = self.start_applet()
        applet.wait_row(lock, lambda row: row["age"].startswith("for "), "an age")
        first = applet.row(lock)["age"]
        applet.wait_row(lock, lambda row: row["age"] != first, "a later age")

    def test_in_the_background(self):
        """No window until one is asked for; then it is right at once."""
        lock = self.claim()
        applet = self.start_applet(f"--address={self.service.address(self.door)}", "--background")
        self.assertFalse(applet.has_window())
        applet.activate("app.show")
        applet.wait_ids([lock])

    def test_another_start_shows_the_first(self):
        lock = self.claim()
        applet = self.start_applet()
        applet.wait_ids([lock])
        program = os.path.join(harness.BUILD, "src/applet/agentctl-locks-applet")
        done = subprocess.run([program], env=applet.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=harness.LIMIT, check=False)
        self.assertEqual((done.returncode, done.stdout), (0, b""))
        done = subprocess.run([program, "--system"], env=applet.environment, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=harness.LIMIT, check=False)
        self.assertEqual(done.returncode, 64)
        self.assertIn(b"runs already", done.stdout)


class Warnings(AppletCase):
    config = {"CwdGraceSec": 3600}

    def test_outside(self):
        place = self.directory()
        agent, lock = self.holder(place)
        applet = self.start_applet()
        applet.wait_row(lock, lambda row: row["warning"] == "", "nothing to worry about")
        agent.chdir("/")
        row = applet.wait_row(lock, lambda row: row["warning"] != "", "a warning")
        self.assertIn("left the directory", row["warning"])
        self.assertEqual(row["icon"], "dialog-warning-symbolic")
        agent.chdir(place)
        row = applet.wait_row(lock, lambda row: row["warning"] == "", "no warning any more")
        self.assertEqual(row["icon"], "changes-prevent-symbolic")


class Groups(AppletCase):
    def test_worktrees(self):
        place = self.repository("app", "two", "three")
        other = self.repository("other")
        first = self.claim("app-two")
        alone = self.claim("other")
        second = self.claim("app-three")
        applet = self.start_applet()
        until(lambda: applet.rows() == [f"# {place}", first, second, alone], lambda: f"groups; shown: {applet.rows()}")
        self.me.release(id=second)
        until(lambda: applet.rows() == [first, alone], lambda: f"no group; shown: {applet.rows()}")
        self.assertTrue(os.path.isdir(other))

    def test_search(self):
        first = self.claim("apple", reason="the Parser")
        second = self.claim("pear")
        applet = self.start_applet()
        applet.wait_ids([first, second])
        applet.activate("app.test-search", GLib.Variant("s", "parser apple"))
        applet.wait_ids([first])
        third = self.claim("apple-two", reason="another parser")
        applet.wait_ids([first, third])
        applet.activate("app.test-search", GLib.Variant("s", "nobody has this"))
        applet.wait_page("nothing-found")
        applet.activate("app.show-lock", GLib.Variant("t", second))
        applet.wait_ids([first, second, third])


@harness.both_doors
class Actions(AppletCase):
    def test_copy_path(self):
        lock = self.claim()
        applet = self.start_applet()
        applet.wait_ids([lock])
        applet.on_lock("win.copy-path", lock)
        applet.wait_state(lambda state: "Path copied" in state["texts"], "a word about it")
        until(lambda: applet.clipboard() == self.directory(), lambda: f"the path; copied: {applet.clipboard()}")

    def test_open_terminal(self):
        lock = self.claim()
        self.executable("bin", "xdg-terminal-exec", f'#!/bin/sh\npwd >"{self.service.root}/opened.part"\n'
                        f'mv "{self.service.root}/opened.part" "{self.service.root}/opened"\n')
        applet = self.start_applet(environment={"PATH": f"{self.service.root}/bin:/usr/bin:/bin"})
        applet.wait_ids([lock])
        applet.on_lock("win.open-terminal", lock)
        until(lambda: os.path.exists(f"{self.service.root}/opened"), "the terminal")
        with open(f"{self.service.root}/opened", encoding="utf-8") as file:
            self.assertEqual(file.read().strip(), self.directory())
        applet.wait_row(lock, lambda row: row["trouble"] == "", "no error")

    def test_no_terminal(self):
        """The row says so, until it is dismissed or something else is asked of it."""
        lock = self.claim()
        applet = self.start_applet(environment={"PATH": f"{self.service.root}/nothing"})
        applet.wait_ids([lock])
        applet.on_lock("win.open-terminal", lock)
        applet.wait_row(lock, lambda row: "No terminal program was found" in row["trouble"], "an error in the row")
        applet.on_lock("win.copy-path", lock)
        applet.wait_row(lock, lambda row: row["trouble"] == "", "no error any more")

    def test_open_folder(self):
        lock = self.claim()
        handler = self.executable("bin", "file-manager", f'#!/bin/sh\nprintf %s "$1" >"{self.service.root}/opened.part"\n'
                                  f'mv "{self.service.root}/opened.part" "{self.service.root}/opened"\n')
        data = f"{self.service.root}/home/data/applications"
        os.makedirs(data)
        with open(f"{data}/file-manager.desktop", "w", encoding="utf-8") as file:
            file.write(f"[Desktop Entry]\nType=Application\nName=Files\nExec={handler} %u\nMimeType=inode/directory;\n")
        with open(f"{data}/mimeapps.list", "w", encoding="utf-8") as file:
            file.write("[Default Applications]\ninode/directory=file-manager.desktop\n")
        applet = self.start_applet()
        applet.wait_ids([lock])
        applet.on_lock("win.open-folder", lock)
        until(lambda: os.path.exists(f"{self.service.root}/opened"), lambda: f"the folder; {applet.row(lock)}")
        with open(f"{self.service.root}/opened", encoding="utf-8") as file:
            self.assertEqual(file.read().rstrip("/").removeprefix("file://"), self.directory())

    def test_release_a_claim(self):
        lock = self.claim()
        applet = self.start_applet()
        applet.wait_ids([lock])
        applet.on_lock("win.release", lock)
        self.me.wait_released(lock, "released")
        applet.wait_page("empty")
        applet.wait_state(lambda state: "Released project" in state["texts"], "a word about it")

    def test_a_holder_that_lives(self):
        """Releasing it without force is refused, in the row; with force it is asked first, and says what runs."""
        agent, lock = self.holder(self.directory(), agent="claude")
        applet = self.start_applet()
        applet.wait_ids([lock])
        applet.on_lock("win.release", lock)
        applet.wait_row(lock, lambda row: str(agent.pid) in row["trouble"], "a refusal in the row")
        applet.on_lock("win.force-release", lock)
        dialog = applet.wait_state(lambda state: state["dialog"], "a question")["dialog"]
        text = " ".join(dialog)
        for word in ("claude", "test-agent", str(agent.pid), self.directory(), "is running"):
            self.assertIn(word, text)
        applet.press("Cancel")
        applet.wait_state(lambda state: not state["dialog"], "no question")
        self.assertEqual(applet.ids(), [lock])
        applet.on_lock("win.force-release", lock)
        applet.wait_state(lambda state: state["dialog"], "a question")
        applet.press("Release")
        self.me.wait_released(lock, "forced")
        applet.wait_ids([])

    def test_the_question_goes_with_the_lock(self):
        agent, lock = self.holder(self.directory())
        applet = self.start_applet()
        applet.wait_ids([lock])
        applet.on_lock("win.force-release", lock)
        applet.wait_state(lambda state: state["dialog"], "a question")
        agent.die()
        applet.wait_state(lambda state: not state["dialog"], "no question")
        applet.wait_page("empty")

    def test_a_lock_that_has_ended(self):
        applet = self.start_applet()
        applet.wait_page("empty")
        applet.on_lock("win.release", 4711)
        applet.wait_state(lambda state: "This lock has ended." in state["texts"], "a word about it")

    def test_claim(self):
        applet = self.start_applet()
        applet.wait_page("empty")
        applet.activate("win.claim")
        applet.wait_state(lambda state: "Claim a Directory" in state["dialog"], "the dialog")
        applet.type("Directory", self.directory("mine") + "/missing")
        applet.press("Claim")
        applet.wait_state(lambda state: any("missing" in text for text in state["dialog"]), "an error in the dialog")
        applet.type("Directory", self.directory("mine"))
        applet.type("Reason", "reviewing")
        applet.choose("Until", 2)
        applet.press("Claim")
        signal_ = self.me.wait_signal("LockAcquired")
        self.assertEqual(signal_.directory, self.directory("mine"))
        self.assertEqual((signal_.lock["kind"], signal_.lock["reason"]), ("manual", "reviewing"))
        self.assertAlmostEqual(signal_.lock["expires-at"] - signal_.lock["acquired-at"], 3600e6, delta=2e6)
        applet.wait_state(lambda state: not state["dialog"], "the end of the dialog")
        applet.wait_ids([signal_.id])

    def test_claim_what_is_held(self):
        agent, lock = self.holder(self.directory(), agent="claude")
        applet = self.start_applet()
        applet.wait_ids([lock])
        applet.activate("win.claim")
        applet.wait_state(lambda state: state["dialog"], "the dialog")
        applet.type("Directory", self.directory())
        applet.press("Claim")
        applet.wait_state(lambda state: any(str(agent.pid) in text for text in state["dialog"]), "who holds it")
        applet.press("Cancel")
        applet.wait_state(lambda state: not state["dialog"], "the end of the dialog")


class Keyboard(AppletCase):
    """Everything without a pointer: real keys, through the X server."""

    def wait_focus(self, applet, lock):
        applet.wait_state(lambda state: state["focused"] == lock, f"the focus on lock {lock}")

    def test_claim_and_release(self):
        applet = self.start_applet()
        applet.wait_page("empty")
        applet.strike("ctrl+n")
        applet.wait_state(lambda state: "Claim a Directory" in state["dialog"], "the dialog")
        applet.write(self.directory("mine"))
        applet.strike("Return")
        lock = self.me.wait_signal("LockAcquired").id
        self.wait_no_dialog(applet)
        applet.wait_ids([lock])
        self.move_to(applet, lock)
        applet.strike("Delete")
        self.me.wait_released(lock, "released")

    def wait_no_dialog(self, applet):
        """There is no window manager here that gives the keyboard back to the window below."""
        applet.wait_state(lambda state: not state["dialog"], "no dialog")
        applet.activate("app.show")

    def move_to(self, applet, lock):
        """Into the list with Tab, down to the row."""
        def there():
            if applet.state()["focused"] == lock:
                return True
            applet.strike("Tab")
            return False
        until(there, lambda: f"the focus on lock {lock}; {applet.state()}")

    def test_rows(self):
        first, second = self.claim("one"), self.claim("two")
        applet = self.start_applet(environment={"PATH": f"{self.service.root}/nothing"})
        applet.wait_ids([first, second])
        self.move_to(applet, first)
        applet.strike("Down")
        self.wait_focus(applet, second)
        applet.strike("ctrl+c")
        until(lambda: applet.clipboard() == self.directory("two"), lambda: f"the path; copied: {applet.clipboard()}")
        applet.strike("ctrl+t")
        applet.wait_row(second, lambda row: "terminal" in row["trouble"], "an error in the row")
        applet.strike("Escape")
        applet.wait_row(second, lambda row: row["trouble"] == "", "no error any more")
        applet.strike("Return")
        applet.wait_state(lambda state: "Open Terminal Here" in state["texts"], "the menu")
        applet.strike("Escape")
        applet.wait_state(lambda state: "Open Terminal Here" not in state["texts"], "no menu")
        self.wait_focus(applet, second)

    def test_force(self):
        """Delete asks; Escape, and Enter on what is offered first, leave things as they are."""
        _, lock = self.holder(self.directory())
        applet = self.start_applet()
        applet.wait_ids([lock])
        self.move_to(applet, lock)
        for answer in ("Escape", "Return"):
            applet.strike("Delete")
            applet.wait_state(lambda state: state["dialog"], "a question")
            applet.strike(answer)
            self.wait_no_dialog(applet)
            self.wait_focus(applet, lock)
        self.assertEqual([one["id"] for one in self.me.list()], [lock])
        applet.strike("Delete")
        applet.wait_state(lambda state: state["dialog"], "a question")
        applet.strike("Tab", "space")
        self.me.wait_released(lock, "forced")

    def test_search(self):
        """Typing begins it, Enter goes to what was found, Escape ends it."""
        first, second = self.claim("apple"), self.claim("pear")
        applet = self.start_applet()
        applet.wait_ids([first, second])
        applet.strike("ctrl+f")
        applet.write("pear")
        applet.wait_ids([second])
        applet.strike("Escape")
        applet.wait_ids([first, second])


if __name__ == "__main__":
    harness.main()
