/* SPDX-License-Identifier: MIT */
#pragma once
#include <adwaita.h>

#include "applet/choices.h"

/* What can be chosen, in a window; each choice holds at once. */
#define AGL_TYPE_PREFERENCES (agl_preferences_get_type ())
G_DECLARE_FINAL_TYPE (AglPreferences, agl_preferences, AGL, PREFERENCES, AdwPreferencesWindow)

/* @choices: referenced. */
AglPreferences *agl_preferences_new (GtkWindow *parent, AglChoices *choices);
