/* SPDX-License-Identifier: MIT */
#pragma once
#include <gio/gio.h>

/* Check answers for a plain exclusive request of somebody who holds nothing. Of its @blockers (aa{sv}) those
 * that @holder, a pid (0: nobody, a claim), waits for: never for himself; and for a @shared lock not for who
 * shares, unless nobody else is in the way: then it is for one who waits for them. (transfer full), not
 * floating. */
GVariant *agl_blockers_filter (GVariant *blockers, pid_t holder, gboolean shared);
