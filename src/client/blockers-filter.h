/* SPDX-License-Identifier: MIT */
#pragma once
#include <gio/gio.h>

/* Check answers for a plain exclusive request of somebody who holds nothing. Of its @blockers (aa{sv}) those
 * that @holder, a pid (0: nobody, a claim), waits for: never for himself, and for a @shared lock not for who
 * shares. Where these are all that there are, others came first, who wait for them: @others_first, (out)
 * (optional). Who that is Check does not tell. (transfer full), not floating. */
GVariant *agl_blockers_filter (GVariant *blockers, pid_t holder, gboolean shared, gboolean *others_first);
