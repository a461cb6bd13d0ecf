/* SPDX-License-Identifier: MIT */
#pragma once
#include <glib.h>

/* Where an instance of the service lives, the same answer for daemon and clients. */
typedef enum
{
  AGL_SCOPE_USER,
  AGL_SCOPE_SYSTEM
} AglScope;

/* "user" or "system". Static. */
const char *agl_scope_to_string (AglScope scope);

/* The folder of one instance: its direct socket, its process locks. Caller frees.
 * User: $XDG_RUNTIME_DIR/agentctl-locks. Where the variable is unset (cron, su, ssh without PAM) the folder
 * that logind would have named, /run/user/UID, when it is there and ours, so that such a caller meets the
 * same instance as the user's login session; else GLib's fallback, the user's cache directory. */
char *agl_paths_runtime_dir (AglScope scope);

/* The folder of what survives a reboot: manual locks and the last id. Caller frees. */
char *agl_paths_state_dir (AglScope scope);

/* The folders of the catalogue of agents, weakest first: the shipped one ($AGENTCTL_LOCKS_AGENTS_DIR in its
 * stead, for what runs from where it was built), the machine's, and for a user's instance his own. Caller
 * frees with g_strfreev. */
char **agl_paths_agents_dirs (AglScope scope);

/* The direct socket in @runtime_dir, as a path and as a D-Bus address. Caller frees. */
char *agl_paths_socket (const char *runtime_dir);
char *agl_paths_socket_address (const char *runtime_dir);
