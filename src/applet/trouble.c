/* SPDX-License-Identifier: MIT */
#include "applet/trouble.h"

#include <glib/gi18n.h>

#include "client/exit-status.h"
#include "common/error.h"
#include "common/text.h"

/* What the service wrote is escaped already, as its log is; newlines and the rest are made harmless all the
 * same. */
static char *
describe_plainly (const GError *error)
{
  g_autoptr (GError) copy = g_error_copy (error);
  g_auto (GStrv) parts = NULL;

  g_dbus_error_strip_remote_error (copy);
  parts = g_strsplit_set (copy->message, "\\\n", -1);
  for (char **part = parts; *part != NULL; part++)
    {
      char *escaped = agl_text_escape (*part, -1);

      g_free (*part);
      *part = escaped;
    }
  return g_strjoinv (error->domain == AGL_EXIT_ERROR ? "\n" : "\\", parts);
}

char *
agl_trouble_describe (const GError *error)
{
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT)
      || g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_TIMEOUT)
      || g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_TIMED_OUT))
    return g_strdup (_ ("The service took the call and did not answer."));
  if (error->domain != AGL_EXIT_ERROR && agl_exit_is_service_gone (error))
    return g_strdup (_ ("The service went away before it answered."));
  return describe_plainly (error);
}
