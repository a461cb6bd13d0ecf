/* SPDX-License-Identifier: MIT */
#pragma once
#include <glib.h>
#include <sys/types.h>

/* A process that was killed is not gone before its last thread is, and a thread that asks a filesystem whose
 * server does not answer cannot be woken: until then the kernel keeps the process's files open and its file
 * locks. */
typedef enum
{
  AGL_LIFE_UNKNOWN,    /* it runs, or it cannot be told, or it is gone */
  AGL_LIFE_MAIN_STUCK, /* it will run no more of its program, but its main thread's last call is under way */
  AGL_LIFE_OVER        /* its main thread is gone, and no other will run any more of its program */
} AglLife;

/* By proof: each of its threads has exited, is about to, or has a SIGKILL pending, which nothing can take
 * back. Reads /proc alone, and never waits. */
AglLife agl_life_of (pid_t pid);
