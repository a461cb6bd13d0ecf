/* SPDX-License-Identifier: MIT */
#pragma once
#include <glib.h>

/* Lengths of time as people write and read them. */

/* "2", "0.5", "1.25": seconds with a decimal point in every locale, rounded up to whole milliseconds so that
 * a wait is never shorter than was asked. FALSE for anything else, negative numbers and more than the bus can
 * say (49 days). */
gboolean agl_duration_parse_msec (const char *text, gint64 *msec);

/* "90", "90s", "15m", "2h", "1d", also "1h30m": whole seconds, at least 1. FALSE for anything else and for
 * more than the bus can say (136 years). */
gboolean agl_duration_parse_sec (const char *text, guint32 *sec);

/* "5s", "3min", "2h 5min", "4d 3h", in the user's language; two units at most. Negative is "0s".
 * Caller frees. */
char *agl_duration_to_string (gint64 usec);

/* The same as a point in time that long ago: "3min ago". Caller frees. */
char *agl_duration_ago (gint64 usec);
