/* SPDX-License-Identifier: MIT */
#pragma once
#include <glib.h>

/* What takes so long will not come. */
#define PATIENCE_SEC 60

static inline gboolean
await_give_up (gpointer user_data)
{
  *(gboolean *)user_data = TRUE;
  return G_SOURCE_REMOVE;
}

/* Turns @context until *@count, which its sources count up, is @expected, and no further. */
static inline void
await_count (GMainContext *context, const guint *count, guint expected)
{
  g_autoptr (GSource) limit = g_timeout_source_new_seconds (PATIENCE_SEC);
  gboolean gave_up = FALSE;

  g_source_set_callback (limit, await_give_up, &gave_up, NULL);
  g_source_attach (limit, context);
  while (*count < expected && !gave_up)
    g_main_context_iteration (context, TRUE);
  g_source_destroy (limit);
  g_assert_cmpuint (*count, ==, expected);
}

/* Whatever is to be told now has been told when this returns. */
static inline void
run_what_is_ready (GMainContext *context)
{
  while (g_main_context_iteration (context, FALSE))
    ;
}
