/* SPDX-License-Identifier: MIT */
#pragma once
#include "applet/lock-entry.h"

/* Every lock there is, a GListModel of AglLockEntry by id, made from one answer of List and the signals
 * around it.
 *
 * Subscribe, agl_lock_model_begin(), call List, hand everything over as it comes: no row is lost or doubled
 * whatever the order. What comes before the answer is kept and applied after it. Ids never repeat, so one
 * that was released stays released, whoever still speaks of it.
 *
 * What comes is gathered, and applied at most once in AGL_LOCK_MODEL_BATCH_MSEC with one items-changed. After
 * that, in the order in which it happened:
 *
 * - "lock-acquired" (AglLockEntry *lock): while we looked; not for what was there when we came.
 * - "lock-released" (AglLockEntry *lock, const char *reason): the reason as org.agentctl.Locks(5) has it.
 * Once for each id, also when it was never shown (acquired and released between two batches, or ended while
 * we were away).
 * - "lock-changed" (AglLockEntry *lock, guint changes): AglLockChanges; of a lock that is in the list. */
#define AGL_TYPE_LOCK_MODEL (agl_lock_model_get_type ())
G_DECLARE_FINAL_TYPE (AglLockModel, agl_lock_model, AGL, LOCK_MODEL, GObject)

/* Ten times a second is quicker than people read. */
#define AGL_LOCK_MODEL_BATCH_MSEC 100

AglLockModel *agl_lock_model_new (void);

/* A new conversation: what was shown stays until the answer of List is here. */
void agl_lock_model_begin (AglLockModel *self);

/* Another service from here on, whose ids are its own: nothing that was known counts. */
void agl_lock_model_clear (AglLockModel *self);

/* The answer of List, aa{sv}. */
void agl_lock_model_take_list (AglLockModel *self, GVariant *locks);

/* The signals. */
void agl_lock_model_take_acquired (AglLockModel *self, guint64 id, GVariant *lock);
void agl_lock_model_take_released (AglLockModel *self, guint64 id, const char *reason, GVariant *lock);
void agl_lock_model_take_changed (AglLockModel *self, guint64 id, GVariant *changed);

/* The lock of that id in the list; NULL: none. Borrowed. */
AglLockEntry *agl_lock_model_lookup (AglLockModel *self, guint64 id);

/* In how many different directories locks are held. */
guint agl_lock_model_count_directories (AglLockModel *self);

/* What is gathered is applied now, rather than at the next batch. */
void agl_lock_model_flush (AglLockModel *self);
