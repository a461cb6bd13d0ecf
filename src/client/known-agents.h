/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/paths.h"
#include "core/agent-catalog.h"
#include "core/process.h"

/* The catalogue as the service of @scope knows it, read anew. What is broken in it is not complained about
 * here: `agentctl-locks doctor` lists it. */
AglAgentCatalog *agl_known_agents_load (AglScope scope);

/* The nearest ancestor of this process that is a known agent, helpers of agents not counted; spares are, for
 * one that starts something has been put to work. *@match lives with @catalog. Each step up is proven: the
 * parent that was opened is the parent still. NULL with AGL_EXIT_ERROR.
 */
AglProcess *
agl_known_agents_find_ancestor (const AglAgentCatalog *catalog, AglAgentMatch *match, GError **error);

/* What the catalogue says of @process. FALSE: nothing, or it could not be read. */
gboolean
agl_known_agents_match (const AglAgentCatalog *catalog, const AglProcess *process, AglAgentMatch *match);
