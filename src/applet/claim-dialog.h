/* SPDX-License-Identifier: MIT */
#pragma once
#include <adwaita.h>

#include "applet/window.h"

/* Claims a directory for a person: where, why, until when. What goes wrong is told in it, and it stays. */
#define AGL_TYPE_CLAIM_DIALOG (agl_claim_dialog_get_type ())
G_DECLARE_FINAL_TYPE (AglClaimDialog, agl_claim_dialog, AGL, CLAIM_DIALOG, AdwWindow)

/* @directory: what to begin with; NULL: nothing. */
void agl_claim_dialog_present (AglWindow *parent, const char *directory);
