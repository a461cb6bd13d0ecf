/* SPDX-License-Identifier: MIT */
#pragma once
#include "applet/choices.h"
#include "applet/lock-model.h"

/* Which events people are told about, in which words, and when that is moot. How they are told is not its
 * business. One notice an event; a directory is spoken of when it is watched (choices.h). */
typedef enum
{
  AGL_NOTICE_RELEASED, /* a lock ended; moot once the directory is locked anew */
  AGL_NOTICE_TAKEN,    /* it was stolen or forced away; moot once the directory is locked by yet another */
  AGL_NOTICE_LEFT,     /* its holder is outside; moot once it is back, or the lock has ended */
  AGL_NOTICE_GRANTED   /* a request that waited got its lock; moot once that has ended */
} AglNoticeKind;

typedef struct
{
  const char *id; /* the same event, the same id */
  AglNoticeKind kind;
  guint64 lock;
  const char *title, *body; /* made harmless, no markup */
} AglNotice;

typedef struct
{
  void (*show) (const AglNotice *notice, gpointer user_data);
  void (*withdraw) (const char *id, gpointer user_data);
  gint64 (*now_usec) (gpointer user_data); /* monotonic */
} AglNoticesOutlet;

#define AGL_TYPE_NOTICES (agl_notices_get_type ())
G_DECLARE_FINAL_TYPE (AglNotices, agl_notices, AGL, NOTICES, GObject)

/* So many stand at once: of more the oldest are withdrawn. Nobody reads a hundred. */
#define AGL_NOTICES_MAX 20

/* A service grants a wait with the release that made way. What comes later is a new request. */
#define AGL_NOTICES_GRANT_USEC (2 * G_TIME_SPAN_SECOND)

/* @outlet: static; @user_data belongs to it. Both objects are referenced. */
AglNotices *agl_notices_new (AglLockModel *model,
                             AglChoices *choices,
                             const AglNoticesOutlet *outlet,
                             gpointer user_data);

/* When nobody will be there to see what becomes moot. */
void agl_notices_withdraw_all (AglNotices *self);
