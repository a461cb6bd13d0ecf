/* SPDX-License-Identifier: MIT */
#pragma once
#include "service/service.h"

/* The D-Bus face of a service: the generated skeleton with its methods, properties and signals tied to the
 * keeper. Sets service->object. Stands on service->keeper, callers, authority and worker being there when
 * calls come in. */
void agl_locks_object_new (AglService *service);
/* It is exported nowhere any more by then. */
void agl_locks_object_free (AglService *service);

/* The keeper's hooks; user_data is the AglService. */
extern const AglKeeperHooks agl_locks_object_hooks;

/* What was held back has been broadcast: it is forgotten on disk once it has left this process. */
void agl_locks_object_announced (AglService *service);

/* For a clean stop: tells what is collected still. Returns the ids (guint64) of the ends that were told. */
GArray *agl_locks_object_tell_rest (AglService *service);
/* That @told has left this process. */
void agl_locks_object_forget (AglService *service, const GArray *told);

/* The bodies of the methods (acquire-method.c, release-method.c, query-methods.c). */
#include "service/call.h"
void agl_acquire_method (AglCall *call);
/* Ends those of @caller's that go by @ticket and whose directory a thread looks for still: all others the
 * keeper knows. How many. */
guint agl_acquire_method_cancel (AglCaller *caller, const char *ticket);
void agl_release_method (AglCall *call);
void agl_transfer_method (AglCall *call);
void agl_cancel_method (AglCall *call);
void agl_list_method (AglCall *call);
void agl_check_method (AglCall *call);
void agl_occupants_method (AglCall *call);
