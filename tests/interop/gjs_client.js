// SPDX-License-Identifier: MIT
// The same as gio_client.py, as a GNOME Shell extension would do it:
//
//     gjs gjs_client.js bus|peer ADDRESS HELD-DIRECTORY
const {Gio, GLib} = imports.gi;

const NAME = 'org.agentctl.Locks';
const PATH = '/org/agentctl/Locks';
const Locks = Gio.DBusProxy.makeProxyWrapper(`<node><interface name="${NAME}">
  <method name="Acquire"><arg type="s" direction="in"/><arg type="a{sv}" direction="in"/><arg type="t" direction="out"/></method>
  <method name="Release"><arg type="s" direction="in"/><arg type="a{sv}" direction="in"/><arg type="u" direction="out"/></method>
  <signal name="LockAcquired"><arg type="t"/><arg type="s"/><arg type="u"/><arg type="a{sv}"/></signal>
  <signal name="LockReleased"><arg type="t"/><arg type="s"/><arg type="u"/><arg type="s"/><arg type="a{sv}"/></signal>
</interface></node>`);

const [how, address, held] = ARGV;
const pid = new Gio.Credentials().get_unix_pid();
const flags = Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT |
    (how === 'bus' ? Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION : 0);
const connection = Gio.DBusConnection.new_for_address_sync(address, flags, null, null);
const locks = new Locks(connection, how === 'bus' ? NAME : null, PATH);
const loop = GLib.MainLoop.new(null, false);
const here = GLib.get_current_dir();
const heard = [];

locks.connectSignal('LockAcquired', (proxy, sender, [id, directory, holder]) => {
    if (holder === pid)
        heard.push(['LockAcquired', id, directory, holder]);
});
locks.connectSignal('LockReleased', (proxy, sender, [id, directory, holder, reason]) => {
    if (holder !== pid)
        return;
    heard.push(['LockReleased', id, directory, holder, reason]);
    loop.quit();
});

const [lock] = locks.AcquireSync(here, {agent: new GLib.Variant('s', 'gjs')});
let refusal = null;
try {
    locks.AcquireSync(held, {'follow-cwd': new GLib.Variant('b', false)});
} catch (error) {
    refusal = Gio.DBusError.get_remote_error(error);
}
const [released] = locks.ReleaseSync(here, {});
loop.run();
print(JSON.stringify({lock, refusal, released, heard}));
