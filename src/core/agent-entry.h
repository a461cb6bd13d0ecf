/* SPDX-License-Identifier: MIT */
#pragma once
#include "core/agent-catalog.h"

/* One file of the catalogue: the rules for one agent program. Immutable; owned by its catalogue. */
typedef struct _AglAgentEntry AglAgentEntry;

/* @file: where @data stands, for AglAgentMatch; its name without ".conf" is the ID. NULL with an error when
 * broken; NULL without one when empty, which masks.
 * Errors: G_KEY_FILE_ERROR, naming the line or the key. */
AglAgentEntry *agl_agent_entry_parse (const char *file, const char *data, gsize n_bytes, GError **error);
void agl_agent_entry_free (AglAgentEntry *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AglAgentEntry, agl_agent_entry_free)

const char *agl_agent_entry_get_id (const AglAgentEntry *self);

/* @program: of an interpreter; NULL: @line is of none. */
gboolean agl_agent_entry_match (const AglAgentEntry *self,
                                const AglCommandLine *line,
                                const AglProgram *program,
                                AglAgentMatch *match);
