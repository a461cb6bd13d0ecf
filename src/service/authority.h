/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/paths.h"
#include "service/caller.h"

/* Who may override other people's locks: root, and whom polkit allows org.agentctl.locks.override. Everybody
 * else, and everybody when polkit cannot be asked, may not. */
#define AGL_ACTION_OVERRIDE "org.agentctl.locks.override"

typedef struct _AglAuthority AglAuthority;

/* Only the service of the whole machine asks polkit: on a user's own there is nobody to override but oneself.
 */
AglAuthority *agl_authority_new (AglScope scope);
/* Answers every open question with no, now; from here on nobody is asked. */
void agl_authority_stop (AglAuthority *self);
void agl_authority_free (AglAuthority *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AglAuthority, agl_authority_free)

/* Who may do what @caller may not, for the end of an error message; NULL where nobody but the user himself is
 * concerned. Static. */
const char *agl_authority_describe (const AglAuthority *self, const AglCaller *caller);

typedef void (*AglAuthorityFunc) (gboolean allowed, gpointer user_data);

/* Asks whether @caller may override. @interactive: the caller set ALLOW_INTERACTIVE_AUTHORIZATION on its
 * message.
 * @func is called once, it may be before this returns. A caller on a direct socket has no bus name that
 * polkit could ask about: root or no. */
void agl_authority_check (
    AglAuthority *self, AglCaller *caller, gboolean interactive, AglAuthorityFunc func, gpointer user_data);
