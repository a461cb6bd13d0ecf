/* SPDX-License-Identifier: MIT */
#pragma once
#include <gio/gio.h>

/* Opens a terminal window in @directory (any bytes): xdg-terminal-exec, which knows the person's choice, else
 * one of the known terminals. Errors: G_IO_ERROR_NOT_FOUND, translated, where there is none; those of
 * GSubprocess. */
gboolean agl_terminal_open (const char *directory, GError **error);
