// SPDX-License-Identifier: MIT
// agentctl's lock manager, call by call, on org.agentctl.Locks; docs/agentctl.md explains each of them. What was
// a file that one supervisor kept is a service that every program asks, so every call returns a promise.
'use strict';
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const path = require('node:path');
const dbus = require('dbus-next');

const NAME = 'org.agentctl.Locks';
const text = (value) => new dbus.Variant('s', value);
const flag = (value) => new dbus.Variant('b', value);

// A lock, or who else is in the way, in the words of agentctl.
function translate(facts) {
  const value = (key) => facts[key]?.value;
  const manual = value('kind') === 'manual';
  return {
    id: value('id'),
    directory: value('directory'),
    type: manual ? 'manual' : 'auto',
    pid: manual ? undefined : value('pid'),
    sessionId: manual ? undefined : value('session'),
    lockedBy: manual ? value('agent') : undefined,
    reason: value('reason'),
    lockedAt: facts['acquired-at'] && new Date(Number(value('acquired-at') / 1000n)).toISOString(),
  };
}

class LockManager {
  static async connect(busAddress) {
    const self = new LockManager();
    self.bus = dbus.sessionBus({ busAddress });
    const object = await self.bus.getProxyObject(NAME, '/org/agentctl/Locks');
    self.locks = object.getInterface(NAME);
    self.dead = new Set();
    self.locks.on('LockReleased', (id, directory, pid, reason) => {
      if (reason === 'exited') self.dead.add(pid);
    });
    return self;
  }

  disconnect() {
    this.bus.disconnect();
  }

  // Manual locks come first, as they did.
  async check(directory) {
    const [free, blockers] = await this.locks.Check(path.resolve(directory));
    const all = blockers.map(translate);
    return free ? null : all.find((lock) => lock.type === 'manual') ?? all[0] ?? null;
  }

  // Beside others, if there are: agentctl looked for them in `launch`, not here.
  async autoLock(directory, pid, sessionId) {
    const id = await this.locks.Acquire(path.resolve(directory), {
      pid: new dbus.Variant('u', pid), session: text(sessionId), conflict: text('join'),
    });
    return (await this.listAll()).find((lock) => lock.id === id);
  }

  async release(chosen) {
    for (const lock of chosen) {
      // It may end by itself just now: then what was wanted is so.
      await this.locks.Release('', { id: new dbus.Variant('t', lock.id) }).catch((error) => {
        if (error.type !== `${NAME}.Error.NotFound`) throw error;
      });
    }
  }

  // Seldom needed: a lock ends with its process.
  async autoUnlockByPid(pid) {
    await this.release(await this.list({ pid: new dbus.Variant('u', pid) }));
  }

  async autoUnlock(sessionId) {
    const locks = await this.list({ kind: text('process') });
    await this.release(locks.filter((lock) => lock.sessionId === sessionId));
  }

  // Over running agents, but not over another's claim.
  async manualLock(directory, by, reason) {
    const resolved = path.resolve(directory);
    const [there] = await this.list({ directory: text(resolved), kind: text('manual') });
    if (there) throw new Error(`Already manually locked by ${there.lockedBy}: ${there.reason}`);
    const options = { manual: flag(true), conflict: text('join') };
    if (by) options.agent = text(by);
    if (reason) options.reason = text(reason);
    const id = await this.locks.Acquire(resolved, options);
    return (await this.listAll()).find((lock) => lock.id === id);
  }

  async manualUnlock(directory) {
    const resolved = path.resolve(directory);
    const there = await this.list({ directory: text(resolved), kind: text('manual') });
    if (there.length === 0) throw new Error(`No manual lock on ${resolved}`);
    await this.release(there);
  }

  // Nothing to clean up: the service saw each of them die. Tells who did since it was asked last.
  async cleanupDeadLocks() {
    const pids = [...this.dead];
    this.dead.clear();
    return pids;
  }

  async list(filter) {
    return (await this.locks.List(filter)).map(translate);
  }

  async listAll() {
    return this.list({});
  }

  // `launch`: lock first, launch second, so that no other launcher comes in between. With force beside whoever
  // is there; `conflict: 'steal'` would take it from them, and tell them.
  async launch(directory, command, { force = false, sessionId } = {}) {
    const options = { 'follow-cwd': flag(false), conflict: text(force ? 'join' : 'fail') };
    if (sessionId) options.session = text(sessionId);
    const id = await this.locks.Acquire(path.resolve(directory), options);
    try {
      const child = spawn(command[0], command.slice(1), { cwd: directory, stdio: 'ignore' });
      await once(child, 'spawn');
      await this.locks.Transfer(id, { pid: new dbus.Variant('u', child.pid), 'follow-cwd': flag(true) });
      return child;
    } catch (error) {
      await this.release([{ id }]);
      throw error;
    }
  }
}

module.exports = { LockManager };
