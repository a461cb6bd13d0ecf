/* SPDX-License-Identifier: MIT */
#pragma once
#include "client/service.h"

/* Hears what the service tells, as long as its connection lasts. */
typedef struct _AglListener AglListener;

typedef struct
{
  /* A signal of the service. */
  void (*on_signal) (const char *name, GVariant *parameters, gpointer user_data);
  /* A property has a new value; NULL: of no interest. */
  void (*on_property) (gpointer user_data);
  /* On a bus: the service went away, or is (back) there. On a direct socket its end is the connection's. */
  void (*on_presence) (gboolean is_there, gpointer user_data);
} AglListenerFuncs;

/* In the default main context. On the connection's messages this takes effect before any later call, so what
 * changes after that call's answer is not missed. @service, @funcs: must outlive it. */
AglListener *agl_listener_new (AglService *service, const AglListenerFuncs *funcs, gpointer user_data);
void agl_listener_free (AglListener *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AglListener, agl_listener_free)

/* A question that is asked anew whenever the listener hears that the answer may be another one now: asked
 * once at a time, and never for nothing. To begin with all zero. */
typedef struct
{
  gboolean is_asking;
  gboolean is_outdated; /* something changed while it was asked */
  guint n_outdated;     /* answers in a row that were, and were not told */
} AglQuestion;

/* TRUE: ask. FALSE: it is being asked, and the answer will be outdated. */
gboolean agl_question_begin (AglQuestion *self);

/* An answer has come. TRUE: tell it; in a stream of changes that may be one that is outdated, since what was
 * true a moment ago is better than nothing for ever. In that case, and for FALSE, ask again at once. */
gboolean agl_question_end (AglQuestion *self);
