/* SPDX-License-Identifier: MIT */
#include "common/paths.h"

#include "config.h"

#define CONFIG_DIR "/nowhere/config"
#define SHIPPED    "/nowhere/shipped"

/* Weakest first; the machine's service reads nothing of users. */
static void
test_agents_dirs (void)
{
  const char *etc = AGL_SYSCONFDIR "/agentctl-locks/agents.d";
  const char *of_user[] = { AGL_PKGDATADIR "/agents.d", etc, CONFIG_DIR "/agentctl-locks/agents.d", NULL };
  const char *of_system[] = { AGL_PKGDATADIR "/agents.d", etc, NULL };
  g_auto (GStrv) user = agl_paths_agents_dirs (AGL_SCOPE_USER);
  g_auto (GStrv) machine = agl_paths_agents_dirs (AGL_SCOPE_SYSTEM);
  g_auto (GStrv) elsewhere = NULL;

  g_assert_cmpstrv (user, of_user);
  g_assert_cmpstrv (machine, of_system);
  g_setenv ("AGENTCTL_LOCKS_AGENTS_DIR", SHIPPED, TRUE);
  elsewhere = agl_paths_agents_dirs (AGL_SCOPE_USER);
  of_user[0] = SHIPPED;
  g_assert_cmpstrv (elsewhere, of_user);
  g_unsetenv ("AGENTCTL_LOCKS_AGENTS_DIR");
}

int
main (int argc, char **argv)
{
  g_unsetenv ("AGENTCTL_LOCKS_AGENTS_DIR");
  g_setenv ("XDG_CONFIG_HOME", CONFIG_DIR, TRUE);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/paths/agents-dirs", test_agents_dirs);
  return g_test_run ();
}
