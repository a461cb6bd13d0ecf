/* SPDX-License-Identifier: MIT */
#pragma once
#include <glib.h>

/* Standard output, whose failure (a full disk under a redirection) is told at the end, with its reason. */

/* Writes the bytes as they are, g_print() what the locale can say of them. */
void agl_output_put (const char *text);

/* The errno of the first failure, also of what else has written to stdout; 0: all is written. */
int agl_output_finish (void);
