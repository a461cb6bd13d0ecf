/* SPDX-License-Identifier: MIT */
#pragma once
#include <glib.h>
#include <sys/types.h>

/* Who connected, as the kernel said at accept(2): SO_PEERCRED, SO_PEERPIDFD (Linux 6.5), SO_PEERGROUPS
 * (4.13). Never what the peer says. */
typedef struct
{
  uid_t uid;
  gid_t gid;
  pid_t pid; /* 0: of a PID namespace that this service cannot see into, or dead already */
  int pidfd; /* -1 where the kernel has no SO_PEERPIDFD, or with pid 0 */
  gid_t *groups;
  gsize n_groups;
} AglPeer;

/* @fd: a connected UNIX socket; stays the caller's. Errors: any GIOError. */
AglPeer *agl_peer_new_from_socket (int fd, GError **error);
void agl_peer_free (AglPeer *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AglPeer, agl_peer_free)

/* TRUE when @claimed is what @self's user is called where @self lives: the kernel's number for us, or, in
 * another user namespace, the number that is mapped to it (user_namespaces(7)). A client can claim only what
 * it sees. Nothing is granted by a claim: it is compared, and the kernel's number is used. */
gboolean agl_peer_is_called (const AglPeer *self, uid_t claimed);
