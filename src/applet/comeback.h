/* SPDX-License-Identifier: MIT */
#pragma once
#include "client/options.h"

/* Says when it is worth looking for a service that is away: a socket appeared where one of those that @where
 * means would have it, its name appeared on a bus, or a while has passed (a second at first, later half a
 * minute). Lives only while the service is away: one that answers is never asked whether it does. */
typedef struct _AglComeback AglComeback;

/* @look is called in the main context until the free; it may free. */
AglComeback *agl_comeback_new (const AglWhere *where, void (*look) (gpointer user_data), gpointer user_data);
void agl_comeback_free (AglComeback *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AglComeback, agl_comeback_free)
