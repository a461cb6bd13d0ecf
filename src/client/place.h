/* SPDX-License-Identifier: MIT */
#pragma once
#include <gio/gio.h>
#include <gio/gunixfdlist.h>

#include "client/options.h"

/* The DIR of a command line, made absolute; NULL is the working directory, "" stays empty. No symlink or ".."
 * is resolved: that is the service's, which sees what the kernel sees. Any bytes; caller frees.
 * Errors: AGL_EXIT_ERROR. */
char *agl_place_absolute (const char *argument, GError **error);

/* @path as a D-Bus string. Where it is not UTF-8 it cannot be one: then the string is empty and the option
 * directory-fd is added to @options, its descriptor to *@fds (made when needed). Static or @path itself. */
const char *agl_place_to_bus (const char *path, GVariantBuilder *options, GUnixFDList **fds, GError **error);

/* For methods that take a directory by name alone: @path; where it is not UTF-8, where it leads to, which may
 * be. Caller frees. */
char *agl_place_spell (const char *path);

/* The first argument, absolute and spelled like that: for commands that take one DIR. Errors: AGL_EXIT_ERROR
 * also when it is not UTF-8 then. */
char *agl_place_of_argument (const AglOptions *options, GError **error);

/* For people: escaped; with @home (NULL: not) in front shortened to ~. Caller frees. */
char *agl_place_display (const char *path, const char *home);
