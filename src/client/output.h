/* SPDX-License-Identifier: MIT */
#pragma once
#include <glib.h>

/* Standard output, whose failure (a full disk under a redirection) is told at the end, with its reason. */

/* First of all. A standard descriptor that is closed would go to the next file that is opened, the connection
 * to the service for one, and that be written to. What takes its place can neither be read from nor be
 * written to
 * ("Bad file descriptor"), and a program that is executed finds it closed, as it was. */
void agl_output_guard (void);

/* Writes the bytes as they are, g_print() what the locale can say of them. */
void agl_output_put (const char *text);

/* The errno of the first failure, also of what else has written to stdout; 0: all is written. */
int agl_output_finish (void);
