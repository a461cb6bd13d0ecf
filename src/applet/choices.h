/* SPDX-License-Identifier: MIT */
#pragma once
#include <gio/gio.h>

/* What the person wants of the applet. Kept with GSettings where its schema is installed; without one the
 * defaults hold, and what is chosen lasts until the applet ends.
 *
 * Properties, read and written, named as the keys of org.agentctl.Locks.Applet: "notify-released",
 * "notify-taken", "notify-left", "notify-granted", "watch-all", "background", "group-by-repository",
 * "tray-hint" b, and "watched" as (the directories, as the service names them, each once). */
#define AGL_TYPE_CHOICES (agl_choices_get_type ())
G_DECLARE_FINAL_TYPE (AglChoices, agl_choices, AGL, CHOICES, GObject)

#define AGL_CHOICES_SCHEMA "org.agentctl.Locks.Applet"

AglChoices *agl_choices_new (void);

/* FALSE also for what is no choice of yes or no. */
gboolean agl_choices_get (AglChoices *self, const char *name);

/* Whether people are told about @directory: by itself, or since all are watched. */
gboolean agl_choices_watches (AglChoices *self, const char *directory);

/* By itself. */
gboolean agl_choices_get_watched (AglChoices *self, const char *directory);
void agl_choices_set_watched (AglChoices *self, const char *directory, gboolean watched);
