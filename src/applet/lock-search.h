/* SPDX-License-Identifier: MIT */
#pragma once
#include "applet/lock-entry.h"

/* The words to look for, in any order and in either case. @text: as it was typed. Caller frees with
 * g_strfreev. */
char **agl_lock_search_new (const char *text);

/* Whether each word is in the directory, the agent, the command, the session, the reason or the repository,
 * or is the number of the process. */
gboolean agl_lock_search_matches (char **words, AglLockEntry *lock);
