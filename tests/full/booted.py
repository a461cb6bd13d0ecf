# SPDX-License-Identifier: MIT
"""The machine of tests/full/booted.sh: boots it, works on it, and says in TAP what came of it.

  booted.py FOLDER     with the Debian tree in FOLDER/base and the build in FOLDER/build
"""
import ctypes
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import traceback

LIMIT = 60
DIRECT = "unix:path=/run/agentctl-locks/bus"
BUS = "unix:path=/run/dbus/system_bus_socket"
CAPABILITIES = {"CAP_SETGID": 6, "CAP_SETUID": 7, "CAP_DAC_OVERRIDE": 1, "CAP_DAC_READ_SEARCH": 2,
                "CAP_SYS_PTRACE": 19}
AT_REST = ("CAP_DAC_READ_SEARCH", "CAP_SYS_PTRACE")

_libc = ctypes.CDLL(None)


def die_with_parent():
    _libc.prctl(1, signal.SIGKILL, 0, 0, 0)


def until(predicate, what):
    deadline = time.monotonic() + LIMIT
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {LIMIT} s in vain for {what}")
        time.sleep(0.05)


def mask(names):
    return sum(1 << CAPABILITIES[name] for name in names)


class Machine:
    def __init__(self, root):
        self.root = root
        self.nspawn = self.init = None
        self.children = []

    def boot(self):
        with open(f"{self.root}.console", "ab") as console:
            # What a container is not usually let: its own loopback, and finding files by their handles.
            self.nspawn = subprocess.Popen(
                ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--boot", "--console=pipe",
                 "--private-network", "--system-call-filter=open_by_handle_at", "--machine=agl-booted", "-D", self.root],
                stdin=subprocess.DEVNULL, stdout=console, stderr=console, preexec_fn=die_with_parent,
                env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"})
        self.init = until(self._find_init, "the machine's init")
        until(lambda: self.run("systemctl", "is-system-running").stdout.strip() in ("running", "degraded"),
              "the machine to be up")

    def _find_init(self):
        if self.nspawn.poll() is not None:
            with open(f"{self.root}.console", encoding="utf-8", errors="replace") as console:
                raise AssertionError("systemd-nspawn ended:\n" + console.read())
        with open(f"/proc/{self.nspawn.pid}/task/{self.nspawn.pid}/children", encoding="ascii") as file:
            children = file.read().split()
        for pid in children:
            with open(f"/proc/{pid}/status", encoding="utf-8") as file:
                numbers = re.search(r"^NSpid:\s+(.*)$", file.read(), re.MULTILINE)[1].split()
            if len(numbers) > 1 and numbers[-1] == "1" and os.readlink(f"/proc/{pid}/exe").endswith("systemd"):
                return int(pid)
        return None

    def shut_down(self):
        for child in self.children:
            child.kill()
            child.wait()
        self.children.clear()
        if self.nspawn is None:
            return
        os.kill(self.init, signal.SIGRTMIN + 4)  # poweroff, systemd(1)
        try:
            self.nspawn.wait(LIMIT)
        except subprocess.TimeoutExpired:
            os.kill(self.init, signal.SIGKILL)
            self.nspawn.wait(LIMIT)
        self.nspawn = None

    def _command(self, command, who, cwd):
        enter = ["nsenter", "-t", str(self.init), "-a", f"--wdns={cwd}"]
        if who != "root":
            enter += ["setpriv", f"--reuid={who}", f"--regid={who}", "--init-groups"]
        return enter + list(command)

    _environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "SYSTEMD_PAGER": ""}

    def run(self, *command, who="root", cwd="/"):
        return subprocess.run(self._command(command, who, cwd), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", timeout=LIMIT,
                              check=False, env=self._environment)

    def must(self, *command, **given):
        result = self.run(*command, **given)
        if result.returncode != 0:
            raise AssertionError(f"{command}: status {result.returncode}: {result.stderr}{result.stdout}")
        return result.stdout

    def start(self, *command, who, cwd="/"):
        child = subprocess.Popen(self._command(command, who, cwd), stdin=subprocess.DEVNULL,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, preexec_fn=die_with_parent,
                                 env=self._environment)
        self.children.append(child)
        return child

    def property(self, name, unit="agentctl-locks.service"):
        return self.must("systemctl", "show", "--value", "-p", name, unit).strip()

    def daemon(self):
        """The service's process as this side of the machine counts: the only one of that name below it."""
        inner = self.property("MainPID")
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/status", encoding="utf-8") as file:
                    status = file.read()
                if os.readlink(f"/proc/{pid}/ns/pid") != os.readlink(f"/proc/{self.init}/ns/pid"):
                    continue
            except OSError:
                continue
            if re.search(r"^NSpid:\s+(.*)$", status, re.MULTILINE)[1].split()[-1] == inner:
                return int(pid), status
        raise AssertionError(f"there is no process {inner} on the machine")

    def locks(self, who="root", address=None):
        where = ["--system"] if address is None else [f"--address={address}"]
        return json.loads(self.must("agentctl-locks", "list", "--json", *where, who=who))

    def work(self, who, place, *options):
        """A process of @who's that has locked @place and works there: `agentctl-locks run` becomes it."""
        before = {lock["id"] for lock in self.locks()}
        child = self.start("agentctl-locks", "run", "--system", *options, place, "--", "sleep", "100000", who=who)

        def new_lock():
            if child.poll() is not None:
                raise AssertionError(f"run: {child.stderr.read().decode()}")
            return next((lock for lock in self.locks() if lock["id"] not in before), None)
        return child, until(new_lock, f"{who}'s lock on {place}")

    def end(self, child):
        """What nsenter started, and with it the one that works."""
        with open(f"/proc/{child.pid}/task/{child.pid}/children", encoding="ascii") as file:
            for pid in file.read().split():
                os.kill(int(pid), signal.SIGKILL)
        child.wait(LIMIT)


# The day. Each step is a case; they build on one another.

def equal(got, expected, what=""):
    if got != expected:
        raise AssertionError(f"{what}: {got!r}, not {expected!r}")


def starts_by_activation(machine, _memory):
    equal(machine.run("systemctl", "is-active", "agentctl-locks").stdout.strip(), "inactive", "before the first call")
    machine.must("busctl", "--system", "call", "org.agentctl.Locks", "/org/agentctl/Locks", "org.agentctl.Locks",
                 "List", "a{sv}", "0", who="alice")
    equal(machine.run("systemctl", "is-active", "agentctl-locks").stdout.strip(), "active", "after it")


def sandbox_is_in_force(machine, _memory):
    pid, status = machine.daemon()
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    uid = int(machine.must("id", "-u", "agentctl-locks"))
    equal(set(fields["Uid"].split()), {str(uid)}, "its user")
    equal(int(fields["CapPrm"], 16), mask(CAPABILITIES), "what it may have")
    equal(int(fields["CapBnd"], 16), mask(CAPABILITIES), "the bounding set")
    equal(int(fields["CapEff"], 16), mask(AT_REST), "what is in effect at rest")
    equal(fields["NoNewPrivs"], "1", "NoNewPrivs")
    equal(fields["Seccomp"], "2", "Seccomp")
    for namespace in ("mnt", "net", "ipc"):
        if os.readlink(f"/proc/{pid}/ns/{namespace}") == os.readlink(f"/proc/{machine.init}/ns/{namespace}"):
            raise AssertionError(f"it shares the machine's {namespace} namespace")
    with open(f"/proc/{pid}/mountinfo", encoding="utf-8") as file:
        mounts = {line.split()[4]: line.split()[5].split(",") for line in file}
    for place, mode in (("/", "ro"), ("/run/agentctl-locks", "rw"), ("/var/lib/agentctl-locks", "rw")):
        if mode not in mounts.get(place, ()):
            raise AssertionError(f"{place} is not mounted {mode} for it: {mounts.get(place)}")


def folders_are_as_promised(machine, _memory):
    expected = {"/run/agentctl-locks": "755", "/run/agentctl-locks/bus": "666", "/run/agentctl-locks/locks": "700",
                "/run/agentctl-locks/instance": "600", "/var/lib/agentctl-locks": "700",
                "/var/lib/agentctl-locks/claims": "700"}
    for path, mode in expected.items():
        equal(machine.must("stat", "-c", "%a %U", path).strip(), f"{mode} agentctl-locks", path)


def alice_works_in_her_closed_home(machine, memory):
    memory["alice"], lock = machine.work("alice", "/home/alice/project", "--reason=alice's secret")
    equal((lock["directory"], lock["cwd"], lock["reason"]),
          ("/home/alice/project", "inside", "alice's secret"), "the lock")
    memory["alice's lock"] = lock["id"]


def bob_works_in_tmp(machine, memory):
    memory["bob"], lock = machine.work("bob", "/tmp/bob")
    equal((lock["directory"], lock["cwd"]), ("/tmp/bob", "inside"), "the lock")
    memory["bob's lock"] = lock["id"]


def users_keep_out_of_each_others_places(machine, memory):
    lock = str(memory["alice's lock"])
    refused = [
        (75, ("acquire", "--system", "/srv/common", "--no-follow-cwd")),
        (77, ("claim", "--system", "/srv/alices")),
        (77, ("release", "--system", f"--id={lock}")),
        (77, ("release", "--system", f"--id={lock}", "--force")),
        (77, ("release", f"--address={DIRECT}", f"--id={lock}", "--force")),
        (77, ("release", f"--address={BUS}", f"--id={lock}", "--force")),
    ]
    machine.must("agentctl-locks", "claim", "--system", "/srv/common", who="alice")
    for status, command in refused:
        if command[0] == "acquire":
            command = ("claim", "--system", "/srv/common")
        result = machine.run("agentctl-locks", *command, who="bob")
        equal(result.returncode, status, f"{command} {result.stderr}")
    result = machine.run("agentctl-locks", "claim", "--system", "/home/alice/project", who="bob")
    if result.returncode == 0:
        raise AssertionError("bob claims what he cannot reach")
    machine.must("agentctl-locks", "release", "--system", "/srv/common", who="alice")


def texts_are_withheld(machine, memory):
    for who, may in (("alice", True), ("bob", False), ("root", True)):
        for address in (DIRECT, BUS):
            lock = next(lock for lock in machine.locks(who, address) if lock["id"] == memory["alice's lock"])
            equal("reason" in lock, may, f"the reason as {who} sees it at {address}")


def polkit_says_who_may_override(machine, _memory):
    """Over the bus: on the direct socket nobody could be asked about."""
    machine.must("agentctl-locks", "claim", "--system", "/srv/alices", who="alice")
    lock = next(lock for lock in machine.locks() if lock["directory"] == "/srv/alices")

    def release(address):
        return machine.run("agentctl-locks", "release", f"--address={address}", f"--id={lock['id']}",
                           who="bob").returncode
    equal(release(BUS), 77, "bob, before")
    rule = f"{machine.root}/etc/polkit-1/rules.d/10-bob.rules"
    with open(rule, "w", encoding="utf-8") as file:
        file.write('polkit.addRule(function(action, subject) { if (action.id == "org.agentctl.locks.override" && '
                   'subject.user == "bob") return polkit.Result.YES; });')
    # polkitd looks at its rules again by itself, a moment after they change.
    equal(release(DIRECT), 77, "bob, on the direct socket")
    until(lambda: release(BUS) == 0, "polkit's new rule")
    os.unlink(rule)
    equal([each for each in machine.locks() if each["id"] == lock["id"]], [], "the lock")


def nothing_is_lost_when_it_is_killed(machine, memory):
    before = {lock["id"]: lock["pid"] for lock in machine.locks()}
    first = machine.property("MainPID")
    os.kill(machine.daemon()[0], signal.SIGKILL)
    until(lambda: machine.property("MainPID") not in (first, "0") and machine.property("ActiveState") == "active",
          "systemd to start it again")
    equal({lock["id"]: lock["pid"] for lock in machine.locks()}, before, "the locks")
    if not {memory["alice's lock"], memory["bob's lock"]} <= set(before):
        raise AssertionError(f"the two locks are not there: {before}")


def nothing_is_lost_when_it_is_stopped(machine, memory):
    machine.must("systemctl", "stop", "agentctl-locks")
    machine.end(memory.pop("bob"))
    machine.must("systemctl", "start", "agentctl-locks")
    until(lambda: [lock["id"] for lock in machine.locks()] == [memory["alice's lock"]],
          "bob's end, while it was down, to be found")


def reload_works(machine, _memory):
    pid = machine.property("MainPID")
    machine.must("systemctl", "reload", "agentctl-locks")
    machine.locks()
    equal(machine.property("MainPID"), pid, "the process")


def an_end_is_noticed(machine, memory):
    child, lock = machine.work("bob", "/tmp/bob")
    machine.end(child)
    until(lambda: lock["id"] not in [each["id"] for each in machine.locks()], "the end of bob's lock")
    equal([each["id"] for each in machine.locks()], [memory["alice's lock"]], "what is left")


def a_removed_directory_is_noticed(machine, _memory):
    machine.must("mkdir", "/home/alice/short-lived", who="alice")
    machine.must("agentctl-locks", "claim", "--system", "/home/alice/short-lived", who="alice")
    equal(len(machine.locks()), 2, "locks")
    machine.must("rmdir", "/home/alice/short-lived")
    until(lambda: len(machine.locks()) == 1, "the end of the claim")


def root_overrides(machine, memory):
    machine.must("agentctl-locks", "release", "--system", f"--id={memory['alice' + chr(39) + 's lock']}", "--force")
    equal(machine.locks(), [], "the locks")
    machine.end(memory.pop("alice"))


def a_claim_is_made_for_tomorrow(machine, memory):
    machine.must("agentctl-locks", "claim", "--system", "/srv/common", who="alice")
    machine.work("bob", "/tmp/bob")
    memory["claim"] = next(lock for lock in machine.locks() if lock["kind"] == "manual")


def the_claim_outlives_a_reboot(machine, memory):
    locks = machine.locks()
    equal([(lock["id"], lock["directory"], lock["uid"]) for lock in locks],
          [(memory["claim"]["id"], "/srv/common", memory["claim"]["uid"])], "what is left of yesterday")
    machine.must("agentctl-locks", "release", "--system", "/srv/common", who="alice")


def the_log_has_no_complaint(machine, _memory):
    text = machine.must("journalctl", "--no-pager", "-q", "-b", "-u", "agentctl-locks", "-p", "warning", "-o", "cat")
    # Killing it is systemd's own complaint.
    lines = [line for line in text.splitlines() if not re.match(r"agentctl-locks.service: (Main process exited|"
                                                                r"Failed with result 'signal')", line)]
    equal(lines, [], "warnings")
    text = machine.must("journalctl", "--no-pager", "-q", "-b", "-u", "agentctl-locks", "-o", "cat")
    if "not permitted" in text.lower():
        raise AssertionError(text)


def units_are_clean(machine, _memory):
    for scope in ("--system", "--user"):
        result = machine.run("env", "XDG_RUNTIME_DIR=/run", "systemd-analyze", scope, "verify", "--man=no",
                             "agentctl-locks.service")
        equal((result.returncode, result.stderr), (0, ""), f"systemd-analyze {scope} verify")
    text = machine.must("systemd-analyze", "security", "--no-pager", "agentctl-locks.service")
    level = float(re.search(r"exposure level for agentctl-locks.service: ([0-9.]+)", text)[1])
    if level > 2.0:
        raise AssertionError(f"systemd-analyze security says {level}")


DAY = [starts_by_activation, sandbox_is_in_force, folders_are_as_promised, alice_works_in_her_closed_home,
       bob_works_in_tmp, users_keep_out_of_each_others_places, texts_are_withheld, polkit_says_who_may_override,
       nothing_is_lost_when_it_is_killed, nothing_is_lost_when_it_is_stopped, reload_works, an_end_is_noticed,
       a_removed_directory_is_noticed, root_overrides, the_log_has_no_complaint]
FIRST_DAY = DAY[:1] + [units_are_clean] + DAY[1:] + [a_claim_is_made_for_tomorrow]
SECOND_DAY = DAY[:1] + [the_claim_outlives_a_reboot] + DAY[1:]


def prepare(folder):
    """A fresh copy of the tree, with the project and the people."""
    root = f"{folder}/root"
    subprocess.run(["rm", "-rf", root], check=True)
    subprocess.run(["cp", "-a", "--reflink=auto", f"{folder}/base", root], check=True)
    subprocess.run(["meson", "install", "-C", f"{folder}/build", "--no-rebuild", "--quiet", "--destdir", root],
                   check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    for command in (["systemd-sysusers"], ["useradd", "-m", "-s", "/bin/sh", "alice"],
                    ["useradd", "-m", "-s", "/bin/sh", "bob"], ["groupadd", "team"],
                    ["usermod", "-aG", "team", "alice"], ["usermod", "-aG", "team", "bob"],
                    ["systemctl", "mask", "apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer",
                     "e2scrub_all.timer", "fstrim.timer"]):
        subprocess.run(["chroot", root, *command], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
    for line in (("alice", "700", "/home/alice"), ("alice", "700", "/home/alice/project"),
                 ("alice", "755", "/srv/alices"), ("alice:team", "2770", "/srv/common")):
        owner, mode, path = line
        subprocess.run(["chroot", root, "sh", "-c", f"mkdir -p {path} && chown {owner} {path} && chmod {mode} {path}"],
                       check=True)
    # /tmp is emptied at boot.
    with open(f"{root}/etc/tmpfiles.d/bob.conf", "w", encoding="ascii") as file:
        file.write("d /tmp/bob 0700 bob bob -\n")
    return root


def choose_bus(root, name):
    link = f"{root}/etc/systemd/system/dbus.service"
    if os.path.lexists(link):
        os.unlink(link)
    if name == "dbus-broker":
        os.symlink("/lib/systemd/system/dbus-broker.service", link)


class Tap:
    def __init__(self):
        self.number = self.bad = 0

    def case(self, name, function):
        self.number += 1
        try:
            function()
        except Exception:  # pylint: disable=broad-except
            self.bad += 1
            print(f"not ok {self.number} {name}")
            print("\n".join("# " + line for line in traceback.format_exc().splitlines()), flush=True)
            return False
        print(f"ok {self.number} {name}", flush=True)
        return True


def main():
    folder = os.path.abspath(sys.argv[1])
    tap, memory = Tap(), {}
    machine = Machine(prepare(folder))
    try:
        for bus, day in (("dbus-daemon", FIRST_DAY), ("dbus-broker", SECOND_DAY)):
            choose_bus(machine.root, bus)

            def boots():
                machine.boot()
                program = machine.must("systemctl", "show", "--value", "-p", "ExecStart", "dbus.service")
                if bus not in program:
                    raise AssertionError(f"the bus is {program}")
            if not tap.case(f"{bus}: the machine boots", boots):
                break
            for step in day:
                tap.case(f"{bus}: {step.__name__.replace('_', ' ')}", lambda: step(machine, memory))
            if tap.bad > 0:
                print("\n".join("# journal: " + line for line in machine.run(
                    "journalctl", "--no-pager", "-q", "-u", "agentctl-locks", "-u", "polkit", "-o", "cat"
                ).stdout.splitlines()))
            tap.case(f"{bus}: the machine shuts down", machine.shut_down)
    finally:
        machine.shut_down()
    print(f"1..{tap.number}")
    shutil.rmtree(machine.root, ignore_errors=True)
    print(f"{tap.number - tap.bad} passed, {tap.bad} failed", flush=True)
    sys.exit(0 if tap.bad == 0 else 1)


if __name__ == "__main__":
    main()
