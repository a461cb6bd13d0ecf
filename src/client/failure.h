/* SPDX-License-Identifier: MIT */
#pragma once
#include <gio/gio.h>

/* Tells the user, on standard error, why @command (NULL: none yet) ended. Messages of the service are English
 * on the wire: in another language a headline of ours goes before. */
void agl_failure_print (const GError *error, const char *command);
