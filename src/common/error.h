/* SPDX-License-Identifier: MIT */
#pragma once
#include <gio/gio.h>

/* Every way in which a request can end other than well. The same on both sides of the bus: each code has
 * one D-Bus error name, AGL_ERROR_PREFIX followed by its nick, registered with GDBus when the domain is first
 * used, so that a GError thrown in the service is the same GError in a client. */
#define AGL_ERROR (agl_error_quark ())
GQuark agl_error_quark (void);

typedef enum
{
  AGL_ERROR_HELD,              /* somebody is in the way */
  AGL_ERROR_TIMED_OUT,         /* a wait ran out */
  AGL_ERROR_CANCELLED,         /* a wait was cancelled */
  AGL_ERROR_DEADLOCK,          /* a wait would never end */
  AGL_ERROR_INVALID_DIRECTORY, /* relative, empty, missing, no directory, too long, not reachable by the
                                  caller */
  AGL_ERROR_INVALID_OPTION,    /* unknown key, wrong type, out of range, options that exclude each other */
  AGL_ERROR_NO_SUCH_PROCESS,   /* the holder-to-be does not exist or is dead */
  AGL_ERROR_NOT_IN_DIRECTORY,  /* the holder-to-be is elsewhere */
  AGL_ERROR_NOT_FOUND,         /* no such lock */
  AGL_ERROR_AMBIGUOUS,         /* several locks would fit */
  AGL_ERROR_HOLDER_ALIVE,      /* its holder lives and is not the caller */
  AGL_ERROR_NOT_PERMITTED,     /* another user's process, lock or directory */
  AGL_ERROR_LIMIT_EXCEEDED,    /* a limit per user */
  AGL_ERROR_UNAVAILABLE,       /* the service cannot keep its promise now; nothing was granted or changed */
  AGL_N_ERRORS
} AglError;

/* The D-Bus name without its prefix, "Held" for instance. Static. */
const char *agl_error_nick (AglError code);

/* TRUE for an errno that tells of what we lack, descriptors or memory, and nothing of what was asked for. */
gboolean agl_error_is_shortage (int code);
