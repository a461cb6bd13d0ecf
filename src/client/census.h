/* SPDX-License-Identifier: MIT */
#pragma once
#include "core/agent-catalog.h"

/* One look at every process that this one may see: whose child it is, where it works, what the catalogue
 * makes of it. For explain and doctor, which tell people; nothing is locked or released by it. */
typedef struct _AglCensus AglCensus;

typedef struct
{
  pid_t pid;
  pid_t parent;    /* 0: none here */
  pid_t session;   /* 0: not of this PID namespace */
  guint64 started; /* clock ticks since boot */
  uid_t uid;
  char *command;       /* escaped for display */
  char *cwd;           /* raw bytes; NULL: may not be read */
  guint64 dev, ino;    /* of it; 0, 0 when that could not be told */
  gboolean is_known;   /* a rule of the catalogue fits: @match */
  AglAgentMatch match; /* lives with the census */
} AglInhabitant;

/* @catalog: a reference is kept. Processes that vanish meanwhile are left out. */
AglCensus *agl_census_take (AglAgentCatalog *catalog);
void agl_census_free (AglCensus *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AglCensus, agl_census_free)

guint agl_census_size (const AglCensus *self);
const AglInhabitant *agl_census_get (const AglCensus *self, guint index); /* by pid */
const AglInhabitant *agl_census_lookup (const AglCensus *self, pid_t pid);

/* NULL: none that can be seen. */
const AglInhabitant *agl_census_parent (const AglCensus *self, const AglInhabitant *one);
gboolean agl_census_is_below (const AglCensus *self, const AglInhabitant *one, const AglInhabitant *ancestor);

/* A known agent, and none of an agent's own helpers. */
gboolean agl_inhabitant_is_agent (const AglInhabitant *one);

/* TRUE when its parent is dead: it did not begin its session, and whose child it is now is of another one.
 * Only fork(2) puts a process into a session that it did not begin, so the parent it had was of that one
 * (setsid(2)). */
gboolean agl_census_is_orphan (const AglCensus *self, const AglInhabitant *one);

/* TRUE when @path is @directory or below, by their spelling. */
gboolean agl_path_is_within (const char *path, const char *directory);
