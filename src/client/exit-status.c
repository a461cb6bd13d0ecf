/* SPDX-License-Identifier: MIT */
#include "client/exit-status.h"

#include "common/error.h"

G_DEFINE_QUARK (agl - exit - error - quark, agl_exit_error)

static int
status_of_service_error (AglError code, int conflict)
{
  switch (code)
    {
    case AGL_ERROR_HELD:
    case AGL_ERROR_TIMED_OUT:
      return conflict;
    case AGL_ERROR_INVALID_OPTION:
      return AGL_EXIT_USAGE;
    case AGL_ERROR_NOT_PERMITTED:
      return AGL_EXIT_NOT_PERMITTED;
    case AGL_ERROR_CANCELLED:
    case AGL_ERROR_DEADLOCK:
    case AGL_ERROR_INVALID_DIRECTORY:
    case AGL_ERROR_NO_SUCH_PROCESS:
    case AGL_ERROR_NOT_IN_DIRECTORY:
    case AGL_ERROR_NOT_FOUND:
    case AGL_ERROR_AMBIGUOUS:
    case AGL_ERROR_HOLDER_ALIVE:
    case AGL_ERROR_LIMIT_EXCEEDED:
    case AGL_ERROR_UNAVAILABLE:
    case AGL_N_ERRORS:
      return AGL_EXIT_FAILED;
    }
  return AGL_EXIT_FAILED;
}

gboolean
agl_exit_is_service_gone (const GError *error)
{
  return g_error_matches (error, AGL_EXIT_ERROR, AGL_EXIT_NO_SERVICE)
         || g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN)
         || g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_NAME_HAS_NO_OWNER)
         || g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_NO_REPLY)
         || g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_DISCONNECTED)
         || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CLOSED)
         || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_BROKEN_PIPE)
         || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED);
}

int
agl_exit_status_of (const GError *error, int conflict)
{
  if (error->domain == AGL_EXIT_ERROR)
    return error->code;
  if (error->domain == AGL_ERROR)
    return status_of_service_error (error->code, conflict);
  if (agl_exit_is_service_gone (error) || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT))
    return AGL_EXIT_NO_SERVICE;
  if (g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED)
      || g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_AUTH_FAILED)
      || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED))
    return AGL_EXIT_NOT_PERMITTED;
  return AGL_EXIT_FAILED;
}
