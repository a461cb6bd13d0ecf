/* SPDX-License-Identifier: MIT */
#include <glib/gstdio.h>

#include "applet/autostart.h"
#include "applet/choices.h"

/* With the schema that was compiled beside the applet, and without one; in folders of the test's own. */

static const char *const switches[] = {
  "notify-released", "notify-taken", "notify-left",         "notify-granted",
  "watch-all",       "background",   "group-by-repository", "tray-hint",
};

static void
count (gpointer user_data)
{
  (*(guint *)user_data)++;
}

static void
test_watched (void)
{
  g_autoptr (AglChoices) choices = agl_choices_new ();
  g_auto (GStrv) watched = NULL;
  guint n = 0;

  g_object_set (choices, "watch-all", FALSE, "watched", NULL, NULL);
  g_signal_connect_swapped (choices, "notify::watched", G_CALLBACK (count), &n);
  g_assert_false (agl_choices_watches (choices, "/w/a"));
  agl_choices_set_watched (choices, "/w/a", FALSE);
  g_assert_cmpuint (n, ==, 0);
  agl_choices_set_watched (choices, "/w/a", TRUE);
  agl_choices_set_watched (choices, "/w/a", TRUE);
  agl_choices_set_watched (choices, "/w/b", TRUE);
  g_assert_cmpuint (n, ==, 2);
  g_assert_true (agl_choices_watches (choices, "/w/a"));
  g_assert_false (agl_choices_watches (choices, "/w"));
  agl_choices_set_watched (choices, "/w/a", FALSE);
  g_object_get (choices, "watched", &watched, NULL);
  g_assert_cmpuint (g_strv_length (watched), ==, 1);
  g_assert_cmpstr (watched[0], ==, "/w/b");
  g_object_set (choices, "watch-all", TRUE, NULL);
  g_assert_true (agl_choices_watches (choices, "/w/a"));
  g_assert_false (agl_choices_get_watched (choices, "/w/a"));
  agl_choices_set_watched (choices, "/w/b", FALSE);
}

/* What the code says without a schema is what the schema says. */
static void
test_defaults (void)
{
  g_autoptr (AglChoices) choices = agl_choices_new ();
  g_autoptr (GSettings) settings = g_settings_new (AGL_CHOICES_SCHEMA);

  for (gsize i = 0; i < G_N_ELEMENTS (switches); i++)
    {
      g_autoptr (GVariant) value = g_settings_get_default_value (settings, switches[i]);
      GParamSpec *pspec = g_object_class_find_property (G_OBJECT_GET_CLASS (choices), switches[i]);

      g_assert_true (g_variant_get_boolean (value) == G_PARAM_SPEC_BOOLEAN (pspec)->default_value);
      g_assert_true (agl_choices_get (choices, switches[i])
                     == g_settings_get_boolean (settings, switches[i]));
    }
}

static void
test_kept (void)
{
  g_autoptr (GSettings) settings = g_settings_new (AGL_CHOICES_SCHEMA);
  g_autoptr (AglChoices) choices = agl_choices_new ();
  g_autoptr (AglChoices) later = NULL;
  g_auto (GStrv) watched = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (switches); i++)
    {
      gboolean before = agl_choices_get (choices, switches[i]);

      g_object_set (choices, switches[i], !before, NULL);
      g_assert_true (g_settings_get_boolean (settings, switches[i]) == !before);
      g_settings_set_boolean (settings, switches[i], before);
      g_assert_true (agl_choices_get (choices, switches[i]) == before);
    }
  agl_choices_set_watched (choices, "/w/a", TRUE);
  watched = g_settings_get_strv (settings, "watched");
  g_assert_cmpstr (watched[0], ==, "/w/a");
  later = agl_choices_new ();
  g_assert_true (agl_choices_get_watched (later, "/w/a"));
  agl_choices_set_watched (later, "/w/a", FALSE);
  g_assert_false (agl_choices_get_watched (choices, "/w/a"));
}

/* In a process of its own: where schemas are is looked up once. */
static void
test_without_schema (void)
{
  if (g_test_subprocess ())
    {
      g_autoptr (AglChoices) choices = NULL;

      g_setenv ("GSETTINGS_SCHEMA_DIR", "/nonexistent", TRUE);
      g_setenv ("XDG_DATA_DIRS", "/nonexistent", TRUE);
      g_setenv ("XDG_DATA_HOME", "/nonexistent", TRUE);
      choices = agl_choices_new ();
      g_assert_true (agl_choices_get (choices, "notify-left"));
      g_assert_false (agl_choices_get (choices, "watch-all"));
      g_object_set (choices, "notify-left", FALSE, NULL);
      g_assert_false (agl_choices_get (choices, "notify-left"));
      agl_choices_set_watched (choices, "/w/a", TRUE);
      g_assert_true (agl_choices_watches (choices, "/w/a"));
      return;
    }
  g_test_trap_subprocess (NULL, 0, 0);
  g_test_trap_assert_passed ();
}

/* --- start at login --- */

static char *
autostart_file (void)
{
  return g_build_filename (g_get_user_config_dir (), "autostart", "org.agentctl.Locks.Applet.desktop", NULL);
}

static void
test_autostart (void)
{
  g_autofree char *path = autostart_file ();
  g_autoptr (GError) error = NULL;

  g_assert_false (agl_autostart_is_on ());
  g_assert_true (agl_autostart_set (FALSE, &error)); /* nothing to do is no error */
  g_assert_no_error (error);
  g_assert_true (agl_autostart_set (TRUE, &error));
  g_assert_no_error (error);
  g_assert_true (agl_autostart_is_on ());
  g_assert_true (g_file_test (path, G_FILE_TEST_IS_REGULAR));
  /* Turned off by a session manager. */
  g_assert_true (g_file_set_contents (path, "[Desktop Entry]\nHidden=true\n", -1, NULL));
  g_assert_false (agl_autostart_is_on ());
  g_assert_true (g_file_set_contents (path, "[Desktop Entry]\nX-GNOME-Autostart-enabled=false\n", -1, NULL));
  g_assert_false (agl_autostart_is_on ());
  g_assert_true (agl_autostart_set (TRUE, &error));
  g_assert_true (agl_autostart_is_on ());
  g_assert_true (agl_autostart_set (FALSE, &error));
  g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS));
}

static void
test_autostart_fails (void)
{
  g_autofree char *path = autostart_file ();
  g_autofree char *folder = g_path_get_dirname (path);
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (g_mkdir_with_parents (g_get_user_config_dir (), 0700), ==, 0);
  g_rmdir (folder);
  g_assert_true (g_file_set_contents (folder, "", 0, NULL)); /* no folder, and none can be made */
  g_assert_false (agl_autostart_set (TRUE, &error));
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_NOTDIR);
  g_clear_error (&error);
  g_assert_false (agl_autostart_set (FALSE, &error));
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_NOTDIR);
  g_assert_cmpint (g_unlink (folder), ==, 0);
}

/* Not GTest's own way (G_TEST_OPTION_ISOLATE_DIRS), which leaks. */
static char *
make_home (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *config = NULL;
  char *home = g_dir_make_tmp ("agl-choices-XXXXXX", &error);

  g_assert_no_error (error);
  config = g_build_filename (home, "config", NULL);
  g_setenv ("XDG_CONFIG_HOME", config, TRUE);
  return home;
}

static void
remove_home (const char *home)
{
  g_autofree char *autostart = g_build_filename (g_get_user_config_dir (), "autostart", NULL);

  g_rmdir (autostart);
  g_rmdir (g_get_user_config_dir ());
  g_assert_cmpint (g_rmdir (home), ==, 0);
}

int
main (int argc, char **argv)
{
  g_autofree char *home = make_home ();
  g_autofree char *schemas = NULL;
  int status;

  g_setenv ("LC_ALL", "C.UTF-8", TRUE);
  g_setenv ("GSETTINGS_BACKEND", "memory", TRUE);
  g_test_init (&argc, &argv, NULL);
  schemas = g_test_build_filename (G_TEST_BUILT, "..", "..", "data", "applet", NULL);
  if (!g_test_subprocess ())
    g_setenv ("GSETTINGS_SCHEMA_DIR", schemas, TRUE);
  g_test_add_func ("/applet/choices/watched", test_watched);
  g_test_add_func ("/applet/choices/defaults", test_defaults);
  g_test_add_func ("/applet/choices/kept", test_kept);
  g_test_add_func ("/applet/choices/without-schema", test_without_schema);
  g_test_add_func ("/applet/autostart/on-and-off", test_autostart);
  g_test_add_func ("/applet/autostart/fails", test_autostart_fails);
  status = g_test_run ();
  remove_home (home);
  return status;
}
