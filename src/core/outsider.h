/* SPDX-License-Identifier: MIT */
#pragma once
#include "core/directory.h"

/* An unregistered agent: a running process of a known agent program that works in a directory and holds no
 * lock. It is in the way of an exclusive request, though there is nothing to take from it. Counted (main
 * thread only). */
typedef struct
{
  AglProcess *process;
  uid_t uid;
  char *command; /* escaped for display */
  char *agent;   /* its name in the catalogue */
} AglOutsider;

/* Takes a reference and copies. */
AglOutsider *agl_outsider_new (AglProcess *process, uid_t uid, const char *command, const char *agent);
AglOutsider *agl_outsider_ref (AglOutsider *self);
void agl_outsider_unref (AglOutsider *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AglOutsider, agl_outsider_unref)
