/* SPDX-License-Identifier: MIT */
#include "applet/ticker.h"

/* So late a text may be, so that others that are due meanwhile are written with it. */
#define SLACK_USEC (100 * G_TIME_SPAN_MILLISECOND)

struct _AglTicker
{
  AglTickFunc func;
  GHashTable *texts; /* text → when it is due, gint64 owned */
  gboolean running;
  guint timer; /* 0: none */
  gint64 timer_due;
};

static gboolean on_timer (gpointer user_data);

static void
set_timer (AglTicker *self, gint64 due, gint64 now_usec)
{
  gint64 msec = (due - now_usec + SLACK_USEC) / G_TIME_SPAN_MILLISECOND;

  g_clear_handle_id (&self->timer, g_source_remove);
  self->timer_due = due;
  self->timer = g_timeout_add ((guint)CLAMP (msec, 1, G_MAXINT), on_timer, self);
}

static gboolean
on_timer (gpointer user_data)
{
  AglTicker *self = user_data;
  gint64 now_usec = g_get_real_time ();
  gint64 first = G_MAXINT64;
  GHashTableIter iter;
  gpointer text, due;

  self->timer = 0;
  g_hash_table_iter_init (&iter, self->texts);
  while (g_hash_table_iter_next (&iter, &text, &due))
    {
      if (*(gint64 *)due <= now_usec)
        *(gint64 *)due = self->func (text, now_usec);
      first = MIN (first, *(gint64 *)due);
    }
  if (first < G_MAXINT64)
    set_timer (self, first, now_usec);
  return G_SOURCE_REMOVE;
}

AglTicker *
agl_ticker_new (AglTickFunc func)
{
  AglTicker *self = g_new0 (AglTicker, 1);

  self->func = func;
  self->texts = g_hash_table_new_full (NULL, NULL, NULL, g_free);
  return self;
}

void
agl_ticker_free (AglTicker *self)
{
  g_clear_handle_id (&self->timer, g_source_remove);
  g_hash_table_unref (self->texts);
  g_free (self);
}

void
agl_ticker_add (AglTicker *self, gpointer text)
{
  gint64 now_usec = g_get_real_time ();
  gint64 due = self->func (text, now_usec);

  g_hash_table_insert (self->texts, text, g_memdup2 (&due, sizeof due));
  if (self->running && (self->timer == 0 || due < self->timer_due))
    set_timer (self, due, now_usec);
}

void
agl_ticker_remove (AglTicker *self, gpointer text)
{
  g_hash_table_remove (self->texts, text);
}

void
agl_ticker_set_running (AglTicker *self, gboolean running)
{
  if (self->running == running)
    return;
  self->running = running;
  if (running)
    on_timer (self);
  else
    g_clear_handle_id (&self->timer, g_source_remove);
}
