/* SPDX-License-Identifier: MIT */
#pragma once
#include "core/lock.h"

/* A line in the log about one lock, with the fields AGL_LOCK_ID, AGL_DIRECTORY, AGL_PID and AGL_UID beside
 * the text, so that `journalctl AGL_LOCK_ID=42` tells its whole life. Free texts never reach the log; the
 * directory is escaped. What each level is for: docs/architecture.md. */
void agl_lock_log (GLogLevelFlags level, const AglLock *lock, const char *format, ...) G_GNUC_PRINTF (3, 4);
