/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/paths.h"
#include "core/keeper.h"

/* The configuration file: a key file, group [Locks]. */
typedef struct
{
  AglKeeperSettings keeper;
  gboolean detect_agents;
} AglSettings;

void agl_settings_init (AglSettings *self); /* the defaults */

/* Reads @path, or with NULL the file of @scope where there is one:
 * SYSCONFDIR/agentctl-locks/agentctl-locks.conf (system), $XDG_CONFIG_HOME/agentctl-locks/agentctl-locks.conf
 * (user). Unknown keys are logged. Errors: any GFileError or GKeyFileError, AGL_ERROR_INVALID_OPTION naming
 * file and key; *self is as it was then. */
gboolean agl_settings_load (AglSettings *self, const char *path, AglScope scope, GError **error);
