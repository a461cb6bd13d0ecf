# SPDX-License-Identifier: MIT
"""Who asks, and for whom: the kernel's word, never the client's."""
import os
import signal

import gi

gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib  # noqa: E402

import harness
from harness import both_doors, options, until


@both_doors
class Claims(harness.Case):
    def test_without_a_pid_the_holder_is_the_caller(self):
        agent, lock = self.holder(self.directory())
        listed = self.me.lock(lock)
        self.assertEqual((listed["pid"], listed["uid"], listed["acquired-by"]),
                         (agent.pid, os.getuid(), agent.pid))
        self.assertEqual(listed["command"], "test-agent")

    def test_a_pid_of_ones_own_user(self):
        place = self.directory()
        agent, launcher = self.agent(place), self.agent("/")
        lock = launcher.acquire(place, pid=agent.pid)
        self.assertEqual((self.me.lock(lock)["pid"], self.me.lock(lock)["acquired-by"]), (agent.pid, launcher.pid))
        launcher.die()
        self.rounds_pass()
        self.assertEqual(self.me.released(lock), [], "the acquirer's end is nobody's end")

    def test_a_pidfd(self):
        place = self.directory()
        agent, launcher = self.agent(place), self.agent("/")
        lock = launcher.acquire(place, pidfd=launcher.open("pidfd", agent.pid))
        self.assertEqual(self.me.lock(lock)["pid"], agent.pid)
        agent.kill()
        self.me.wait_released(lock, "exited")

    def test_a_pidfd_and_a_directory_fd_together(self):
        place = self.directory()
        agent, launcher = self.agent(place), self.agent("/")
        lock = launcher.acquire("", pidfd=launcher.open("pidfd", agent.pid),
                                directory_fd=launcher.open("directory", place))
        self.assertEqual((self.me.lock(lock)["pid"], self.me.lock(lock)["directory"]), (agent.pid, place))

    def test_a_dead_process(self):
        place = self.directory()
        gone = self.agent(place, connect=False)
        gone.die()
        with self.nothing_changes():
            self.refused("NoSuchProcess", self.me.acquire, place, pid=gone.pid)

    def test_a_pid_that_nobody_can_have(self):
        place = self.directory()
        with self.nothing_changes():
            for pid in (0x7FFFFFFF, 0xFFFFFFFF, 0x80000000):
                error = self.refused_any(("NoSuchProcess", "InvalidOption"), place, pid)
                self.assertIn("pid", error.message.lower().replace("process", "pid"))

    def refused_any(self, names, place, pid):
        try:
            self.me.acquire(place, pid=pid)
        except harness.Refused as error:
            self.assertIn(error.name, names)
            return error
        return self.fail(f"pid {pid} was granted a lock")

    def test_a_zombie(self):
        place = self.directory()
        zombie = self.agent(place, connect=False)
        zombie.kill()
        until(lambda: zombie.state() == "Z", "the zombie")
        with self.nothing_changes():
            self.refused("NoSuchProcess", self.me.acquire, place, pid=zombie.pid)
            self.refused("NoSuchProcess", self.me.acquire, place, pid=zombie.pid, follow_cwd=False)

    def test_a_pidfd_of_a_zombie(self):
        place = self.directory()
        zombie, launcher = self.agent(place, connect=False), self.agent("/")
        handle = launcher.open("pidfd", zombie.pid)
        zombie.kill()
        until(lambda: zombie.state() == "Z", "the zombie")
        with self.nothing_changes():
            self.refused("NoSuchProcess", launcher.acquire, place, pidfd=handle)

    def test_a_descriptor_that_is_no_pidfd(self):
        place = self.directory()
        agent = self.agent(place)
        handles = [agent.open("file", "/dev/null"), agent.open("directory", place)]
        with self.nothing_changes():
            for handle in handles:
                self.refused("InvalidOption", agent.acquire, place, pidfd=handle)

    def test_a_descriptor_that_is_no_directory(self):
        place = self.directory()
        agent = self.agent(place)
        handles = [agent.open("file", "/dev/null"), agent.open("pidfd", agent.pid)]
        with self.nothing_changes():
            for handle in handles:
                self.refused("InvalidDirectory", agent.acquire, "", directory_fd=handle)

    def test_a_handle_that_came_with_no_descriptor(self):
        place = self.directory()
        agent = self.agent(place)
        with self.nothing_changes():
            for key in ("pidfd", "directory_fd"):
                for handle in (0, 7, 0x7FFFFFFF):
                    self.refused("InvalidOption", agent.acquire, place, **{key: handle})

    def test_a_thread_is_no_process(self):
        place = self.directory()
        agent = self.agent(place)
        threads = [int(tid) for tid in os.listdir(f"/proc/{agent.pid}/task") if int(tid) != agent.pid]
        self.assertNotEqual(threads, [], "the agent's GDBus thread")
        with self.nothing_changes():
            self.refused("NoSuchProcess", self.me.acquire, place, pid=threads[0])

    def test_a_parent_and_its_child_are_two(self):
        place = self.directory()
        self.holder(place)
        self.refused("Held", self.agent(place).acquire, place)


@both_doors
class Spoofing(harness.Case):
    """The client's own word on who it is, in every place where it could say it."""

    def send_as(self, sender, place):
        """An Acquire with a sender field of the client's own making, from this process."""
        flags = Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT
        if self.door == "bus":
            flags |= Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION
        connection = Gio.DBusConnection.new_for_address_sync(self.service.address(self.door), flags, None, None)
        connection.set_exit_on_close(False)
        message = Gio.DBusMessage.new_method_call(
            harness.NAME if self.door == "bus" else None, harness.PATH, harness.NAME, "Acquire")
        message.set_sender(sender)
        message.set_body(GLib.Variant("(sa{sv})", (place, options())))
        os.chdir(place)
        try:
            reply, _ = connection.send_message_with_reply_sync(
                message, Gio.DBusSendMessageFlags.NONE, int(harness.LIMIT * 1000), None)
        finally:
            os.chdir("/")
            connection.close_sync(None)
        self.assertEqual(reply.get_message_type(), Gio.DBusMessageType.METHOD_RETURN, reply.print_(0))
        return reply.get_body().unpack()[0]

    def test_a_forged_sender_is_not_believed(self):
        victim, _ = self.holder(self.directory("victim"))
        for number, sender in enumerate((":1.0", ":1.1", ":1.2", "org.agentctl.Locks", "org.freedesktop.DBus")):
            lock = self.send_as(sender, self.directory(f"mine-{number}"))
            told = self.me.wait_signal("LockAcquired", lock)
            self.assertEqual(told.pid, os.getpid())
            self.assertNotEqual(told.pid, victim.pid)
            self.assertEqual(told.lock["acquired-by"], os.getpid())

    def test_a_forged_sender_releases_nothing(self):
        place = self.directory()
        victim, lock = self.holder(place)
        stranger = self.client()
        message = Gio.DBusMessage.new_method_call(stranger.destination, harness.PATH, harness.NAME, "Release")
        message.set_sender(":1.0")
        message.set_body(GLib.Variant("(sa{sv})", (place, options(id=lock))))
        reply, _ = stranger.connection.send_message_with_reply_sync(
            message, Gio.DBusSendMessageFlags.NONE, int(harness.LIMIT * 1000), None)
        self.assertEqual(reply.get_error_name(), harness.ERROR_PREFIX + "HolderAlive")
        self.assertEqual(self.me.lock(lock)["pid"], victim.pid)


@both_doors
class OtherUsers(harness.Case):
    """The service of an ordinary user, and processes that are somebody else's. Process 1 is root's."""

    uid = harness.NOBODY if os.geteuid() == 0 else None

    def test_anothers_process(self):
        agent = self.agent("/")
        with self.nothing_changes():
            self.refused("NotPermitted", agent.acquire, "/", pid=1, shared=True)
            self.refused("NotPermitted", agent.acquire, self.directory(), pid=1, follow_cwd=False)

    def test_anothers_process_by_pidfd(self):
        agent = self.agent("/")
        handle = agent.open("pidfd", 1)
        with self.nothing_changes():
            self.refused("NotPermitted", agent.acquire, self.directory(), pidfd=handle, follow_cwd=False)

    def test_anothers_directory(self):
        agent = self.agent("/")
        with self.nothing_changes():
            self.refused("NotPermitted", agent.acquire, "/", detect_agents=False)
            self.refused("NotPermitted", agent.acquire, "/", manual=True, detect_agents=False)

    def test_anothers_directory_shared(self):
        """Search permission is enough to look on together."""
        agent = self.agent("/")
        lock = agent.acquire("/", shared=True, detect_agents=False)
        self.assertEqual(self.me.lock(lock)["uid"], os.getuid() if self.uid is None else self.uid)

    def test_a_directory_out_of_reach(self):
        place = self.directory()
        inner = self.directory("project/closed/inner")
        os.chmod(os.path.dirname(inner), 0)
        agent = self.agent(place)
        with self.nothing_changes():
            self.refused("InvalidDirectory", agent.acquire, inner, follow_cwd=False)
        os.chmod(os.path.dirname(inner), 0o700)
        agent.acquire(inner, follow_cwd=False)

    def test_ones_own_directory_without_the_right_to_write(self):
        place = self.directory()
        agent = self.agent(place)
        os.chmod(place, 0o500)
        with self.nothing_changes():
            self.refused("NotPermitted", agent.acquire, place)
        agent.acquire(place, shared=True)
        os.chmod(place, 0o700)

    def test_permission_is_judged_before_conflicts(self):
        place = self.directory()
        self.holder(place)
        agent = self.agent(place)
        os.chmod(place, 0o500)
        self.refused("NotPermitted", agent.acquire, place)
        os.chmod(place, 0o700)
        self.refused("Held", agent.acquire, place)


class DirectSocketAccess(harness.Case):
    """The socket of a user's instance is that user's and root's."""

    door = "direct"
    uid = harness.NOBODY if os.geteuid() == 0 else None

    def test_its_mode(self):
        self.assertEqual(os.stat(self.service.socket).st_mode & 0o777, 0o600)

    def test_a_claim_to_be_another_user_is_refused_in_the_handshake(self):
        for claimed in ("0", "1", "12345"):
            if claimed == str(os.geteuid()):
                continue
            with harness.stream(self.service.socket) as wire:
                wire.send(b"\0AUTH EXTERNAL " + claimed.encode().hex().encode() + b"\r\n")
                self.assertTrue(wire.line().startswith(b"REJECTED"), claimed)
        self.me.get("Version")

    def test_another_process_is_not_stopped_by_a_stopped_one(self):
        """Who does not read delays nobody."""
        sleeper = self.agent(self.directory("asleep"))
        harness.hold(sleeper)
        for number in range(20):
            agent, lock = self.holder(self.directory(f"project-{number}"))
            agent.die()
            self.me.wait_released(lock, "exited")
        sleeper.kill(signal.SIGCONT)

    def test_nothing_of_it_is_left_to_others(self):
        for folder in (f"{self.service.runtime}/locks", f"{self.service.state}/claims"):
            self.assertEqual(os.stat(folder).st_mode & 0o777, 0o700)


if __name__ == "__main__":
    harness.main()
