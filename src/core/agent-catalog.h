/* SPDX-License-Identifier: MIT */
#pragma once
#include "core/command-line.h"

/* Which programs are coding agents: key files `ID.conf`, one per program, from several folders; a file in a
 * later folder replaces one of the same name in an earlier one (an empty one, or a link to /dev/null, masks
 * it). ID is the short name that scripts see, in the `agent` key for instance. Immutable once loaded,
 * atomically counted.
 *
 *   [Agent]
 *   Name=Example Agent
 *   Command=example;
 *   Script=example;/opt/example-*.js;
 *   ExcludeArguments=daemon run;--background;
 *
 * Name              for people; default: ID.
 * Command           names: equal to the process's comm, or to the file name in argv[0] where the comm is not
 *                   just the file name of the executable (it was started by a link, say, or a wrapper), or
 *                   is an interpreter's.
 * Title             the same, but only of an interpreter's process: names that are too common otherwise.
 * Executable        patterns for the executable, as the kernel knows it (/proc/PID/exe).
 * Script            patterns for the script that an interpreter runs, as it was typed.
 * Module            names: equal to MODULE of `python -m MODULE`.
 * ExcludeArguments  words, one or several after one another, among the arguments (of the script, of the
 * module) and before any `--`: then it is one of the agent's own helpers that outlive its work.
 * SpareArguments    the same, for an agent that was started ahead of its work: nothing tells from outside
 * whether it has got any, so it is no agent either; but one that asks for a lock has.
 *
 * One of Command, Title, Executable, Script and Module is needed, and one of them that fits is enough. Lists
 * end and are separated by ";". A pattern with a slash is for the whole path, one without for the file name;
 * `*` stands for any bytes, slashes too, `?` for one. Names longer than the 15 bytes that the kernel keeps of
 * comm are compared as it cuts them. */
typedef struct _AglAgentCatalog AglAgentCatalog;

/* @folders: NULL-terminated, weakest first; missing ones are passed over. Never fails: a broken file is
 * logged with its line, skipped (what it would have replaced stays in force), and counted. */
AglAgentCatalog *agl_agent_catalog_load (const char *const *folders);
AglAgentCatalog *agl_agent_catalog_new (void); /* knows nobody */
AglAgentCatalog *agl_agent_catalog_ref (AglAgentCatalog *self);
void agl_agent_catalog_unref (AglAgentCatalog *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AglAgentCatalog, agl_agent_catalog_unref)

guint agl_agent_catalog_size (const AglAgentCatalog *self);
guint agl_agent_catalog_count_broken (const AglAgentCatalog *self);

typedef struct
{
  const char *agent; /* its ID */
  const char *name;  /* for people */
  const char *rule;  /* "Command=claude", as it stands in the file */
  const char *file;  /* the file it stands in */
  gboolean excluded; /* matches, but is one of the agent's own helpers: @rule is the exclusion */
  gboolean is_spare; /* excluded, as one started ahead of its work */
} AglAgentMatch;     /* all owned by the catalogue */

/* TRUE when a rule of an entry says something of it; check @excluded. An entry that knows it as an agent goes
 * before one that excludes it; else the first by ID. */
gboolean
agl_agent_catalog_match (const AglAgentCatalog *self, const AglCommandLine *line, AglAgentMatch *match);

/* The same for the process whose /proc/PID is @process, reading as much of its command line into @buffer as
 * it takes: names always. *@is_known: what agl_agent_catalog_match() would say of all of it. FALSE with
 * errno, as agl_command_line_read_names(). */
gboolean agl_agent_catalog_look (const AglAgentCatalog *self,
                                 int process,
                                 AglCommandLineBuffer *buffer,
                                 AglAgentMatch *match,
                                 gboolean *is_known);

/* FALSE when @pid is unknown, excluded, or unreadable. *agent: its ID, owned by self. */
gboolean agl_agent_catalog_identify (const AglAgentCatalog *self, pid_t pid, const char **agent);

/* One file's contents, for the loader and the fuzzer. Empty, or comments alone, is right too: it masks.
 * Errors: G_KEY_FILE_ERROR, naming the line or the key. */
gboolean agl_agent_catalog_check (const char *data, gsize n_bytes, GError **error);
