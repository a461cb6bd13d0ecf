/* SPDX-License-Identifier: MIT */
#pragma once
#include <glib.h>
#include <sys/types.h>

/* What nearly everybody on a machine sees: the mounts and the root directory of process 1. A service that its
 * unit gives mounts of its own (ProtectSystem= and others) shares its view with nobody, and without this
 * every look would be one into a strange place, that a thread has to wait for. The machine's root is in use
 * by everything on it: opening it waits for nobody. */

/* TRUE when @pid has the mounts of process 1 (which are not this service's own) and a root that reads "/" in
 * them. Reads links of /proc alone. FALSE also when it cannot be told. */
gboolean agl_machine_view_is_of (pid_t pid);

/* An O_PATH descriptor of the root directory of process 1; -1 with errno. */
int agl_machine_view_open_root (void);
