/* SPDX-License-Identifier: MIT */
#pragma once
#include "applet/lock-model.h"
#include "client/service.h"

/* The conversation with the service that the commands would find too, for as long as the applet runs. It
 * feeds the model, says how things stand, and comes back by itself after the service has: no call of it
 * blocks.
 *
 * Properties: "state" (guint, AglLinkState), "reason" (string), both notified together and read-only. */
#define AGL_TYPE_SERVICE_LINK (agl_service_link_get_type ())
G_DECLARE_FINAL_TYPE (AglServiceLink, agl_service_link, AGL, SERVICE_LINK, GObject)

typedef enum
{
  AGL_LINK_CONNECTING, /* nothing is known yet */
  AGL_LINK_READY,      /* the model shows what is */
  AGL_LINK_AWAY        /* the model shows what was; see the reason */
} AglLinkState;

/* @where: copied. @model: referenced. */
AglServiceLink *agl_service_link_new (const AglWhere *where, AglLockModel *model);

/* Looks for the service now, and starts the user's where none runs: once at the applet's start, and when a
 * person asks for it. What goes away later is waited for, not started again. */
void agl_service_link_open (AglServiceLink *self);

/* Ends the conversation, for good. */
void agl_service_link_close (AglServiceLink *self);

AglLinkState agl_service_link_get_state (AglServiceLink *self);

/* Why it is away, for people; NULL in the other states. */
const char *agl_service_link_get_reason (AglServiceLink *self);

AglLockModel *agl_service_link_get_model (AglServiceLink *self);

/* What calls go through; NULL unless ready. Borrowed. */
AglService *agl_service_link_get_service (AglServiceLink *self);
