/* SPDX-License-Identifier: MIT */
#pragma once
#include <glib.h>

/* The texts in which /proc tells what it knows (proc(5)): reading and understanding them. Whose they are is
 * agl_process_*'s business. */

/* /proc/PID/stat is about 350 bytes; of /proc/PID/status only the first lines matter, a list of up to 65 536
 * groups comes after them. */
#define AGL_PROC_TEXT_BYTES 4096

/* Into @text, zero-terminated: the first AGL_PROC_TEXT_BYTES - 1 bytes of @path. FALSE with errno. */
gboolean agl_proc_read_text (const char *path, char text[AGL_PROC_TEXT_BYTES], gsize *n_bytes);

/* The first @n_values numbers of the line "@label:" of a status or fdinfo file. FALSE when there is no such
 * line or it does not begin with so many. */
gboolean agl_proc_parse_line (const char *text, const char *label, gint64 *values, guint n_values);
