/* SPDX-License-Identifier: MIT */
#pragma once
#include "service/service.h"

/* Tells everybody what happens to locks: on every connection that the object is exported on, once, and with
 * the free texts only where all who can listen may read them. */
void agl_broadcast_acquired (AglService *service, AglLock *lock);
void agl_broadcast_released (AglService *service, AglLock *lock, AglReleaseReason reason);
void agl_broadcast_changed (AglService *service, AglLock *lock, AglChange what);
