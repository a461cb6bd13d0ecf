/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/paths.h"

/* That one instance, and no other, serves a folder: a lock on `DIR/instance` that the kernel gives back when
 * this process ends, however it ends (fcntl(2), F_SETLK: it also names the pid that has it). */

/* (So long as the kernel keeps threads of a process that was killed, which hang in a filesystem, it keeps the
 * lock too. When it is proven that nothing of that process will run any more, see undead.h, its file is
 * replaced.)
 *
 * Creates @path (@mode) where it is missing and takes the lock, which lasts as long as the process.
 * @option: of the command line, that names another such folder. @replace: an instance that has it is asked to
 * stop (SIGTERM, which releases nothing) and waited for.
 * Returns the lock's descriptor, never to be closed: closing any descriptor of the file would give the lock
 * up. -1 with G_IO_ERROR_BUSY, naming the pid of the other; G_IO_ERROR_TIMED_OUT when it does not stop; or
 * any other GIOError where it is not known whether there is another. Blocks: for start-up only. */
int agl_instance_claim (const char *path, mode_t mode, const char *option, gboolean replace, GError **error);

/* Sends @signal to the instance that serves @path, and to nobody else. Returns its pidfd, the caller's to
 * close. -1 with G_IO_ERROR_CLOSED when none serves it any more, G_IO_ERROR_NOT_FOUND when there is none that
 * this process can see. */
int agl_instance_signal (const char *path, int signal, GError **error);
