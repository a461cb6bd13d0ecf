/* SPDX-License-Identifier: MIT */
#include "service/gdbus-warnings.h"

#include <string.h>

#include "common/text.h"

/* GDBus warns of a message that it cannot read with a dump of all its bytes: any peer could fill the log with
 * what it likes. The connection ends, and that is all there is to say. */
static void
on_gio_warning (const char *domain, GLogLevelFlags level, const char *text, gpointer user_data)
{
  g_autofree char *escaped = NULL;

  if (!g_str_has_prefix (text, "Error decoding D-Bus message"))
    {
      g_log_default_handler (domain, level, text, NULL);
      return;
    }
  escaped = agl_text_escape (text, (gssize)strcspn (text, "\n"));
  /* A handler must not log in the ordinary way: GLib takes it for a recursion, and aborts. */
  g_log_default_handler (domain, G_LOG_LEVEL_DEBUG, escaped, NULL);
}

void
agl_gdbus_warnings_quieten (void)
{
  static gsize is_done = 0;

  if (!g_once_init_enter (&is_done))
    return;
  g_log_set_handler ("GLib-GIO", G_LOG_LEVEL_WARNING, on_gio_warning, NULL);
  g_once_init_leave (&is_done, 1);
}
