/* SPDX-License-Identifier: MIT */
#pragma once
#include <glib.h>
#include <sys/types.h>

/* Where descriptors go that strangers have handed over. Most of all, to close(2) one is nothing; but that of
 * a file on FUSE waits for its server (FUSE_FLUSH), that of a socket for its peer (SO_LINGER), that of a
 * terminal for what it has to say, and whoever hands one over has seen to it that this takes for ever. The
 * same goes for those that lie unread in a socket that is closed. So these are closed in threads, of which a
 * user has few. One for the whole process; any thread. */

/* Whether to close @fd waits for nobody: a directory, a pidfd, or O_PATH. Asks no filesystem. */
gboolean agl_descriptor_is_harmless (int fd);

/* Closes @fd, which came from @uid: here when it is harmless, else elsewhere. Never waits. */
void agl_descriptor_sink (int fd, uid_t uid);

/* The same for a connected socket, with whatever lies unread in it. No more arrives. */
void agl_descriptor_sink_socket (int fd, uid_t uid);

/* Reads @n_bytes, which have arrived, from a socket. FALSE: there was more than bytes to it, which is in the
 * sink now; left to the kernel it would have been closed here. */
gboolean agl_descriptor_sink_bytes (int socket, void *buffer, gsize n_bytes, uid_t uid);

/* Whether descriptors can be sent to @socket at all (Linux 6.16; before that they always can). What is
 * accepted from a listening socket begins as that one was when the other end connected. */
void agl_descriptor_set_welcome (int socket, gboolean are_welcome);

/* How many of @uid's have not been closed yet. */
guint agl_descriptor_sink_count (uid_t uid);

/* What one recvmsg(2) brings at most (SCM_MAX_FD in the kernel). Those for which there is no room the kernel
 * closes itself, in the thread that reads. */
#define AGL_DESCRIPTOR_MAX_RECEIVED 253

/* Who has so many there shall not bring more: a busy machine takes its time for those that can be closed. */
#define AGL_DESCRIPTOR_SINK_MAX 256
