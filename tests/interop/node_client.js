// SPDX-License-Identifier: MIT
// The same as gio_client.py, on dbus-next:
//
//     node node_client.js bus ADDRESS HELD-DIRECTORY
'use strict';
const dbus = require('dbus-next');

const NAME = 'org.agentctl.Locks';
const [, busAddress, held] = process.argv.slice(2);

async function main() {
  const bus = dbus.sessionBus({ busAddress });
  const object = await bus.getProxyObject(NAME, '/org/agentctl/Locks');
  const locks = object.getInterface(NAME);
  const heard = [];
  let ended;
  const end = new Promise((resolve) => { ended = resolve; });

  // 64-bit numbers are BigInt here, which JSON does not know.
  locks.on('LockAcquired', (id, directory, pid) => {
    if (pid === process.pid) heard.push(['LockAcquired', Number(id), directory, pid]);
  });
  locks.on('LockReleased', (id, directory, pid, reason) => {
    if (pid !== process.pid) return;
    heard.push(['LockReleased', Number(id), directory, pid, reason]);
    ended();
  });
  const lock = await locks.Acquire(process.cwd(), { agent: new dbus.Variant('s', 'node') });
  const refusal = await locks.Acquire(held, { 'follow-cwd': new dbus.Variant('b', false) })
    .then(() => null, (error) => error.type);
  const released = await locks.Release(process.cwd(), {});
  await end;
  console.log(JSON.stringify({ lock: Number(lock), refusal, released, heard }));
  bus.disconnect();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
