/* SPDX-License-Identifier: MIT */
#include "common/error.h"

#include <errno.h>

#include "common/names.h"

static const GDBusErrorEntry entries[] = {
  { AGL_ERROR_HELD, AGL_ERROR_PREFIX "Held" },
  { AGL_ERROR_TIMED_OUT, AGL_ERROR_PREFIX "TimedOut" },
  { AGL_ERROR_CANCELLED, AGL_ERROR_PREFIX "Cancelled" },
  { AGL_ERROR_DEADLOCK, AGL_ERROR_PREFIX "Deadlock" },
  { AGL_ERROR_INVALID_DIRECTORY, AGL_ERROR_PREFIX "InvalidDirectory" },
  { AGL_ERROR_INVALID_OPTION, AGL_ERROR_PREFIX "InvalidOption" },
  { AGL_ERROR_NO_SUCH_PROCESS, AGL_ERROR_PREFIX "NoSuchProcess" },
  { AGL_ERROR_NOT_IN_DIRECTORY, AGL_ERROR_PREFIX "NotInDirectory" },
  { AGL_ERROR_NOT_FOUND, AGL_ERROR_PREFIX "NotFound" },
  { AGL_ERROR_AMBIGUOUS, AGL_ERROR_PREFIX "Ambiguous" },
  { AGL_ERROR_HOLDER_ALIVE, AGL_ERROR_PREFIX "HolderAlive" },
  { AGL_ERROR_NOT_PERMITTED, AGL_ERROR_PREFIX "NotPermitted" },
  { AGL_ERROR_LIMIT_EXCEEDED, AGL_ERROR_PREFIX "LimitExceeded" },
  { AGL_ERROR_UNAVAILABLE, AGL_ERROR_PREFIX "Unavailable" },
};
G_STATIC_ASSERT (G_N_ELEMENTS (entries) == AGL_N_ERRORS);

GQuark
agl_error_quark (void)
{
  static gsize quark = 0;

  g_dbus_error_register_error_domain ("agl-error-quark", &quark, entries, G_N_ELEMENTS (entries));
  return (GQuark)quark;
}

const char *
agl_error_nick (AglError code)
{
  g_return_val_if_fail ((guint)code < AGL_N_ERRORS, NULL);
  return entries[code].dbus_error_name + sizeof AGL_ERROR_PREFIX - 1;
}

gboolean
agl_error_is_shortage (int code)
{
  return code == EMFILE || code == ENFILE || code == ENOMEM;
}
