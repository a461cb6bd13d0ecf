/* SPDX-License-Identifier: MIT */
#pragma once
#include "service/service.h"

/* The door onto a message bus: connects, exports the object, owns the name; when the bus goes away, comes
 * back with it. What is held does not depend on it. */
typedef struct _AglBusDoor AglBusDoor;

/* Called once: the name is ours for the first time, or it is clear that it will not be for now. */
typedef void (*AglBusDoorSettledFunc) (gpointer user_data);

/* @replace: take the name from an instance that has it. NULL where there is no bus to connect to: no address
 * is set and no socket stands in its usual place. Never starts a bus. */
AglBusDoor *
agl_bus_door_new (AglService *service, gboolean replace, AglBusDoorSettledFunc settled, gpointer user_data);
void agl_bus_door_free (AglBusDoor *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AglBusDoor, agl_bus_door_free)
