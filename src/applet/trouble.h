/* SPDX-License-Identifier: MIT */
#pragma once
#include <gio/gio.h>

/* What to tell a person about @error, in one or two sentences. What the service says itself is English.
 * Caller frees. */
char *agl_trouble_describe (const GError *error);
