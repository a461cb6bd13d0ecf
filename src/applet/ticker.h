/* SPDX-License-Identifier: MIT */
#pragma once
#include <glib.h>

/* Texts that say how long something lasts, kept true: one timer for all of them, which runs out when the
 * first of them has to say something else, and not at all while nobody looks. */
typedef struct _AglTicker AglTicker;

/* Rewrites a text; returns when it is another one, µs since the epoch. */
typedef gint64 (*AglTickFunc) (gpointer text, gint64 now_usec);

AglTicker *agl_ticker_new (AglTickFunc func);
void agl_ticker_free (AglTicker *self);

/* From now on until removed; @text is borrowed, and is written now. */
void agl_ticker_add (AglTicker *self, gpointer text);
void agl_ticker_remove (AglTicker *self, gpointer text);

/* Whether somebody looks; not at first. */
void agl_ticker_set_running (AglTicker *self, gboolean running);
