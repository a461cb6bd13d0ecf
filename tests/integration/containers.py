# SPDX-License-Identifier: MIT
"""Other PID, mount and user namespaces, and callers of whom little can be seen.

A container is a process tree with namespaces of its own and the direct socket bind-mounted into it. Whoever calls
from there is who the kernel says, holds locks under its own number on the machine, and means the directories that
it sees."""
import json
import os
import shutil
import subprocess
import sys

import harness
import machine
from harness import options, until

# Everything of the machine under another root, with the socket and one directory in places of their own.
CONTAINER = """
set -e
mount -t tmpfs -o mode=0755 tmpfs "$ROOT"
for folder in bin lib lib64 usr etc dev; do
    [ -e "/$folder" ] || continue
    mkdir "$ROOT/$folder"
    mount --rbind "/$folder" "$ROOT/$folder"
done
mkdir -p "$ROOT/run/agentctl-locks" "$ROOT/work" "$ROOT/proc" "$ROOT/agent" "$ROOT/tmp"
mount -t proc proc "$ROOT/proc"
mount --bind "$RUNTIME" "$ROOT/run/agentctl-locks"
mount --bind "$PLACE" "$ROOT/work"
mount --bind "$PROGRAMS" "$ROOT/agent"
cd "$ROOT/work"
exec "$@"
"""


class ContainerCase(machine.Case):
    door = "direct"

    def setUp(self):
        super().setUp()
        self.place = self.directory(owner="alice")
        self.root = f"{self.service.root}/container"
        os.mkdir(self.root)

    def inside(self, who="alice", namespaces=("--mount", "--pid", "--fork", "--kill-child"), connect=True):
        """An agent in a container. Where it has a PID namespace its number here is .host_pid."""
        programs = self.service.installation.root
        uid = machine.uid_of(who)
        environment = {**self.service.environment, "ROOT": self.root, "RUNTIME": self.service.runtime,
                       "PLACE": self.place, "PROGRAMS": programs}
        before = self.service.environment
        self.service.environment = environment
        try:
            agent = harness.Agent(
                self, "/", connect=False,
                program=["unshare", *namespaces, "--propagation", "private", "sh", "-c", CONTAINER, "container",
                         "chroot", self.root, "setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups",
                         "sh", "-c", "cd /work && exec /agent/test-agent"])
        finally:
            self.service.environment = before
        agent.order("chdir", "/work")
        agent.host_pid = self.innermost(agent.pid) if "--pid" in namespaces else agent.pid
        if connect:
            agent.order("connect", "0 peer unix:path=/run/agentctl-locks/bus")
        return agent

    @staticmethod
    def innermost(pid):
        while True:
            with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
                children = file.read().split()
            if not children:
                return pid
            pid = int(children[0])


class Containers(ContainerCase):
    def test_it_locks_for_itself_under_its_number_here(self):
        agent = self.inside()
        lock = agent.acquire("/work")
        listed = self.me.lock(lock)
        self.assertEqual((listed["pid"], listed["uid"], listed["cwd"], listed["acquired-by"]),
                         (agent.host_pid, machine.uid_of("alice"), "inside", agent.host_pid))
        self.assertEqual(listed["command"], "test-agent")

    def test_the_same_directory_under_another_path(self):
        lock = self.inside().acquire("/work")
        outside = self.agent(self.place, "alice")
        self.assertIn(str(self.me.lock(lock)["pid"]), self.refused("Held", outside.acquire, self.place).message)
        self.assertEqual([each["id"] for each in self.me.check(self.place)[1]], [lock])
        self.assertEqual([each["id"] for each in self.me.list(directory=self.place)], [lock])

    def test_and_the_other_way_round(self):
        holder, lock = self.holder(self.place, "alice")
        agent = self.inside()
        self.assertIn(str(holder.pid), self.refused("Held", agent.acquire, "/work").message)
        self.assertEqual([each["id"] for each in agent.call("Check", "/work")[1]], [lock])
        holder.die()
        self.me.wait_released(lock, "exited")
        agent.acquire("/work")

    def test_a_subtree_reaches_into_it(self):
        work = os.path.dirname(self.place)
        os.chown(work, machine.uid_of("alice"), -1)
        inner = self.directory("project/inner", "alice")
        _holder, lock = self.holder(inner, "alice")
        agent = self.inside()
        self.refused("Held", agent.acquire, "/work", subtree=True)
        self.me.release(id=lock, force=True)
        agent.acquire("/work", subtree=True)
        self.refused("Held", self.agent(inner, "alice").acquire, inner)

    def test_a_path_there_is_not_the_path_here(self):
        """/tmp in the container is another /tmp."""
        there = self.inside().acquire("/tmp", shared=True, follow_cwd=False)
        here = self.agent("/", "alice").acquire("/tmp", shared=True, follow_cwd=False)
        self.assertNotEqual(there, here)
        self.assertEqual([each["id"] for each in self.me.list(directory="/tmp")], [here])

    def test_a_path_of_the_machine_that_is_not_there(self):
        agent = self.inside()
        with self.nothing_changes():
            self.refused("InvalidDirectory", agent.acquire, self.place, follow_cwd=False)

    def test_a_link_there_leads_nowhere_else(self):
        """An absolute symlink, and dots beyond the root, stay within the container's root."""
        os.symlink("/tmp", f"{self.place}/link")
        agent = self.inside()
        there = agent.acquire("/work/link", shared=True, follow_cwd=False)
        self.assertEqual(agent.acquire("/../../../../tmp", shared=True, follow_cwd=False), there)
        self.assertEqual(self.me.list(directory="/tmp"), [])

    def test_its_end_and_its_leaving(self):
        agent = self.inside()
        lock = agent.acquire("/work")
        agent.chdir("/")
        self.me.wait_released(lock, "left")
        agent.chdir("/work")
        lock = agent.acquire("/work")
        os.kill(agent.host_pid, 9)
        self.me.wait_released(lock, "exited")

    def test_a_number_is_of_its_own_namespace(self):
        agent = self.inside()
        # It is 1 there, as the machine's init is here.
        self.assertNotEqual(agent.host_pid, 1)
        lock = agent.acquire("/work", pid=1)
        self.assertEqual(self.me.lock(lock)["pid"], agent.host_pid)
        agent.release(id=lock)
        bystander = self.agent(self.place, "alice", connect=False)
        with self.nothing_changes():
            self.refused("NoSuchProcess", agent.acquire, "/work", pid=bystander.pid)
        # By descriptor there is nothing to mistake.
        self.refused("NoSuchProcess", agent.acquire, "/work", pid=99999)

    def test_a_number_in_a_filter_and_a_release(self):
        agent = self.inside()
        lock = agent.acquire("/work")
        self.assertEqual([each["id"] for each in agent.call("List", options(pid=1))[0]], [lock])
        self.assertEqual(agent.call("List", options(pid=agent.host_pid))[0], [])
        self.refused("NoSuchProcess", agent.release, "/work", pid=agent.host_pid)
        self.assertEqual(agent.release("/work", pid=1), 1)

    def test_a_namespace_within_it(self):
        """Who has three numbers is named by the one in the namespace of who names it. (A kernel that cannot tell,
        before Linux 6.11, says that there is no such process.)"""
        uid = machine.uid_of("alice")
        drop = f"setpriv --reuid={uid} --regid={uid} --clear-groups"
        outer = self.agent(self.place, "root", connect=False, program=[
            "unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c",
            f"unshare --pid --fork --kill-child {drop} sleep 1000 & exec {drop} {self.service.installation.agent}"])
        outer.connect()
        inner = until(self.find_inner, "the inner process")
        numbers = self.numbers_of(inner)
        self.assertEqual((numbers[0], numbers[2]), (inner, 1))
        try:
            lock = outer.acquire(self.place, pid=numbers[1], follow_cwd=False)
        except harness.Refused as error:
            self.assertEqual(error.name, "NoSuchProcess")
            self.assertLess([int(number) for number in os.uname().release.split(".")[:2]], [6, 11])
        else:
            self.assertEqual(self.me.lock(lock)["pid"], inner)

    @staticmethod
    def numbers_of(pid):
        with open(f"/proc/{pid}/status", encoding="utf-8") as file:
            return [int(number) for line in file if line.startswith("NSpid:") for number in line.split()[1:]]

    def find_inner(self):
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    if file.read() == b"sleep\0001000\0" and len(self.numbers_of(pid)) == 3:
                        return int(pid)
            except FileNotFoundError:
                pass
        return None

    def test_root_of_a_user_namespace_is_who_made_it(self):
        """alice is uid 0 there, and nobody here."""
        place = self.directory("bobs", "bob", 0o777)
        _holder, lock = self.holder(place, "bob", reason="secret")
        agent = self.agent(self.place, "alice", connect=False,
                           program=["unshare", "--user", "--map-root-user", "--mount",
                                    self.service.installation.agent])
        self.assertEqual(agent.spawn("id -u")[1].strip(), "0")
        agent.connect()
        own = agent.acquire(self.place)
        self.assertEqual((self.me.lock(own)["uid"], self.me.lock(own)["pid"]), (machine.uid_of("alice"), agent.pid))
        self.refused("NotPermitted", agent.release, id=lock, force=True)
        self.refused("NotPermitted", agent.acquire, place, conflict="steal", follow_cwd=False)
        self.refused("NotPermitted", agent.acquire, "/", follow_cwd=False)
        self.assertNotIn("reason", next(each for each in agent.call("List", {})[0] if each["id"] == lock))

    def test_what_it_mounts_over_a_place_is_another_place(self):
        """A user may mount in a namespace of his own, and wins nothing that is not his by it."""
        agent = self.agent(self.place, "alice", connect=False, program=[
            "unshare", "--user", "--map-root-user", "--mount", "sh", "-c",
            f"mount -t tmpfs tmpfs /mnt && cd /mnt && exec {self.service.installation.agent}"])
        agent.connect()
        lock = agent.acquire("/mnt")
        self.assertEqual(self.me.list(directory="/mnt"), [])
        self.assertTrue(self.me.check("/mnt")[0])
        self.assertEqual(self.me.lock(lock)["uid"], machine.uid_of("alice"))


# A process that connects and dies while its child goes on with the connection: nobody whom the kernel could name.
ORPHAN = """
import json, os, socket, sys
import gi
gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib
address, is_bus, own, others = sys.argv[1], sys.argv[2] == "bus", sys.argv[3], sys.argv[4]
sock = socket.socket(socket.AF_UNIX)
sock.connect(address)
if os.fork() != 0:
    os._exit(0)
while os.getppid() == int(sys.argv[5]):
    pass
stream = Gio.Socket.new_from_fd(os.dup(sock.fileno())).connection_factory_create_connection()
flags = Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT
if is_bus:
    flags |= Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION
connection = Gio.DBusConnection.new_sync(stream, None, flags, None, None)

def call(directory, fd=None, **given):
    given = {key.replace("_", "-"): value for key, value in given.items()}
    fds = Gio.UnixFDList.new()
    if fd is not None:
        given["directory-fd"] = GLib.Variant("h", fds.append(fd))
    try:
        value, _ = connection.call_with_unix_fd_list_sync(
            "org.agentctl.Locks" if is_bus else None, "/org/agentctl/Locks", "org.agentctl.Locks", "Acquire",
            GLib.Variant("(sa{sv})", (directory, given)), None, 0, 20000, fds if fd is not None else None, None)
        return "ok"
    except GLib.Error as error:
        return Gio.DBusError.get_remote_error(error).rpartition(".")[2]

yes = GLib.Variant("b", True)
out = {
    "itself": call(own),
    "by path": call(own, manual=yes),
    "another's by path": call(others, manual=yes, shared=yes),
    "a closed one by path": call("/root", manual=yes, shared=yes),
    "pid": call(own, pid=GLib.Variant("u", os.getpid())),
    "by descriptor": call("", os.open(own, os.O_PATH), manual=yes),
    "another's by descriptor": call("", os.open(others, os.O_PATH), manual=yes),
}
print(json.dumps(out), flush=True)
"""


@harness.both_doors
class Unseen(machine.Case):
    def test_a_caller_whose_process_is_gone(self):
        """It is judged as its user all the same, never as the service: what it means by a path cannot be known."""
        own, others = self.directory("own", "alice"), self.directory("others", "bob")
        script = f"import os\nos.execv({sys.executable!r}, [{sys.executable!r}, '-c', {ORPHAN!r}, " \
                 f"{self.service.address(self.door).partition('=')[2]!r}, {self.door!r}, {own!r}, {others!r}, " \
                 "str(os.getpid())])"
        out = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, env=self.service.environment,
                             user=machine.uid_of("alice"), group=machine.gid_of("alice"), extra_groups=[],
                             timeout=harness.LIMIT, check=True, encoding="utf-8").stdout
        self.assertEqual(json.loads(out), {
            "itself": "NoSuchProcess", "by path": "InvalidDirectory", "another's by path": "InvalidDirectory",
            "a closed one by path": "InvalidDirectory", "pid": "NoSuchProcess", "by descriptor": "ok",
            "another's by descriptor": "NotPermitted"})
        locks = self.me.list()
        self.assertEqual([(lock["directory"], lock["uid"]) for lock in locks], [(own, machine.uid_of("alice"))])


    def test_a_caller_that_has_become_a_set_group_id_program(self):
        """Its user could not use the program's group, and cannot through a connection made before."""
        place = self.directory("team", "root", 0o770, group="team")
        programs = self.directory("programs", "root", 0o755)
        program = f"{programs}/set-group-id"
        # The temporary folder may be mounted so that such programs are like any other (nosuid).
        subprocess.run(["mount", "--bind", programs, programs], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", programs], check=True)
        subprocess.run(["mount", "-o", "remount,bind,suid", programs], check=True)
        shutil.copy("/bin/sleep", program)
        os.chown(program, 0, machine.gid_of("team"))
        os.chmod(program, 0o2755)
        self.agent(place, "bob", ["team"]).acquire(place, shared=True)
        script = ORPHAN.partition("out = {")[0].replace("os._exit(0)", f"os.execv({program!r}, [{program!r}, '1000'])")
        script = script.replace("while os.getppid() == int(sys.argv[5]):",
                                "while open('/proc/%d/comm' % os.getppid()).read().strip() != 'set-group-id':")
        script += 'print(call(own, shared=GLib.Variant("b", True), manual=GLib.Variant("b", True)), flush=True)\n'
        process = subprocess.Popen(
            [sys.executable, "-c", script, self.service.address(self.door).partition("=")[2], self.door, place, place],
            stdout=subprocess.PIPE, env=self.service.environment, user=machine.uid_of("alice"),
            group=machine.gid_of("alice"), extra_groups=[], encoding="utf-8", preexec_fn=harness._die_with_parent)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.assertEqual(process.stdout.readline().strip(), "NotPermitted")
        with open(f"/proc/{process.pid}/status", encoding="utf-8") as file:
            groups = next(line.split() for line in file if line.startswith("Gid:"))
        self.assertEqual(groups[2], str(machine.gid_of("team")), "the program does have the group")


@harness.both_doors
class HiddenProcesses(machine.Case):
    """/proc mounted so that nobody sees other users' processes: the service does, by CAP_SYS_PTRACE. It also has
    mounts of its own then, as its unit gives it."""

    def make_service(self):
        service = super().make_service()
        service.prefix = ["unshare", "--mount", "--propagation", "slave", "sh", "-c",
                          'mount -t proc -o hidepid=invisible proc /proc && exec "$@"', "sh"]
        return service

    def test_a_day_of_work(self):
        place = self.directory(owner="alice")
        agent, lock = self.holder(place, "alice")
        self.assertEqual(self.me.lock(lock)["cwd"], "inside")
        self.assertEqual(self.me.lock(lock)["command"], "test-agent")
        self.assertEqual(self.me.lock(lock)["directory"], place)
        self.refused("Held", self.agent(place, "alice").acquire, place)
        self.refused("NotPermitted", self.agent(place, "bob").acquire, place)
        other = self.agent(place, "alice")
        agent.call("Transfer", lock, options(pid=other.pid))
        self.assertIn(other.pid, [each["pid"] for each in self.me.call("Occupants", place)[0]])
        other.chdir("/")
        self.me.wait_released(lock, "left")
        other.chdir(place)
        lock = other.acquire(place)
        other.die()
        self.me.wait_released(lock, "exited")

    def test_many_at_once(self):
        """No bound on what waits for filesystems comes into it."""
        agents = [(self.agent(place, "alice"), place)
                  for place in (self.directory(f"project-{number}", "alice") for number in range(8))]
        waiting = [(agent.begin_acquire(place, follow_cwd=False), agent, place)
                   for _ in range(20) for agent, place in agents]
        ids = {pending.value()[0] for pending, _agent, _place in waiting}
        self.assertEqual(len(ids), len(agents))


if __name__ == "__main__":
    harness.main()
