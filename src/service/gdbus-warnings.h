/* SPDX-License-Identifier: MIT */
#pragma once
#include <glib.h>

/* Keeps out of the log what GDBus warns of about strangers' messages. Once for the process; any thread. */
void agl_gdbus_warnings_quieten (void);
