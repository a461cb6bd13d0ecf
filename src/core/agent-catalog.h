/* SPDX-License-Identifier: MIT */
#pragma once
#include "core/process.h"

/* Which programs are coding agents: key files `*.conf`, one per program, from several folders; a file in a
 * later folder replaces one of the same name in an earlier one (an empty one masks it). Format: docs and
 * data/agents.d. Immutable once loaded. */
typedef struct _AglAgentCatalog AglAgentCatalog;

/* @folders: NULL-terminated, weakest first; missing ones are passed over. Never fails: a broken file is
 * logged with its line, skipped, and counted. */
AglAgentCatalog *agl_agent_catalog_load (const char *const *folders);
AglAgentCatalog *agl_agent_catalog_new (void); /* knows nobody */
AglAgentCatalog *agl_agent_catalog_ref (AglAgentCatalog *self);
void agl_agent_catalog_unref (AglAgentCatalog *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AglAgentCatalog, agl_agent_catalog_unref)

guint agl_agent_catalog_size (const AglAgentCatalog *self);
guint agl_agent_catalog_count_broken (const AglAgentCatalog *self);

/* What a process is started as. */
typedef struct
{
  const char *comm;        /* /proc/PID/comm without the newline */
  const char *exe;         /* target of /proc/PID/exe; NULL when it cannot be read */
  const char *const *argv; /* NULL-terminated; empty for a kernel thread or a process being replaced */
} AglCommandLine;

typedef struct
{
  const char *agent; /* the catalogue's name for it; owned by the catalogue */
  const char *rule;  /* "Command=claude", as it stands in the file; owned by the catalogue */
  const char *file;  /* the file it stands in */
  gboolean excluded; /* matches, but is one of the agent's own helpers: @rule is the exclusion */
} AglAgentMatch;

/* TRUE when a rule of an entry says something of it; check @excluded. */
gboolean
agl_agent_catalog_match (const AglAgentCatalog *self, const AglCommandLine *line, AglAgentMatch *match);

/* Reads @pid's command line and matches it. FALSE when unknown, excluded, or unreadable. *agent: owned by
 * self. */
gboolean agl_agent_catalog_identify (const AglAgentCatalog *self, pid_t pid, const char **agent);

/* One file's contents, for the loader and the fuzzer. */
gboolean agl_agent_catalog_check (const char *data, gsize n_bytes, GError **error);
