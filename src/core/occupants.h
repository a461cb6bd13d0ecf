/* SPDX-License-Identifier: MIT */
#pragma once
#include "core/agent-catalog.h"
#include "core/directory.h"
#include "core/outsider.h"

/* A process that works in a directory or below. */
typedef struct
{
  pid_t pid;
  uid_t uid;
  char *command; /* escaped for display */
  char *cwd;     /* raw bytes */
  char *agent;   /* NULL: no known agent */
} AglOccupant;
void agl_occupant_free (AglOccupant *self);

/* One pass over /proc: every process whose working directory is @directory or below, by pid. Processes that
 * vanish meanwhile are left out; those that cannot be looked into are left out and counted (debug log, field
 * UNREADABLE). (transfer full) (element-type AglOccupant). Errors: AGL_ERROR_UNAVAILABLE. */
GPtrArray *agl_occupants_find (const AglDirectory *directory,
                               const AglAgentCatalog *catalog,
                               AglPatience patience,
                               GError **error);

/* The unregistered agents in the way of @holder (NULL: nobody's) in exactly @directory: known agents, not
 * @holder, not its ancestors, not its descendants. @is_registered says whether a process holds a lock there.
 * (transfer full) (element-type AglOutsider). Errors: AGL_ERROR_UNAVAILABLE. */
typedef gboolean (*AglIsRegisteredFunc) (pid_t pid, gpointer user_data);
GPtrArray *agl_occupants_find_agents (const AglDirectory *directory,
                                      const AglProcess *holder,
                                      const AglAgentCatalog *catalog,
                                      AglIsRegisteredFunc is_registered,
                                      gpointer user_data,
                                      GError **error);
