/* SPDX-License-Identifier: MIT */
#pragma once
#include <gio/gio.h>

/* Tells the user, on standard error, why @command (NULL: none yet) ended. Messages of the service are English
 * on the wire: in another language a headline of ours goes before. */
void agl_failure_print (const GError *error, const char *command);

/* Messages of the service name options as D-Bus calls have them; on a command line they are spelled
 * otherwise. What stands in quotation marks is somebody's text and stays. Caller frees. */
char *agl_failure_respell (const char *message);
