/* SPDX-License-Identifier: MIT */
#include <locale.h>

#include <glib/gi18n.h>

#include "applet/application.h"
#include "common/error.h"
#include "config.h"

int
main (int argc, char **argv)
{
  g_autoptr (AglApplication) application = NULL;

  setlocale (LC_ALL, "");
  bindtextdomain (GETTEXT_PACKAGE, AGL_LOCALEDIR);
  bind_textdomain_codeset (GETTEXT_PACKAGE, "UTF-8");
  textdomain (GETTEXT_PACKAGE);
  agl_error_quark (); /* registers the errors' names */
  application = agl_application_new ();
  return g_application_run (G_APPLICATION (application), argc, argv);
}
