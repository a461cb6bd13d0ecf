# SPDX-License-Identifier: MIT
"""The service of a whole machine, as its packages would start it, and people who use it.

What is installed counts: the bus policy, the polkit action and the unit come out of `meson install`, and the
daemon runs as the unit's user with the unit's capabilities and not one more. The people are real users, made
with useradd in a copy of /etc that only these tests see (a mount namespace of their own). Needs root.
"""
import atexit
import contextlib
import glob
import os
import re
import shutil
import subprocess
import tempfile

import harness
from harness import BUILD, until

SERVICE_USER = "agentctl-locks"


class Installation:
    """What `meson install` puts on a machine, in a folder, and the users that its packages would make."""

    def __init__(self):
        self.root = tempfile.mkdtemp(prefix="agl-machine-")
        atexit.register(shutil.rmtree, self.root, ignore_errors=True)
        os.chmod(self.root, 0o755)
        subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", "--destdir", self.root],
                       check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        self.daemon = self.find("libexec/agentctl-locksd")
        self.command_line = self.find("bin/agentctl-locks")
        self.unit = self.find("system/agentctl-locks.service")
        self.user_unit = self.find("systemd/user/agentctl-locks.service")
        self.policy = self.find("system.d/org.agentctl.Locks.conf")
        self.action = self.find("actions/org.agentctl.locks.policy")
        self.sysusers = self.find("sysusers.d/agentctl-locks.conf")
        self.agents = os.path.dirname(self.find("agents.d/claude.conf"))
        # Where every user may run it, wherever it was built.
        self.agent = shutil.copy(os.path.join(BUILD, "tests", "integration", "test-agent"), self.root)
        self.settings = self._read_unit()

    def find(self, end):
        found = [path for path in glob.glob(f"{self.root}/**/{os.path.basename(end)}", recursive=True)
                 if path.endswith("/" + end)]
        if len(found) != 1:
            raise AssertionError(f"{end} is installed as {found}")
        return found[0]

    def _read_unit(self):
        """Key → the values of its lines; of the system unit."""
        settings = {}
        with open(self.unit, encoding="utf-8") as file:
            for line in file:
                key, equals, value = line.strip().partition("=")
                if equals and not key.startswith("#"):
                    settings.setdefault(key, []).append(value)
        return settings

    @property
    def capabilities(self):
        """As the unit grants them: ambient ones, and no others may be had."""
        ambient, bounding = (self.settings[key][-1].split() for key in ("AmbientCapabilities",
                                                                        "CapabilityBoundingSet"))
        if sorted(ambient) != sorted(bounding):
            raise AssertionError("the unit lets the service have more than it is given")
        return [name.removeprefix("CAP_").lower() for name in ambient]

    def as_service(self, command, capabilities=None):
        """@command as the unit's user with the unit's capabilities (others, to show what they are for)."""
        names = self.capabilities if capabilities is None else capabilities
        chosen = ",".join(["-all"] + [f"+{name}" for name in names])
        return ["setpriv", f"--reuid={SERVICE_USER}", f"--regid={SERVICE_USER}", "--clear-groups",
                f"--inh-caps={chosen}", f"--ambient-caps={chosen}", f"--bounding-set={chosen}", "--no-new-privs",
                *command]


def _private_copy(folder):
    """The folder with what is in it now, to be changed at will: nobody else sees it, and nothing stays."""
    with tempfile.TemporaryDirectory() as keep:
        subprocess.run(["cp", "-a", f"{folder}/.", keep], check=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", folder], check=True)
        subprocess.run(["cp", "-a", f"{keep}/.", folder], check=True)


PEOPLE = ("alice", "bob", "carol", "dave")
# carol may override by a rule; dave may after he has given a password; bob may never.
RULES = """
polkit.addRule(function(action, subject) {
    if (action.id == "org.agentctl.locks.override") {
        if (subject.user == "agl-carol") return polkit.Result.YES;
        if (subject.user == "agl-dave") return polkit.Result.AUTH_SELF;
        return polkit.Result.NO;
    }
});
"""


class _World:
    """Made once for a module's tests, when the first of them begins."""

    installation = None
    uids = {}
    gids = {}

    @classmethod
    def make(cls):
        if cls.installation is not None:
            return
        harness.have_mounts_of_our_own()
        cls.installation = Installation()
        _private_copy("/etc")
        for name in ("/etc/passwd.lock", "/etc/group.lock", "/etc/shadow.lock", "/etc/gshadow.lock", "/etc/.pwd.lock"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)
        subprocess.run(["systemd-sysusers", cls.installation.sysusers], check=True)
        subprocess.run(["groupadd", "agl-team"], check=True)
        for name in PEOPLE:
            subprocess.run(["useradd", "--no-create-home", "--user-group", f"agl-{name}"], check=True,
                           stderr=subprocess.DEVNULL)
        import grp  # pylint: disable=import-outside-toplevel
        import pwd  # pylint: disable=import-outside-toplevel
        for name in PEOPLE:
            entry = pwd.getpwnam(f"agl-{name}")
            cls.uids[name], cls.gids[name] = entry.pw_uid, entry.pw_gid
        cls.uids["root"], cls.gids["root"] = 0, 0
        cls.uids["service"] = pwd.getpwnam(SERVICE_USER).pw_uid
        cls.gids["team"] = grp.getgrnam("agl-team").gr_gid
        _private_copy("/usr/share/polkit-1/actions")
        shutil.copy(cls.installation.action, "/usr/share/polkit-1/actions")
        os.makedirs("/etc/polkit-1/rules.d", exist_ok=True)
        with open("/etc/polkit-1/rules.d/00-agl-test.rules", "w", encoding="utf-8") as file:
            file.write(RULES)
        subprocess.run(["chown", "-R", "polkitd", "/etc/polkit-1/rules.d"], check=False)


def uid_of(name):
    return _World.uids[name]


def gid_of(name):
    return _World.gids[name]


def installation():
    _World.make()
    return _World.installation


class Machine(harness.Service):
    """A daemon started with --system, on a system bus of its own with the installed policy."""

    def __init__(self, config=None, arguments=(), bus=True, capabilities=None, polkit=False):
        self.installation = installation()
        self.capabilities, self.wants_polkit, self.polkit = capabilities, polkit, None
        self.prefix = []
        super().__init__(config, arguments, bus=False)
        self.environment["DBUS_SYSTEM_BUS_ADDRESS"] = self.address("bus")
        self.environment["AGENTCTL_LOCKS_AGENTS_DIR"] = self.installation.agents
        self.environment["AGENTCTL_LOCKS_DAEMON"] = self.installation.daemon
        mode = {key: int(self.installation.settings[f"{key}Mode"][-1], 8)
                for key in ("RuntimeDirectory", "StateDirectory")}
        for folder, key in ((self.runtime, "RuntimeDirectory"), (self.state, "StateDirectory")):
            os.chmod(folder, mode[key])
            os.chown(folder, uid_of("service"), uid_of("service"))
        os.chmod(f"{self.root}/config", 0o644)
        os.chmod(f"{self.root}/work", 0o755)
        if bus:
            self.start_bus()
        if polkit:
            self.start_polkit()

    def start_bus(self):
        """Of the distribution's own configuration all but where it listens and how it is started."""
        with open("/usr/share/dbus-1/system.conf", encoding="utf-8") as file:
            text = re.sub(r"<!--.*?-->", "", file.read(), flags=re.DOTALL)
        text = re.sub(r"<(listen|pidfile|user|servicehelper|include|includedir)\b[^>]*>[^<]*</\1>", "", text)
        text = re.sub(r"<(fork|syslog|standard_system_servicedirs)/>", "", text)
        text = text.replace("</busconfig>", f"""
            <listen>unix:path={self.root}/message-bus</listen>
            <include>{self.installation.policy}</include>
            <include ignore_missing="yes">/usr/share/dbus-1/system.d/org.freedesktop.PolicyKit1.conf</include>
            </busconfig>""")
        with open(f"{self.root}/bus.conf", "w", encoding="utf-8") as file:
            file.write(text)
        with open(f"{self.root}/bus.log", "ab") as log:
            self.bus = subprocess.Popen(
                ["dbus-daemon", f"--config-file={self.root}/bus.conf", "--nofork", "--nopidfile", "--nosyslog"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment, cwd="/",
                preexec_fn=harness._die_with_parent)
        until(lambda: self._can_connect("bus") or self.bus.poll() is not None, "the bus")

    def start_polkit(self):
        with open(f"{self.root}/polkit.log", "ab") as log:
            self.polkit = subprocess.Popen(["/usr/lib/polkit-1/polkitd", "--no-debug"], stdin=subprocess.DEVNULL,
                                           stdout=log, stderr=log, env=self.environment, cwd="/",
                                           preexec_fn=harness._die_with_parent)
        until(lambda: self.owns_name("org.freedesktop.PolicyKit1"), "polkitd")

    def stop_polkit(self):
        self.polkit.kill()
        self.polkit.wait()
        self.polkit = None
        until(lambda: not self.owns_name("org.freedesktop.PolicyKit1"), "polkitd's end")

    def owns_name(self, name=harness.NAME):
        connection = harness.Gio.DBusConnection.new_for_address_sync(
            self.address("bus"), harness.Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT
            | harness.Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION, None, None)
        connection.set_exit_on_close(False)
        try:
            return connection.call_sync("org.freedesktop.DBus", "/", "org.freedesktop.DBus", "NameHasOwner",
                                        harness.GLib.Variant("(s)", (name,)), None,
                                        harness.Gio.DBusCallFlags.NONE, -1, None).unpack()[0]
        finally:
            connection.close_sync(None)

    def command(self, *more):
        return self.prefix + self.installation.as_service(
            [self.installation.daemon, "--system", f"--runtime-dir={self.runtime}", f"--state-dir={self.state}",
             f"--config={self.root}/config", *self.arguments, *more], self.capabilities)

    def cleanup(self):
        if self.polkit is not None:
            self.polkit.kill()
            self.polkit.wait()
        super().cleanup()


class Case(harness.Case):
    """A test on a machine. self.me is root, who may see everything."""

    polkit = False
    capabilities = None

    def make_service(self):
        return Machine(self.config, self.arguments, self.bus, self.capabilities, self.polkit)

    def setUp(self):
        self.agents = []
        self.clients = []
        self.service = self.make_service()
        self.addCleanup(self._clean_up)
        if self.autostart:
            self.service.start()
            self.me = self.client()

    def directory(self, name="project", owner="root", mode=0o755, group=None):
        path = os.path.join(os.path.realpath(self.service.root), "work", name)
        os.makedirs(path, exist_ok=True)
        os.chown(path, uid_of(owner), gid_of(group or owner))
        os.chmod(path, mode)
        return path

    def agent(self, cwd, who="root", groups=(), **given):
        given.setdefault("program", self.service.installation.agent)
        agent = harness.Agent(self, cwd, uid=uid_of(who), gid=gid_of(who), groups=[gid_of(g) for g in groups],
                              **given)
        agent.who = who
        return agent

    def holder(self, directory, who="root", groups=(), **given):
        agent = self.agent(directory, who, groups)
        return agent, agent.acquire(directory, **given)

    def command_line_as(self, who, *arguments, door=None, cwd="/"):
        command = [self.service.installation.command_line, *arguments]
        command[2:2] = [f"--address={self.service.address(door or self.door)}"]
        return subprocess.run(command, cwd=cwd, env=self.service.environment, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
                              errors="surrogateescape", timeout=harness.CLI_LIMIT, check=False, user=uid_of(who),
                              group=gid_of(who), extra_groups=[])
