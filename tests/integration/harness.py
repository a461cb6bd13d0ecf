# SPDX-License-Identifier: MIT
"""What every integration test stands on: a service of its own on a bus of its own, in a folder of its own,
and agents that are real processes.

Nothing here sleeps for a result: until() waits for the thing itself, with a generous limit. Each test ends
with all of its processes gone and the daemon stopped cleanly (exit status 0: under the sanitizers that also
means no leak). The daemon's log is printed with a test that fails.
"""
import contextlib
import ctypes
import glob
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
import unittest

import gi

gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib  # noqa: E402

NAME = "org.agentctl.Locks"
PATH = "/org/agentctl/Locks"
ERROR_PREFIX = NAME + ".Error."
SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("AGENTCTL_LOCKS_BUILD_DIR", "")
# A wait ends when the thing happens; the limit is only for when it never does.
LIMIT = 30 * float(os.environ.get("AGENTCTL_LOCKS_TEST_SLOW", "1"))
# Somebody who is neither root nor a person, for tests that run as root.
NOBODY = 65534
CLI_LIMIT = LIMIT

OPTION_TYPES = {
    "pid": "u", "pidfd": "h", "directory-fd": "h", "manual": "b", "ttl": "u", "follow-cwd": "b", "shared": "b",
    "subtree": "b", "conflict": "s", "timeout": "u", "ticket": "s", "detect-agents": "b", "agent": "s",
    "session": "s", "reason": "s", "id": "t", "force": "b", "directory": "s", "under": "s", "uid": "u",
    "kind": "s",
}
METHOD_TYPES = {
    "Acquire": "(sa{sv})", "Release": "(sa{sv})", "List": "(a{sv})", "Check": "(s)", "Occupants": "(s)",
    "Transfer": "(ta{sv})", "Cancel": "(s)",
}

# What nobody reaps becomes ours, so that nothing outlives the tests unseen.
_libc = ctypes.CDLL(None, use_errno=True)
_AT_EMPTY_PATH = 0x1000
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_CLONE_NEWNS, _CLONE_NEWUSER = 0x20000, 0x10000000
_MS_BIND, _MS_REC, _MS_PRIVATE, _MNT_DETACH = 0x1000, 0x4000, 0x40000, 2
_libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _die_with_parent():
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def have_mounts_of_our_own():
    """What this process and its children mount from here on nobody else sees, and it goes with them. Where
    we are not root this takes a user namespace in which we are ourselves. Before the first thread starts."""
    uid, gid = os.geteuid(), os.getegid()
    _check(_libc.unshare(_CLONE_NEWNS | (0 if uid == 0 else _CLONE_NEWUSER)), "unshare")
    if uid != 0:
        for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
            with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
                file.write(text)
    _check(_libc.mount(None, b"/", None, _MS_REC | _MS_PRIVATE, None), "mount --make-rprivate /")


def _check(result, what):
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)


def bind_mount_for_oneself(directory, elsewhere):
    """In the calling process alone, a child on its way to become an agent."""
    _check(_libc.unshare(_CLONE_NEWNS), "unshare")
    _check(_libc.mount(os.fsencode(directory), os.fsencode(elsewhere), None, _MS_BIND, None), "mount --bind")


@contextlib.contextmanager
def bind_mount(directory, elsewhere):
    _check(_libc.mount(os.fsencode(directory), os.fsencode(elsewhere), None, _MS_BIND, None), "mount --bind")
    try:
        yield
    finally:
        _check(_libc.umount2(os.fsencode(elsewhere), _MNT_DETACH), "umount")


def handles_can_be_opened():
    """open_by_handle_at(2), which alone tells a removed directory from one moved away. It needs
    CAP_DAC_READ_SEARCH, and some containers' filters forbid it even then (systemd-nspawn's)."""
    handle = (ctypes.c_uint * 34)(128)  # struct file_handle: bytes, type, MAX_HANDLE_SZ bytes
    mount_id = ctypes.c_int()
    folder = os.open(tempfile.gettempdir(), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if _libc.name_to_handle_at(folder, b"", ctypes.byref(handle), ctypes.byref(mount_id), _AT_EMPTY_PATH) != 0:
            return False
        found = _libc.open_by_handle_at(folder, ctypes.byref(handle), os.O_RDONLY | os.O_CLOEXEC)
        if found < 0:
            return False
        os.close(found)
        return True
    finally:
        os.close(folder)


def stacks_of(pid):
    """Where its threads are, if there is a debugger here to ask."""
    if shutil.which("gdb") is None:
        return ""
    return "\n" + subprocess.run(["gdb", "-batch", "-p", str(pid), "-ex", "thread apply all backtrace"], check=False,
                                 stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                 encoding="utf-8", errors="replace").stdout


def options(**given):
    """{'follow_cwd': True, ...} as a{sv}. A GLib.Variant is passed on as it is, to be wrong on purpose."""
    out = {}
    for key, value in given.items():
        key = key.replace("_", "-")
        out[key] = value if isinstance(value, GLib.Variant) else GLib.Variant(OPTION_TYPES[key], value)
    return out


def until(predicate, what, limit=None):
    """Runs the main loop until predicate() is true, and returns what it said."""
    limit = LIMIT if limit is None else limit
    deadline = time.monotonic() + limit
    # For what is not told by the main loop: processes and files.
    tick = GLib.timeout_add(20, lambda: True)
    try:
        while True:
            value = predicate()
            if value:
                return value
            if time.monotonic() > deadline:
                raise AssertionError(f"waited {limit:.0f} s in vain for {what() if callable(what) else what}")
            GLib.MainContext.default().iteration(True)
    finally:
        GLib.source_remove(tick)


def hold(process):
    """SIGSTOP, and returns when none of its threads runs any more: kill(2) does not wait for that. process: what has a
    .pid."""
    os.kill(process.pid, signal.SIGSTOP)

    def states():
        for path in glob.glob(f"/proc/{process.pid}/task/*/stat"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError), \
                    open(path, encoding="utf-8", errors="replace") as file:
                yield file.read().rpartition(")")[2].split()[0]
    until(lambda: set(states()) <= {"T", "Z"}, lambda: f"process {process.pid} to stop; it is {list(states())}")


class Refused(Exception):
    """A call that ended in an error; .name without our prefix."""

    def __init__(self, name, message):
        super().__init__(f"{name}: {message}")
        self.name = name.removeprefix(ERROR_PREFIX)
        self.message = message


class Signal:
    def __init__(self, name, args):
        self.name, self.args = name, args
        self.id = args[0]
        if name != "LockChanged":
            self.directory, self.pid = args[1], args[2]
            self.lock = args[-1]
        if name == "LockReleased":
            self.reason = args[3]
        if name == "LockChanged":
            self.changed = args[1]

    def __repr__(self):
        return f"{self.name}{self.args!r}"


class Client:
    """The test's own connection. It holds nothing unless asked to: it looks."""

    def __init__(self, address, door):
        flags = Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT
        self.door = door
        if door != "direct":
            flags |= Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION
        self.destination = None if door == "direct" else NAME
        self.connection = Gio.DBusConnection.new_for_address_sync(address, flags, None, None)
        self.connection.set_exit_on_close(False)
        self.signals = []
        self.property_changes = []
        self.connection.signal_subscribe(None, NAME, None, PATH, None, Gio.DBusSignalFlags.NONE, self._on_signal)
        self.connection.signal_subscribe(None, "org.freedesktop.DBus.Properties", "PropertiesChanged", PATH, None,
                                         Gio.DBusSignalFlags.NONE, self._on_properties)
        self.get("Version")  # its answer means that the subscriptions stand

    def _on_signal(self, _connection, _sender, _path, _interface, name, args, *_):
        self.signals.append(Signal(name, args.unpack()))

    def _on_properties(self, _connection, _sender, _path, _interface, _name, args, *_):
        interface, changed, _invalidated = args.unpack()
        if interface == NAME:
            self.property_changes.append(changed)

    def close(self):
        if not self.connection.is_closed():
            self.connection.close_sync(None)

    def raw(self, interface, method, args, fds=(), reply=None):
        fd_list = Gio.UnixFDList.new()
        for fd in fds:
            fd_list.append(fd)
        try:
            value, _ = self.connection.call_with_unix_fd_list_sync(
                self.destination, PATH, interface, method, args, reply, Gio.DBusCallFlags.NONE,
                int(LIMIT * 1000), fd_list if fds else None, None)
        except GLib.Error as error:
            name = Gio.DBusError.get_remote_error(error)
            if name is None:
                raise
            Gio.DBusError.strip_remote_error(error)
            raise Refused(name, error.message) from None
        return value.unpack()

    def call(self, method, *args, fds=()):
        return self.raw(NAME, method, GLib.Variant(METHOD_TYPES[method], args), fds)

    def acquire(self, directory, fds=(), **given):
        return self.call("Acquire", directory, options(**given), fds=fds)[0]

    def release(self, directory="", fds=(), **given):
        return self.call("Release", directory, options(**given), fds=fds)[0]

    def list(self, **given):
        return self.call("List", options(**given))[0]

    def lock(self, lock_id):
        """The lock of that id, or None."""
        return next((lock for lock in self.list() if lock["id"] == lock_id), None)

    def check(self, directory):
        return self.call("Check", directory)

    def get(self, name):
        return self.raw("org.freedesktop.DBus.Properties", "Get", GLib.Variant("(ss)", (NAME, name)))[0]

    def counters(self):
        return self.get("Counters")

    def released(self, lock_id=None):
        return [s for s in self.signals if s.name == "LockReleased" and lock_id in (None, s.id)]

    def wait_signal(self, name, lock_id=None, where=lambda _: True, limit=None):
        """The first such signal, whether it has come already or not."""
        def find():
            return next((s for s in self.signals
                         if s.name == name and lock_id in (None, s.id) and where(s)), None)
        return until(find, lambda: f"{name} of lock {lock_id}; seen: {self.signals}", limit)

    def wait_released(self, lock_id, reason):
        found = self.wait_signal("LockReleased", lock_id)
        if found.reason != reason:
            raise AssertionError(f"lock {lock_id} ended as {found.reason}, not {reason}: {found}")
        return found

    def drain(self):
        """Signals arrive in order with replies: after a call, what was sent before it is here."""
        self.get("LockCount")
        while GLib.MainContext.default().iteration(False):
            pass


class Pending:
    """A call that an agent has on the way."""

    def __init__(self, agent, number):
        self.agent, self.number = agent, number

    def done(self):
        return self.number in self.agent.answers

    def result(self, limit=None):
        until(lambda: self.done() or self.agent.closed, f"answer {self.number} of {self.agent}", limit)
        if not self.done():
            raise AssertionError(f"{self.agent} ended before it answered")
        kind, _, rest = self.agent.answers[self.number].partition(" ")
        if kind == "ok":
            return rest
        name, _, message = rest.partition(" ")
        raise Refused(name, GLib.strcompress(message))

    def value(self, limit=None):
        return GLib.Variant.parse(None, self.result(limit), None, None).unpack()


class Agent:
    """A process with a working directory (agent.c). Its connection 0 is made through the test's door."""

    def __init__(self, case, cwd, connect=True, uid=None, door=None, program=None, before_exec=None,
                 gid=None, groups=(), arguments=()):
        self.case, self.door = case, door or case.door
        self.answers, self.closed, self._next, self._buffer = {}, False, 1, b""
        argv = program if isinstance(program, list) else [
            program or os.path.join(BUILD, "tests", "integration", "test-agent")]
        argv = [*argv, *arguments]
        user = {} if uid is None else {"user": uid, "group": uid if gid is None else gid,
                                             "extra_groups": list(groups)}

        def prepare():
            _die_with_parent()
            if before_exec is not None:
                before_exec()
        self.process = subprocess.Popen(argv, cwd=cwd, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        env=case.service.environment, preexec_fn=prepare, **user)
        self.pid = self.process.pid
        case.agents.append(self)
        os.set_blocking(self.process.stdout.fileno(), False)
        self._watch = GLib.unix_fd_add_full(GLib.PRIORITY_DEFAULT, self.process.stdout.fileno(),
                                            GLib.IOCondition.IN | GLib.IOCondition.HUP, self._on_output)
        if connect:
            self.connect()

    def __repr__(self):
        return f"agent {self.pid}"

    def _on_output(self, fd, _condition):
        try:
            data = os.read(fd, 65536)
        except BlockingIOError:
            return True
        if data == b"":
            self.closed, self._watch = True, 0
            return False
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            number, _, rest = line.decode().partition(" ")
            self.answers[int(number)] = rest
        return True

    def begin(self, verb, rest=""):
        number, self._next = self._next, self._next + 1
        self.process.stdin.write(f"{number} {verb} {rest}\n".encode())
        self.process.stdin.flush()
        return Pending(self, number)

    def order(self, verb, rest=""):
        """rest: str or bytes; escaped on the way."""
        data = rest.encode() if isinstance(rest, str) else rest
        return self.begin(verb, "".join(chr(b) if 32 < b < 127 and b not in b'\\"' or b == 32 else f"\\{b:03o}"
                                        for b in data)).result()

    def connect(self, slot=0, door=None):
        door = door or self.door
        self.order("connect", f"{slot} {'peer' if door == 'direct' else 'bus'} {self.case.service.address(door)}")

    def disconnect(self, slot=0):
        self.order("disconnect", str(slot))

    def begin_call(self, method, *args, slot=0):
        return self.begin("call", f"{slot} {method} {GLib.Variant(METHOD_TYPES[method], args).print_(True)}")

    def call(self, method, *args, slot=0):
        return self.begin_call(method, *args, slot=slot).value()

    def begin_ask(self, method, *args, slot=0):
        """A call that lets the authority ask a person."""
        return self.begin("ask", f"{slot} {method} {GLib.Variant(METHOD_TYPES[method], args).print_(True)}")

    def begin_acquire(self, directory, slot=0, **given):
        return self.begin_call("Acquire", directory, options(**given), slot=slot)

    def acquire(self, directory, slot=0, **given):
        return self.begin_acquire(directory, slot, **given).value()[0]

    def release(self, directory="", slot=0, **given):
        return self.call("Release", directory, options(**given), slot=slot)[0]

    def chdir(self, path):
        self.order("chdir", path)

    def open(self, what, path_or_pid):
        """A descriptor for the following calls; its index. what: directory, file, pidfd."""
        return int(self.order("open-" + what, path_or_pid if isinstance(path_or_pid, bytes) else str(path_or_pid)))

    def spawn(self, command):
        status, out, err = self.order("spawn", command).split("\t")
        return os.waitstatus_to_exitcode(int(status)), GLib.strcompress(out), GLib.strcompress(err)

    def kill(self, number=signal.SIGKILL):
        """Leaves a zombie until reap()."""
        os.kill(self.pid, number)

    def reap(self):
        until(lambda: self.process.poll() is not None, f"the end of {self}")

    def die(self):
        self.kill()
        self.reap()

    def state(self):
        """As in /proc/PID/stat: R, S, T, Z; None when there is no such process."""
        try:
            with open(f"/proc/{self.pid}/stat", encoding="utf-8", errors="replace") as file:
                return file.read().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return None

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self._watch != 0:
            GLib.source_remove(self._watch)
            self._watch = 0
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.stdout.close()


BUS_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={root}/message-bus</listen>
  <auth>EXTERNAL</auth>
  <servicedir>{root}/services</servicedir>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_destination="*" eavesdrop="false"/>
    <allow receive_sender="*"/>
  </policy>
  <limit name="max_completed_connections">100000</limit>
  <limit name="max_connections_per_user">100000</limit>
  <limit name="max_pending_service_starts">10000</limit>
  <limit name="max_names_per_connection">50000</limit>
  <limit name="max_match_rules_per_connection">50000</limit>
  <limit name="max_replies_per_connection">50000</limit>
</busconfig>
"""


class Service:
    """A daemon in a folder of its own. Nothing of the user's own environment reaches it."""

    def __init__(self, config=None, arguments=(), bus=True, uid=None):
        self.root = tempfile.mkdtemp(prefix="agl-test-")
        os.chmod(self.root, 0o755)
        if uid is not None:
            os.chown(self.root, uid, uid)
        self.runtime, self.state = f"{self.root}/run", f"{self.root}/state"
        self.arguments, self.uid = list(arguments), uid
        self.process = self.bus = None
        self.environment = {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8",
            "HOME": f"{self.root}/home", "TMPDIR": f"{self.root}/tmp", "G_DEBUG": "fatal-criticals",
            "XDG_RUNTIME_DIR": f"{self.root}/xdg", "XDG_STATE_HOME": f"{self.root}/home/state",
            "XDG_CONFIG_HOME": f"{self.root}/home/config", "XDG_CACHE_HOME": f"{self.root}/home/cache",
            "XDG_DATA_HOME": f"{self.root}/home/data", "DBUS_SESSION_BUS_ADDRESS": self.address("bus"),
            "AGENTCTL_LOCKS_DAEMON": os.path.join(BUILD, "src", "service", "agentctl-locksd"),
            "DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={self.root}/no-system-bus",
        }
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS", "LLVM_PROFILE_FILE"):
            if name in os.environ:
                self.environment[name] = os.environ[name]
        for name in ("run", "state", "home", "tmp", "xdg", "services", "work"):
            os.mkdir(f"{self.root}/{name}", 0o700)
            if uid is not None:
                os.chown(f"{self.root}/{name}", uid, uid)
        os.chmod(f"{self.root}/work", 0o755)
        self.configure(**(config or {}))
        if bus:
            self.start_bus()

    def configure(self, **config):
        """Frequent rounds and a short grace, so that what takes time by design takes little here."""
        config = {"CwdCheckSec": 0.1, "CwdGraceSec": 0.3, **config}
        with open(f"{self.root}/config", "w", encoding="utf-8") as file:
            file.write("[Locks]\n" + "".join(f"{key}={value}\n" for key, value in config.items()))

    def start_bus(self):
        with open(f"{self.root}/bus.conf", "w", encoding="utf-8") as file:
            file.write(BUS_CONFIG.format(root=self.root))
        with open(f"{self.root}/bus.log", "ab") as log:
            self.bus = subprocess.Popen(
                ["dbus-daemon", f"--config-file={self.root}/bus.conf", "--nofork", "--nopidfile", "--nosyslog"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment, cwd="/",
                preexec_fn=_die_with_parent, **self._user())
        until(lambda: self._can_connect("bus") or self.bus.poll() is not None, "the bus")

    def stop_bus(self):
        if self.bus is not None:
            self.bus.kill()
            self.bus.wait()
            self.bus = None
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{self.root}/message-bus")

    def _user(self):
        return {} if self.uid is None else {"user": self.uid, "group": self.uid, "extra_groups": []}

    def _can_connect(self, door):
        try:
            flags = Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT
            connection = Gio.DBusConnection.new_for_address_sync(self.address(door), flags, None, None)
            connection.close_sync(None)
            return True
        except GLib.Error:
            return False

    def owns_name(self):
        connection = Gio.DBusConnection.new_for_address_sync(
            self.address("bus"), Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT
            | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION, None, None)
        connection.set_exit_on_close(False)
        try:
            return connection.call_sync("org.freedesktop.DBus", "/", "org.freedesktop.DBus", "NameHasOwner",
                                        GLib.Variant("(s)", (NAME,)), None, Gio.DBusCallFlags.NONE, -1,
                                        None).unpack()[0]
        finally:
            connection.close_sync(None)

    def address(self, door):
        """door: bus, direct (peer-to-peer), direct-bus (the direct socket, used as if it were a bus)."""
        return f"unix:path={self.root}/message-bus" if door == "bus" else f"unix:path={self.runtime}/bus"

    @property
    def socket(self):
        return f"{self.runtime}/bus"

    def program(self, path):
        """A program of the build, where this service's user can reach it: the build may be in a private home."""
        path = os.path.join(BUILD, path)
        if self.uid is None:
            return path
        copy = f"{self.root}/bin/{os.path.basename(path)}"
        if not os.path.exists(copy):
            os.makedirs(os.path.dirname(copy), exist_ok=True)
            shutil.copy(path, copy)
        return copy

    def command(self, *more):
        return [self.program("src/service/agentctl-locksd"), "--user",
                f"--runtime-dir={self.runtime}", f"--state-dir={self.state}", f"--config={self.root}/config",
                *self.arguments, *more]

    def launch(self, *more, environment=None, command=None):
        """Another daemon process on the same folders; for the caller to wait for."""
        with open(f"{self.root}/log", "ab") as log:
            return subprocess.Popen(command or self.command(*more), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                    env=environment or self.environment, cwd="/", preexec_fn=_die_with_parent,
                                    **self._user())

    def start(self, *more):
        self.process = self.launch(*more)
        self.wait_ready()

    def wait_ready(self):
        def ready():
            if self.process.poll() is not None:
                raise AssertionError(f"the daemon ended with status {self.process.returncode}:\n{self.log()}")
            return (self._can_connect("direct")
                    and (self.bus is None or "--no-bus" in self.arguments or self.owns_name()))
        until(ready, lambda: "the service; its log:\n" + self.log())

    def stop(self):
        """A clean stop, and it must be clean."""
        process, self.process = self.process, None
        if process is None:
            return
        if process.poll() is None:
            process.terminate()
        until(lambda: process.poll() is not None, lambda: "the daemon's end after SIGTERM" + stacks_of(process.pid))
        if process.returncode != 0:
            raise AssertionError(f"the daemon ended with status {process.returncode}")

    def kill(self):
        process, self.process = self.process, None
        process.kill()
        process.wait()

    def descriptors(self):
        return {int(name) for name in os.listdir(f"/proc/{self.process.pid}/fd")}

    def leave_descriptors(self, spare):
        """As if all but so many were in use, or fewer where it was fewer before: numbers are given out from below.
        None: as many as ever."""
        used = self.descriptors()
        soft, hard = resource.prlimit(self.process.pid, resource.RLIMIT_NOFILE)
        soft = hard if spare is None else min(soft, min(set(range(len(used) + 1)) - used) + spare)
        resource.prlimit(self.process.pid, resource.RLIMIT_NOFILE, (soft, hard))

    def log(self):
        try:
            with open(f"{self.root}/log", encoding="utf-8", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def cleanup(self):
        for process in (self.process, self.bus):
            if process is not None:
                process.kill()
                process.wait()
        shutil.rmtree(self.root, ignore_errors=True)


class Case(unittest.TestCase):
    """A test with a running service. Class attributes say what kind of service."""

    door = "bus"
    config = {}
    arguments = ()
    bus = True
    autostart = True
    uid = None
    maxDiff = None
    daemon_log = ""

    def setUp(self):
        self.agents = []
        self.clients = []
        self.service = Service(self.config, self.arguments, self.bus, self.uid)
        self.addCleanup(self._clean_up)
        if self.autostart:
            self.service.start()
            self.me = self.client()

    def tearDown(self):
        """The daemon must still be there, and stop cleanly with whatever it holds."""
        if self.service.process is not None:
            self.assertIsNone(self.service.process.poll(), "the daemon died")
            for client in self.clients:
                client.close()
            self.service.stop()

    def _clean_up(self):
        self.daemon_log = self.service.log()
        for agent in self.agents:
            agent.end()
        for client in self.clients:
            with contextlib.suppress(GLib.Error):
                client.close()
        self.service.cleanup()
        self._end_orphans()

    @staticmethod
    def _end_orphans():
        """Whoever was started by what a test started is ours now (subreaper)."""
        while True:
            children = []
            for path in glob.glob("/proc/self/task/*/children"):
                with open(path, encoding="ascii") as file:
                    children += [int(pid) for pid in file.read().split()]
            if not children:
                return
            for pid in children:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, 0)

    def client(self, door=None):
        door = door or self.door
        client = Client(self.service.address(door), door)
        self.clients.append(client)
        return client

    def directory(self, name="project"):
        path = os.path.join(os.path.realpath(self.service.root), "work")
        for part in name.split("/"):
            path = os.path.join(path, part)
            if not os.path.isdir(path):
                os.mkdir(path)
                if self.uid is not None:
                    os.chown(path, self.uid, self.uid)
        return path

    def agent(self, cwd, **given):
        given.setdefault("uid", self.uid)
        return Agent(self, cwd, **given)

    def holder(self, directory, **given):
        """An agent that works in the directory and has locked it; the lock's id beside it."""
        agent = self.agent(directory)
        return agent, agent.acquire(directory, **given)

    def refused(self, name, function, *args, **given):
        """The error that a call ends in, which must be of that name."""
        try:
            value = function(*args, **given)
        except Refused as error:
            self.assertEqual(error.name, name, error.message)
            self.assertTrue(error.message.strip(), "an error without a word")
            return error
        return self.fail(f"should have been refused with {name}, answered {value!r}")

    def facts(self):
        """All that a refused call must leave as it was."""
        counters = dict(self.me.counters())
        counters.pop("refused", None)
        return self.me.list(), self.me.get("LockCount"), self.me.get("WaiterCount"), counters

    @contextlib.contextmanager
    def nothing_changes(self):
        self.me.drain()
        before, told = self.facts(), len(self.me.signals)
        yield
        self.assertEqual(self.facts(), before)
        self.me.drain()
        self.assertEqual(self.me.signals[told:], [])

    def rounds_pass(self):
        """Returns when a round of looking at working directories, and the grace, have passed for certain:
        somebody who left after this was called has lost the lock by then."""
        place = self.directory(f"elsewhere-{len(self.agents)}")
        agent, lock = self.holder(place)
        agent.chdir("/")
        self.me.wait_released(lock, "left")
        agent.die()

    def command_line(self, *arguments, door=None, cwd=None, environment=None, limit=None, address=True, text=None):
        """agentctl-locks as a person would run it."""
        command = [os.path.join(BUILD, "src", "client", "agentctl-locks")]
        arguments = list(arguments)
        if address:
            arguments[1:1] = [f"--address={self.service.address(door or self.door)}"]
        return subprocess.run(command + arguments, cwd=cwd, env={**self.service.environment, **(environment or {})},
                              stdin=subprocess.DEVNULL if text is None else None, input=text,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
                              timeout=limit or CLI_LIMIT, check=False)

    def start_command_line(self, *arguments, door=None, cwd=None, environment=None):
        """The same, running beside the test. Lines it prints: lines_of()."""
        arguments = list(arguments)
        arguments[1:1] = [f"--address={self.service.address(door or self.door)}"]
        process = subprocess.Popen([os.path.join(BUILD, "src", "client", "agentctl-locks"), *arguments], cwd=cwd,
                                   env={**self.service.environment, **(environment or {})},
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   preexec_fn=_die_with_parent)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process


class Wire:
    """The direct socket, byte by byte."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(LIMIT)
        self.socket.connect(path)
        self.pending = b""

    def send(self, data):
        self.socket.sendall(data)

    def line(self):
        while b"\r\n" not in self.pending:
            data = self.socket.recv(65536)
            if data == b"":
                raise AssertionError("the service hung up where a line was due")
            self.pending += data
        line, _, self.pending = self.pending.partition(b"\r\n")
        return line

    def enter(self):
        """The handshake of an honest client."""
        self.send(b"\0AUTH EXTERNAL " + str(os.geteuid()).encode().hex().encode() + b"\r\n")
        answer = self.line()
        if not answer.startswith(b"OK "):
            raise AssertionError(f"the handshake ended with {answer!r}")
        self.send(b"NEGOTIATE_UNIX_FD\r\n")
        self.line()
        self.send(b"BEGIN\r\n")

    def hang_up(self):
        """Says that no more will come, and waits until the other end has drawn its conclusions."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)
        self.closed()

    def closed(self):
        """Waits for the other end to hang up, whatever it says before."""
        try:
            while self.socket.recv(65536) != b"":
                pass
        except ConnectionResetError:
            pass
        return True


@contextlib.contextmanager
def stream(path):
    wire = Wire(path)
    try:
        yield wire
    finally:
        wire.socket.close()


def both_doors(cls):
    """Runs the same tests through the message bus and through the direct socket."""
    module = sys.modules[cls.__module__]
    for door in ("bus", "direct"):
        sub = type(f"{cls.__name__}_{door}", (cls,), {"door": door, "__module__": cls.__module__})
        setattr(module, sub.__name__, sub)
    return None  # the base itself is no test


def lines_of(process):
    """The lines of a process as they come, without waiting: call it again for more."""
    fd = process.stdout.fileno()
    os.set_blocking(fd, False)
    lines, rest = [], [b""]

    def more():
        with contextlib.suppress(BlockingIOError):
            while data := os.read(fd, 65536):
                *whole, rest[0] = (rest[0] + data).split(b"\n")
                lines.extend(line.decode() for line in whole)
        return lines
    return more


def objects_of(text):
    return json.loads(text)


class _TapResult(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.number, self.bad = 0, 0
        self.trouble = {}

    def _note(self, test, error):
        self.trouble.setdefault(test, []).append("".join(traceback.format_exception(*error)))

    def addError(self, test, err):
        self._note(test, err)

    addFailure = addError

    def addSkip(self, test, reason):
        self.trouble.setdefault(test, []).append(f"skipped, which counts as failed: {reason}")

    def addSubTest(self, test, subtest, err):
        if err is not None:
            self.trouble.setdefault(test, []).append(str(subtest))
            self._note(test, err)

    def stopTest(self, test):
        self.number += 1
        trouble = self.trouble.pop(test, None)
        name = test.id().removeprefix("__main__.")
        print(f"{'ok' if trouble is None else 'not ok'} {self.number} {name}", flush=True)
        if trouble is not None:
            self.bad += 1
            for line in "\n".join(trouble).splitlines():
                print(f"# {line}")
            for line in getattr(test, "daemon_log", "").splitlines():
                print(f"# daemon: {line}")
            sys.stdout.flush()


def main():
    """Runs the module's tests and speaks TAP. AGENTCTL_LOCKS_CASE: only those whose name contains it."""
    if BUILD == "":
        sys.exit("set AGENTCTL_LOCKS_BUILD_DIR to the build folder (sh tests/run.sh does)")
    pattern = os.environ.get("AGENTCTL_LOCKS_CASE", "")
    suite = unittest.TestSuite()

    def pick(tests):
        for test in tests:
            if isinstance(test, unittest.TestSuite):
                pick(test)
            elif pattern in test.id():
                suite.addTest(test)
    pick(unittest.defaultTestLoader.loadTestsFromModule(sys.modules["__main__"]))
    print(f"TAP version 13\n1..{suite.countTestCases()}", flush=True)
    result = _TapResult()
    suite.run(result)
    sys.exit(0 if result.bad == 0 else 1)
