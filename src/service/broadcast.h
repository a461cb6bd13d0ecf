/* SPDX-License-Identifier: MIT */
#pragma once
#include "service/service.h"

/* Tells everybody what happens to locks: on every connection that the object is exported on, once, and with
 * the free texts only where all who can listen may read them. */
/* Until the name is ours on the bus nobody who listens to it hears anything, though direct sockets serve and
 * holders die already. From hold until let_go, signals for the bus are kept, in order: bounded, so that a bus
 * that never answers costs little. An end that is kept is not forgotten on disk. */
void agl_broadcast_hold (AglService *service);
void agl_broadcast_let_go (AglService *service);
/* Without telling anybody: the service stops, and the next one tells the ends. */
void agl_broadcast_drop_held (AglService *service);

/* Whether there is a connection to a message bus. */
gboolean agl_broadcast_has_bus (const AglService *service);

/* Clients of the direct sockets lose their connection with the service, and what it had no time to tell, or
 * ended without it, would be told before the first of them is back. From this on, grants and ends are
 * remembered; agl_broadcast_remind() tells them once more, a moment later, on the direct connections that
 * there are by then. Whoever listens on the bus has heard them already. */
void agl_broadcast_remember (AglService *service);
void agl_broadcast_remind (AglService *service);
void agl_broadcast_drop_missed (AglService *service);

void agl_broadcast_acquired (AglService *service, AglLock *lock);
void agl_broadcast_released (AglService *service, AglLock *lock, AglReleaseReason reason);
void agl_broadcast_changed (AglService *service, AglLock *lock, AglChange what);
/* @changed: floating a{sv}, of the properties that have another value now. */
void agl_broadcast_properties (AglService *service, GVariant *changed);
