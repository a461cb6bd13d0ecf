/* SPDX-License-Identifier: MIT */
#pragma once
#include <glib.h>

/* The locks.json of agentctl's lock manager, whatever state it is in: docs/agentctl.md says which shapes
 * there are. One damaged entry costs that entry and no other. */

typedef enum
{
  AGL_AGENTCTL_MANUAL,
  AGL_AGENTCTL_AUTO,      /* with the process */
  AGL_AGENTCTL_SESSION,   /* of the old form: a session's id, and no word of the process */
  AGL_AGENTCTL_UNREADABLE /* damaged, or no lock */
} AglAgentctlKind;

typedef struct
{
  AglAgentctlKind kind;
  guint line;               /* where it begins, from 1 */
  char *directory;          /* absolute; NULL when unreadable */
  int pid;                  /* 0: none */
  char *session, *by, *why; /* as a free text may be, cut to its length; NULL: none */
  gint64 locked_at_usec;    /* since the epoch; -1: unknown */
} AglAgentctlEntry;

/* No file that agentctl wrote comes near: a lock takes some 200 bytes. */
#define AGL_AGENTCTL_FILE_BYTES (64 * 1024 * 1024)

/* All entries in the order of the file, as AglAgentctlEntry. @is_whole: FALSE when it ends in the middle.
 * NULL when it is no such file at all. Caller unrefs. */
GPtrArray *agl_agentctl_file_parse (const char *data, gsize n_bytes, gboolean *is_whole);
