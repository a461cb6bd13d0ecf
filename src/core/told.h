/* SPDX-License-Identifier: MIT */
#pragma once
#include <gio/gio.h>

/* What others have been told of locks, for the next service should this one be killed. It stands in a page of
 * a file that is mapped: memory that outlives the process, at the price of memory.
 *
 * To tell and to note that it was told would be two steps, and a kill could come between them. Here the
 * kernel does both in one: sendmmsg(2) writes how much it has taken into the page before it returns, and a
 * SIGKILL takes effect at the return. So the next service knows exactly.
 *
 * Thread-safe. What is noted is lost where there is no such file: then nothing is known, and nothing of what
 * was granted before is taken for untold. */
typedef struct _AglTold AglTold;

/* @path: a file of our own in the runtime folder, made where it is missing. A damaged one, or one that could
 * not be mapped without the risk of SIGBUS (its filesystem may find no room for a page that it gave us), is
 * as good as none; never fails. */
AglTold *agl_told_open (const char *path);
AglTold *agl_told_ref (AglTold *self);
void agl_told_unref (AglTold *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AglTold, agl_told_unref)

/* The highest id whose grant was told: ids grow, and grants are told in the order of their ids.
 * FALSE: it is not known. */
gboolean agl_told_get_acquired (AglTold *self, guint64 *id);
/* Up to @id all are told, or nobody was there to be told. Never goes back. */
void agl_told_set_acquired (AglTold *self, guint64 id);
/* The lock whose end the service before this one told as the very last thing, so that it had no time to
 * remove its file; 0: none. */
guint64 agl_told_get_last_released (AglTold *self);
/* From here on news that nobody gets are left for the next service. */
void agl_told_stop (AglTold *self);

/* That a lock was granted, or ended; on its way to one or several listeners, each of which owns a reference.
 * When the last one has got it, or has hung up, it is noted. */
typedef struct _AglNews AglNews;

/* @n_listeners: so many references are given. */
AglNews *agl_news_new_acquired (AglTold *told, guint64 id, guint n_listeners);
/* @end_path: (transfer full) (nullable): the file that says that the end must still be told, which then goes.
 */
AglNews *agl_news_new_released (AglTold *told, guint64 id, char *end_path, guint n_listeners);
/* This listener is no more. */
void agl_news_unref (AglNews *self);

/* send(2), of @n_bytes that are the end of a message of which @n_sent bytes have been sent before; does not
 * wait. @news: what the message tells, or NULL; dropped and set to NULL when all has been sent. */
gssize agl_told_send (int fd, gconstpointer data, gsize n_bytes, gsize n_sent, AglNews **news);
