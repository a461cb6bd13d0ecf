/* SPDX-License-Identifier: MIT */
#pragma once
#include <gio/gio.h>

/* Who is in the way, in the user's language. @blockers: aa{sv} as Check gives them; @directory: raw; @home:
 * shortened to ~, NULL: not. */

/* "waiting for claude (pid 1234): ~/src/app (there for 12min, 1 other in the way, 2 in line)". The directory
 * stands before what a narrow terminal may lose. @blockers may be empty: then it is only not our turn yet,
 * @others_first: for others who wait. Caller frees. */
char *agl_blockers_describe_wait (
    GVariant *blockers, gboolean others_first, const char *directory, const char *home, gint64 now_usec);

/* "~/src/app is in use by claude (pid 1234): there for 12min; …" with what @asker, a user,
 * can do next. @timed_out: the time for waiting ran out. NULL when @blockers is empty. Caller frees. */
char *agl_blockers_describe_refusal (GVariant *blockers,
                                     const char *directory,
                                     const char *home,
                                     gint64 now_usec,
                                     uid_t asker,
                                     gboolean timed_out);
