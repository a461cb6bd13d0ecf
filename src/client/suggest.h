/* SPDX-License-Identifier: MIT */
#pragma once
#include <glib.h>

/* The one of @names (NULL-terminated) that @typed was probably meant to be: at most two letters wrong,
 * missing, too many or swapped, or its beginning. NULL when nothing comes near. */
const char *agl_suggest (const char *typed, const char *const *names);
