/* SPDX-License-Identifier: MIT */
#pragma once
#include <gio/gio.h>

/* One lock as List and the signals tell it: facts with a notification each, no opinion and no widget. What a
 * newer service says beyond these keys is left aside; a value of another type counts as not said.
 *
 * Properties, all read-only: "id" t, "directory" s, "kind" s, "pid" u, "uid" u, "command" s, "agent" s,
 * "session" s, "reason" s, "shared" b, "subtree" b, "follow-cwd" b, "cwd" s, "acquired-at" t, "expires-at" t,
 * "waiters" u: as org.agentctl.Locks(5) has them; a text that was not given is "". Three are not the
 * service's: "repository", "trouble" and "grouped". */
#define AGL_TYPE_LOCK_ENTRY (agl_lock_entry_get_type ())
G_DECLARE_FINAL_TYPE (AglLockEntry, agl_lock_entry, AGL, LOCK_ENTRY, GObject)

/* What an update changed, for those who tell people. */
typedef enum
{
  AGL_LOCK_CHANGED_HOLDER = 1 << 0,    /* kind, pid, uid, command */
  AGL_LOCK_CHANGED_DIRECTORY = 1 << 1, /* it was renamed */
  AGL_LOCK_CHANGED_MODE = 1 << 2,      /* shared, subtree, follow-cwd */
  AGL_LOCK_CHANGED_CWD = 1 << 3,
  AGL_LOCK_CHANGED_WAITERS = 1 << 4,
  AGL_LOCK_CHANGED_TEXTS = 1 << 5, /* agent, session, reason */
  AGL_LOCK_CHANGED_TIMES = 1 << 6  /* acquired-at, expires-at */
} AglLockChanges;

/* @facts: a{sv}; floating is fine. */
AglLockEntry *agl_lock_entry_new (guint64 id, GVariant *facts);

/* Takes over what @facts says and leaves the rest. Notifies once for each property that has a new value. */
AglLockChanges agl_lock_entry_update (AglLockEntry *self, GVariant *facts);

/* Of @facts as List gives them, the id; 0 when there is none. */
guint64 agl_lock_entry_id_of (GVariant *facts);

guint64 agl_lock_entry_get_id (AglLockEntry *self);
const char *
agl_lock_entry_get_directory (AglLockEntry *self);        /* UTF-8; raw: agl_text_escape() before showing */
const char *agl_lock_entry_get_path (AglLockEntry *self); /* for system calls: any bytes */
guint agl_lock_entry_get_pid (AglLockEntry *self);        /* 0: none holds it */
guint agl_lock_entry_get_uid (AglLockEntry *self);
const char *agl_lock_entry_get_command (AglLockEntry *self); /* escaped by the service */
const char *agl_lock_entry_get_agent (AglLockEntry *self);
const char *agl_lock_entry_get_session (AglLockEntry *self);
const char *agl_lock_entry_get_reason (AglLockEntry *self);
gboolean agl_lock_entry_get_shared (AglLockEntry *self);
gboolean agl_lock_entry_get_subtree (AglLockEntry *self);
gboolean agl_lock_entry_get_follow_cwd (AglLockEntry *self);
const char *agl_lock_entry_get_cwd (AglLockEntry *self);     /* "inside", "outside", "unknown", "ignored" */
guint64 agl_lock_entry_get_acquired_at (AglLockEntry *self); /* µs since the epoch */
guint64 agl_lock_entry_get_expires_at (AglLockEntry *self);  /* µs since the epoch; 0: never */
guint agl_lock_entry_get_waiters (AglLockEntry *self);
gboolean agl_lock_entry_is_claim (AglLockEntry *self);   /* a manual lock */
gboolean agl_lock_entry_is_outside (AglLockEntry *self); /* its holder is proven elsewhere, for now */
gboolean agl_lock_entry_is_unknown (AglLockEntry *self); /* where its holder is cannot be told */

/* The repository that the directory belongs to, see repository.h; NULL: none, or not looked up yet. */
const char *agl_lock_entry_get_repository (AglLockEntry *self);
void agl_lock_entry_set_repository (AglLockEntry *self, const char *repository);

/* Whether it stands below the heading of its repository, see lock-groups.h. */
gboolean agl_lock_entry_is_grouped (AglLockEntry *self);
void agl_lock_entry_set_grouped (AglLockEntry *self, gboolean grouped);

/* What went wrong with the last thing that was asked of this lock, for people; NULL: nothing. */
const char *agl_lock_entry_get_trouble (AglLockEntry *self);
void agl_lock_entry_set_trouble (AglLockEntry *self, const char *trouble);
