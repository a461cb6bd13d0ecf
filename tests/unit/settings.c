/* SPDX-License-Identifier: MIT */
#include "service/settings.h"

#include "common/error.h"
#include "sample-lock.h"

static char *folder;

static gboolean
load (const char *text, AglSettings *settings, GError **error)
{
  g_autofree char *path = g_build_filename (folder, "agentctl-locks.conf", NULL);

  sample_file_write (folder, "agentctl-locks.conf", text);
  return agl_settings_load (settings, path, AGL_SCOPE_USER, error);
}

static void
test_defaults (void)
{
  g_autoptr (GError) error = NULL;
  AglSettings settings = { 0 };

  g_assert_true (load ("", &settings, &error));
  g_assert_no_error (error);
  g_assert_cmpint (settings.keeper.cwd_check_msec, ==, 2000);
  g_assert_cmpint (settings.keeper.cwd_grace_msec, ==, 5000);
  g_assert_cmpuint (settings.keeper.max_locks_per_user, ==, 1024);
  g_assert_cmpuint (settings.keeper.max_waiters_per_user, ==, 64);
  g_assert_true (settings.detect_agents);
}

static void
test_every_key (void)
{
  g_autoptr (GError) error = NULL;
  AglSettings settings = { 0 };

  g_assert_true (load ("[Locks]\nCwdCheckSec=0.25\nCwdGraceSec=0\nMaxLocksPerUser=7\nMaxWaitersPerUser=8\n"
                       "DetectAgents=false\n",
                       &settings, &error));
  g_assert_no_error (error);
  g_assert_cmpint (settings.keeper.cwd_check_msec, ==, 250);
  g_assert_cmpint (settings.keeper.cwd_grace_msec, ==, 0);
  g_assert_cmpuint (settings.keeper.max_locks_per_user, ==, 7);
  g_assert_cmpuint (settings.keeper.max_waiters_per_user, ==, 8);
  g_assert_false (settings.detect_agents);
}

static void
test_an_unknown_key_is_passed_over_and_named (void)
{
  g_autoptr (GError) error = NULL;
  AglSettings settings = { 0 };

  g_test_expect_message ("agentctl-locks", G_LOG_LEVEL_WARNING, "*CwdChekSec*");
  g_assert_true (load ("[Locks]\nCwdChekSec=1\nMaxLocksPerUser=7\n", &settings, &error));
  g_test_assert_expected_messages ();
  g_assert_cmpuint (settings.keeper.max_locks_per_user, ==, 7);
}

/* Nothing of a broken file is taken, and the message names file and key. */
static void
test_broken (void)
{
  static const struct
  {
    const char *text, *names;
  } cases[] = {
    { "[Locks]\nMaxLocksPerUser=7\nCwdCheckSec=0\n", "CwdCheckSec" },
    { "[Locks]\nCwdCheckSec=nan\n", "CwdCheckSec" },
    { "[Locks]\nCwdGraceSec=-1\n", "CwdGraceSec" },
    { "[Locks]\nCwdGraceSec=1e9\n", "CwdGraceSec" },
    { "[Locks]\nMaxLocksPerUser=0\n", "MaxLocksPerUser" },
    { "[Locks]\nMaxWaitersPerUser=many\n", "MaxWaitersPerUser" },
    { "[Locks]\nDetectAgents=perhaps\n", "DetectAgents" },
    { "no key file", "agentctl-locks.conf" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;
      AglSettings settings;

      agl_settings_init (&settings);
      g_assert_false (load (cases[i].text, &settings, &error));
      g_assert_nonnull (error);
      g_assert_nonnull (strstr (error->message, cases[i].names));
      g_assert_nonnull (strstr (error->message, folder));
      g_assert_cmpuint (settings.keeper.max_locks_per_user, ==, 1024);
    }
}

static void
test_a_named_file_must_be_there (void)
{
  g_autofree char *path = g_build_filename (folder, "absent.conf", NULL);
  g_autoptr (GError) error = NULL;
  AglSettings settings;

  agl_settings_init (&settings);
  g_assert_false (agl_settings_load (&settings, path, AGL_SCOPE_USER, &error));
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
}

int
main (int argc, char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);
  folder = sample_folder_new ();
  g_test_add_func ("/settings/defaults", test_defaults);
  g_test_add_func ("/settings/every-key", test_every_key);
  g_test_add_func ("/settings/an-unknown-key-is-passed-over-and-named",
                   test_an_unknown_key_is_passed_over_and_named);
  g_test_add_func ("/settings/broken", test_broken);
  g_test_add_func ("/settings/a-named-file-must-be-there", test_a_named_file_must_be_there);
  status = g_test_run ();
  sample_folder_remove (folder);
  return status;
}
