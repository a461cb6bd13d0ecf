/* SPDX-License-Identifier: MIT */
#pragma once
#include "client/options.h"
#include "client/service.h"
#include "core/process.h"

/* Calls Acquire as @options say, for run, acquire and claim: for @holder (nullable), else for the process in
 * @options->pid, else for this one, or (@manual) for nobody. Waits with a display where it is to wait; asks
 * again when the service is restarted meanwhile; withdraws and dies by the signal when it is interrupted.
 * @path: absolute, any bytes. Returns the lock's id, or 0 with @error. */
guint64 agl_acquire (
    const AglOptions *options, const char *path, AglProcess *holder, gboolean manual, GError **error);

/* Adds the process of @options as the option "pidfd" where descriptors can be passed, since that cannot mean
 * another process by the time it arrives, nor in another PID namespace; else as "pid". Errors: AGL_ERROR. */
gboolean agl_acquire_add_process (
    AglService *service, pid_t pid, GVariantBuilder *builder, GUnixFDList **fds, GError **error);
