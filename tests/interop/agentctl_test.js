// SPDX-License-Identifier: MIT
// What agentctl's own tests say of its lock manager, said of agentctl.js with real processes:
//
//     node agentctl_test.js ADDRESS EMPTY-DIRECTORY
'use strict';
const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const path = require('node:path');
const { LockManager } = require('./agentctl.js');

const [address, root] = process.argv.slice(2);
const children = new Set();
const held = { type: 'org.agentctl.Locks.Error.Held' };

function directory(name) {
  const place = path.join(root, name);
  fs.mkdirSync(place, { recursive: true });
  return place;
}

async function agent(place) {
  const child = spawn('sleep', ['1000'], { cwd: place, stdio: 'ignore' });
  children.add(child);
  await once(child, 'spawn');
  return child;
}

async function end(child) {
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
  children.delete(child);
}

// Another client's death notice, not a pause: resolves when the service has told of that process.
function death(manager, pid) {
  return new Promise((resolve) => {
    manager.locks.on('LockReleased', function heard(id, place, holder) {
      if (holder !== pid) return;
      manager.locks.removeListener('LockReleased', heard);
      resolve();
    });
  });
}

const tests = {
  async check(manager) {
    const place = directory('check');
    assert.equal(await manager.check(place), null);
    const one = await agent(place);
    await manager.autoLock(place, one.pid, 's1');
    const auto = await manager.check(place);
    assert.deepEqual([auto.type, auto.pid, auto.sessionId, auto.directory], ['auto', one.pid, 's1', place]);
    assert.ok(Math.abs(Date.parse(auto.lockedAt) - Date.now()) < 3600e3);
    await manager.manualLock(place, 'user', 'testing');
    const manual = await manager.check(place);
    assert.deepEqual([manual.type, manual.lockedBy, manual.reason], ['manual', 'user', 'testing']);
    assert.equal((await manager.check(path.relative(process.cwd(), place))).id, manual.id);
  },

  async autoLock(manager) {
    const place = directory('auto');
    const [one, two] = [await agent(place), await agent(place)];
    const first = await manager.autoLock(place, one.pid, 's1');
    assert.deepEqual([first.type, first.directory, first.pid], ['auto', place, one.pid]);
    assert.equal((await manager.autoLock(place, one.pid, 's1')).id, first.id);
    assert.notEqual((await manager.autoLock(place, two.pid, 's2')).id, first.id);
  },

  async autoUnlockByPid(manager) {
    const place = directory('by-pid');
    const [one, two] = [await agent(place), await agent(place)];
    await manager.autoLock(place, one.pid, 's1');
    await manager.autoLock(place, two.pid, 's2');
    const [lock] = (await manager.listAll()).filter((l) => l.pid === one.pid);
    await manager.autoUnlockByPid(one.pid);
    // What has ended meanwhile is as one wanted it.
    await manager.release([lock]);
    assert.deepEqual((await manager.listAll()).filter((l) => l.directory === place).map((l) => l.pid), [two.pid]);
  },

  async autoUnlock(manager) {
    const place = directory('by-session');
    const [one, two] = [await agent(place), await agent(place)];
    await manager.autoLock(place, one.pid, 'mine');
    await manager.autoLock(place, two.pid, 'yours');
    await manager.autoUnlock('mine');
    assert.deepEqual((await manager.listAll()).filter((l) => l.directory === place).map((l) => l.sessionId),
      ['yours']);
  },

  async manualLock(manager) {
    const place = directory('manual');
    await manager.manualLock(place, 'user1', 'first');
    await assert.rejects(manager.manualLock(place, 'user2', 'second'), /Already manually locked by user1: first/);
    await manager.manualUnlock(place);
    assert.equal(await manager.check(place), null);
    await assert.rejects(manager.manualUnlock(place), /No manual lock/);
    const one = await agent(place);
    await manager.autoLock(place, one.pid, 's1');
    await assert.rejects(manager.manualUnlock(place), /No manual lock/);
    assert.equal((await manager.check(place)).pid, one.pid);
  },

  async cleanupDeadLocks(manager) {
    const [a, b] = [directory('dead-a'), directory('dead-b')];
    const one = await agent(a);
    await manager.autoLock(a, one.pid, 's1');
    await manager.manualLock(b, 'user', 'stays');
    await manager.cleanupDeadLocks();
    assert.deepEqual(await manager.cleanupDeadLocks(), []);
    // Released by hand is not dead.
    const two = await agent(a);
    await manager.autoLock(a, two.pid, 's2');
    const released = death(manager, two.pid);
    await manager.autoUnlockByPid(two.pid);
    await released;
    assert.deepEqual(await manager.cleanupDeadLocks(), []);
    const told = death(manager, one.pid);
    await end(one);
    await told;
    assert.deepEqual(await manager.cleanupDeadLocks(), [one.pid]);
    assert.deepEqual(await manager.cleanupDeadLocks(), []);
    assert.equal(await manager.check(a), null);
    assert.equal((await manager.check(b)).type, 'manual');
  },

  async launch(manager) {
    const place = directory('launch');
    const first = await manager.launch(place, ['sleep', '1000'], { sessionId: 's1' });
    children.add(first);
    const lock = await manager.check(place);
    assert.deepEqual([lock.pid, lock.sessionId], [first.pid, 's1']);
    // As if it had locked for itself: the lock ends when it leaves, too.
    const [facts] = (await manager.locks.List({})).filter((l) => l.id.value === lock.id);
    assert.equal(facts['follow-cwd'].value, true);
    await assert.rejects(manager.launch(place, ['sleep', '1000']), held);
    const second = await manager.launch(place, ['sleep', '1000'], { force: true });
    children.add(second);
    assert.deepEqual((await manager.listAll()).filter((l) => l.directory === place).map((l) => l.pid).sort(),
      [first.pid, second.pid].sort());
    const other = directory('launch-fails');
    await assert.rejects(manager.launch(other, ['/nowhere/no-such-program']), { code: 'ENOENT' });
    assert.equal(await manager.check(other), null);
  },
};

async function main() {
  const manager = await LockManager.connect(address);
  try {
    for (const [name, run] of Object.entries(tests)) {
      await run(manager);
      console.log(`${name}`);
    }
  } finally {
    for (const child of children) child.kill('SIGKILL');
    manager.disconnect();
  }
  console.log('all done');
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
