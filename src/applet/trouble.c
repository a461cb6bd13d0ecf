/* SPDX-License-Identifier: MIT */
#include "applet/trouble.h"

#include <glib/gi18n.h>

#include "client/exit-status.h"
#include "common/error.h"
#include "common/text.h"

/* What the service wrote is escaped already, as its log is; what it says on several lines makes one. */
static char *
describe_plainly (const GError *error)
{
  g_autoptr (GError) copy = g_error_copy (error);
  g_auto (GStrv) parts = NULL;
  g_autofree char *line = NULL;

  g_dbus_error_strip_remote_error (copy);
  line = g_strdelimit (g_strdup (copy->message), "\n", ' ');
  parts = g_strsplit (line, "\\", -1);
  for (char **part = parts; *part != NULL; part++)
    {
      char *escaped = agl_text_escape (*part, -1);

      g_free (*part);
      *part = escaped;
    }
  return g_strjoinv ("\\", parts);
}

/* What to do next is told to callers of the interface, in its words: here there are buttons. */
static char *
describe_with_headline (const GError *error, const char *title)
{
  g_autofree char *text = describe_plainly (error);
  char *advice = g_strrstr (text, "; ");

  if (advice != NULL)
    *advice = '\0';
  return g_strdup_printf ("%s %s", title, text);
}

/* The same in the person's language, where there is something to say that fits a window. NULL: there is not.
 */
static const char *
headline (const GError *error)
{
  if (g_error_matches (error, AGL_ERROR, AGL_ERROR_HELD))
    return _ ("This directory is in use.");
  if (g_error_matches (error, AGL_ERROR, AGL_ERROR_HOLDER_ALIVE))
    return _ ("Its process is running; only force releases the lock.");
  if (g_error_matches (error, AGL_ERROR, AGL_ERROR_NOT_PERMITTED))
    return _ ("This is not permitted.");
  if (g_error_matches (error, AGL_ERROR, AGL_ERROR_INVALID_DIRECTORY))
    return _ ("This is no directory that can be locked.");
  return NULL;
}

char *
agl_trouble_describe (const GError *error)
{
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT)
      || g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_TIMEOUT)
      || g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_TIMED_OUT))
    return g_strdup (_ ("The service took the call and did not answer."));
  if (headline (error) != NULL)
    return describe_with_headline (error, headline (error));
  if (error->domain != AGL_EXIT_ERROR && agl_exit_is_service_gone (error))
    return g_strdup (_ ("The service went away before it answered."));
  return describe_plainly (error);
}
