/* SPDX-License-Identifier: MIT */
#include "common/error.h"

#include <errno.h>

#include "common/names.h"

static void
test_every_code_has_its_bus_name (void)
{
  for (guint code = 0; code < AGL_N_ERRORS; code++)
    {
      g_autoptr (GError) error = g_error_new_literal (AGL_ERROR, (gint)code, "text");
      g_autofree char *name = g_dbus_error_encode_gerror (error);
      g_autofree char *expected = g_strconcat (AGL_ERROR_PREFIX, agl_error_nick (code), NULL);

      g_assert_cmpstr (name, ==, expected);
    }
}

static void
test_a_bus_error_becomes_its_code_again (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_cmpstr (agl_error_nick (AGL_ERROR_HELD), ==, "Held");
  error = g_dbus_error_new_for_dbus_error ("org.agentctl.Locks.Error.HolderAlive", "text");
  g_assert_error (error, AGL_ERROR, AGL_ERROR_HOLDER_ALIVE);
}

static void
test_what_we_lack (void)
{
  g_assert_true (agl_error_is_shortage (EMFILE));
  g_assert_true (agl_error_is_shortage (ENFILE));
  g_assert_true (agl_error_is_shortage (ENOMEM));
  g_assert_false (agl_error_is_shortage (0));
  g_assert_false (agl_error_is_shortage (ENOENT));
  g_assert_false (agl_error_is_shortage (EACCES));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/error/every-code-has-its-bus-name", test_every_code_has_its_bus_name);
  g_test_add_func ("/error/a-bus-error-becomes-its-code-again", test_a_bus_error_becomes_its_code_again);
  g_test_add_func ("/error/what-we-lack", test_what_we_lack);
  return g_test_run ();
}
