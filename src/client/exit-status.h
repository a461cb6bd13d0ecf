/* SPDX-License-Identifier: MIT */
#pragma once
#include <gio/gio.h>
#include <sysexits.h>

/* How a command ends, as sysexits(3) numbers it. Scripts rely on these. */
typedef enum
{
  AGL_EXIT_OK = EX_OK,
  AGL_EXIT_USAGE = EX_USAGE,            /* 64 */
  AGL_EXIT_NO_SERVICE = EX_UNAVAILABLE, /* 69 */
  AGL_EXIT_FAILED = EX_SOFTWARE,        /* 70: anything else */
  AGL_EXIT_CONFLICT = EX_TEMPFAIL,      /* 75: held or timed out, or what --conflict-exit-code says */
  AGL_EXIT_NOT_PERMITTED = EX_NOPERM,   /* 77 */
  AGL_EXIT_NOT_EXECUTABLE = 126,        /* as a shell would, of `run` alone */
  AGL_EXIT_NOT_FOUND = 127
} AglExitStatus;

/* Failures of this side of the bus: the code is the AglExitStatus, the message is translated already. */
#define AGL_EXIT_ERROR (agl_exit_error_quark ())
GQuark agl_exit_error_quark (void);

/* What @error ends the program with. @conflict: the status for held and timed out. */
int agl_exit_status_of (const GError *error, int conflict);

/* TRUE when @error says that nobody is there to answer: no service, or one that went away while we asked.
 * Asking again, of a service that has come back, is right then; a service that is there but silent is not
 * meant. */
gboolean agl_exit_is_service_gone (const GError *error);
