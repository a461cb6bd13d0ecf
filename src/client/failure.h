/* SPDX-License-Identifier: MIT */
#pragma once
#include <gio/gio.h>

/* Tells the user, on standard error, why @command (NULL: none yet) ended. */
void agl_failure_print (const GError *error, const char *command);

/* Messages of the service are English on the wire. Makes of @error, one of AGL_ERROR that came from there,
 * what a person is told: in the user's language what can be said of any error of that code, and on a line
 * below the service's own words, which name everybody and everything. In English the latter alone. Options
 * are spelled as on a command line. */
void agl_failure_translate (GError *error);

/* Says @words, which are translated already, in place of what can be said of any error of that code. */
void agl_failure_reword (GError *error, const char *words);

/* FALSE: there is a catalogue for the user's language. */
gboolean agl_failure_speaks_english (void);

/* The same where there is one line for it. Caller frees. */
char *agl_failure_in_one_line (const GError *error);

/* Messages of the service name options as D-Bus calls have them; on a command line they are spelled
 * otherwise. What stands in quotation marks is somebody's text and stays. Caller frees. */
char *agl_failure_respell (const char *message);
