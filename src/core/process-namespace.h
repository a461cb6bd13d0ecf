/* SPDX-License-Identifier: MIT */
#pragma once
#include "core/process.h"

/* What @pid means to @viewer: the same process's number here. A viewer in another PID namespace
 * (pid_namespaces(7)) counts differently, and its numbers must never be taken for ours. -1 and
 * AGL_ERROR_NO_SUCH_PROCESS when there is no such process there, or none that can be told from here. */
pid_t agl_process_namespace_translate (const AglProcess *viewer, pid_t pid, GError **error);
