/* SPDX-License-Identifier: MIT */
#pragma once
#include <glib.h>
#include <sys/types.h>

/* "/proc/PID/task/TID" and what is in it. */
#define AGL_PROC_FOLDER_BYTES 64

/* A descriptor of /proc that is kept, and nobody's to close: asking ten thousand processes from there takes
 * six percent less than from the root. It stays that of the PID namespace in which it was first asked for.
 * -1 while there is none to be had; whoever names the whole path all the same needs none. */
int agl_proc_get_folder (void);

/* A main thread may end before the others (pthread_exit(3) in main). Its process lives on, but what it worked
 * with went with that thread: /proc/PID/cwd, root and ns/mnt read ENOENT, as those of a zombie do. Those of
 * the threads that run on do not.
 *
 * The folder in /proc of a thread of @pid that runs on, to be asked where the process's own reads ENOENT.
 * FALSE: there is none. errno is ENOENT where its threads were there to be looked at: the process is ending
 * or a zombie, since only a thread that ends gives up what it works with (exit_fs() in the kernel's
 * do_exit()), and does so some time before its pidfd tells; ESRCH where there were none to be seen. Whether
 * @pid is still the same process is to be asked of its pidfd afterwards. */
gboolean agl_proc_find_thread (pid_t pid, char folder[AGL_PROC_FOLDER_BYTES]);
