/* SPDX-License-Identifier: MIT */
#pragma once
#include <adwaita.h>

#include "applet/choices.h"
#include "applet/repository.h"
#include "applet/service-link.h"

/* The applet: one process a session, with or without its window.
 *
 * Actions, exported on the session bus as every GApplication's: app.quit, app.about, app.show (the window),
 * app.show-lock (t id: the window, with that lock in view), app.claim (the window, asking for a claim),
 * app.preferences, app.watch ((sb) directory and whether to). Those of the window are in window.h.
 *
 * A launch with --background shows no window, where there is a tray. The application ends with its last
 * window unless presence holds it, see presence.h. */
#define AGL_APPLICATION_ID "org.agentctl.Locks.Applet"

#define AGL_TYPE_APPLICATION (agl_application_get_type ())
G_DECLARE_FINAL_TYPE (AglApplication, agl_application, AGL, APPLICATION, AdwApplication)

AglApplication *agl_application_new (void);

/* From startup on; NULL before. */
AglServiceLink *agl_application_get_link (AglApplication *self);
AglLockModel *agl_application_get_model (AglApplication *self);
AglChoices *agl_application_get_choices (AglApplication *self);
AglRepositoryFinder *agl_application_get_repositories (AglApplication *self);

/* Shows the window, made when there is none. */
void agl_application_show (AglApplication *self);
