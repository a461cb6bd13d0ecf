/* SPDX-License-Identifier: MIT */
#pragma once
#include <glib.h>
#include <sys/types.h>

/* One pass over the numbers of all processes, in ascending order. Several threads may take from the same one:
 * each process is met once, by whichever comes first. Making the list is a tenth of what a look at every
 * process costs, so it is not made for each thread anew. */
typedef struct _AglProcPass AglProcPass;

/* So many are given out at once: small enough that no thread has nothing to do while another makes the list,
 * and that both end at about the same time. */
#define AGL_PROC_HAND 64

/* Errors: AGL_ERROR_UNAVAILABLE. */
AglProcPass *agl_proc_pass_new (GError **error);
void agl_proc_pass_free (AglProcPass *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AglProcPass, agl_proc_pass_free)

/* The next ones: how many, 0 at the end, -1 with errno. Thread-safe. */
int agl_proc_pass_take (AglProcPass *self, pid_t pids[AGL_PROC_HAND]);

/* A descriptor of /proc, @self's own. */
int agl_proc_pass_get_folder (const AglProcPass *self);
