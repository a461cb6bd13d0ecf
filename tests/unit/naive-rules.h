/* SPDX-License-Identifier: MIT */
#pragma once
#include "naive-table.h"

/* Who conflicts and who waits for whom, for the naive table. */

#define BIT(n) (G_GUINT64_CONSTANT (1) << (n))

gboolean naive_same_holder (const NaiveRequest *a, const NaiveRequest *b);
gboolean naive_conflict (const NaiveRequest *a, const NaiveRequest *b);
NaiveLock *naive_find_own (NaiveTable *self, const NaiveRequest *request);
gboolean naive_has_it_already (NaiveTable *self, const NaiveRequest *request);
void naive_work_out_waiter (NaiveTable *self, NaiveWaiter *waiter, int position);
gboolean naive_way_is_free (const NaiveTable *self, const NaiveWaiter *waiter);
void naive_forget_outsiders (NaiveTable *self);
guint64 naive_who (const NaiveTable *self, int position);
gboolean naive_waits_at (const NaiveTable *self, int holder, int number);
guint64 naive_waits_for (const NaiveTable *self, const NaiveWaiter *waiter);
guint64 naive_follow (const NaiveTable *self, guint64 set);
gboolean naive_holder_is_on_a_circle (NaiveTable *self, int holder);
