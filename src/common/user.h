/* SPDX-License-Identifier: MIT */
#pragma once
#include <sys/types.h>

/* The name of @uid, escaped for display, as far as this machine's own file (passwd(5)) tells; else "UID
 * 1000". getpwuid(3) may ask a directory server and wait for it, which the main loop must not. Caller frees.
 */
char *agl_user_dup_name (uid_t uid);
