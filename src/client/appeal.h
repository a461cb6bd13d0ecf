/* SPDX-License-Identifier: MIT */
#pragma once
#include "client/service.h"

/* On the direct socket of the machine's service only root may override others; on the system bus also whom
 * polkit allows it. The socket is tried first, since it costs less and needs no bus. So what it refuses for
 * want of privilege is asked again over the bus. */

/* The same service as @refusing, over the system bus, after it refused with @refusal. NULL: there is nothing
 * to be gained, or the same process cannot be had there. Starts nothing. Blocks, for a bounded time. */
AglService *agl_appeal_find (const AglService *refusing, const GError *refusal);
