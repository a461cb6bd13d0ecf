/* SPDX-License-Identifier: MIT */
#pragma once
#include "service/service.h"

/* The door onto a message bus: connects, exports the object, owns the name; when the bus goes away, comes
 * back with it. What is held does not depend on it. */
typedef struct _AglBusDoor AglBusDoor;

typedef struct
{
  /* A bus is reached, whose own name for itself is agl_bus_door_get_id(). FALSE: another door leads there
   * already, and this one is not wanted; it may have been freed. */
  gboolean (*reached) (AglBusDoor *self, gpointer user_data);
  /* Once: the name is ours for the first time, or it is clear that it will not be for now. */
  void (*settled) (AglBusDoor *self, gpointer user_data);
  /* The bus has been away for a while, and an attempt to reach it has failed again. May free @self. */
  void (*away) (AglBusDoor *self, gpointer user_data);
} AglBusDoorHooks;

/* The address of the scope's bus, or NULL where there is none to connect to: no address is set and no socket
 * stands in its usual place. Never starts a bus. Caller frees. */
char *agl_bus_door_find_address (AglScope scope);

/* @replace: take the name from an instance that has it. */
AglBusDoor *agl_bus_door_new (AglService *service,
                              const char *address,
                              gboolean replace,
                              const AglBusDoorHooks *hooks,
                              gpointer user_data);
/* One that is connected: at the end alone, when the main context is not run any more. */
void agl_bus_door_free (AglBusDoor *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AglBusDoor, agl_bus_door_free)

const char *agl_bus_door_get_address (const AglBusDoor *self);
/* Of the bus that it was connected to last; NULL: not known. */
const char *agl_bus_door_get_id (const AglBusDoor *self);
gboolean agl_bus_door_is_settled (const AglBusDoor *self);
gboolean agl_bus_door_is_connected (const AglBusDoor *self);
/* Where it is not connected: tries now. */
void agl_bus_door_hurry (AglBusDoor *self);
