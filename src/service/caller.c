/* SPDX-License-Identifier: MIT */
#include "service/caller.h"

#include "service/message-bus.h"

AglCaller *
agl_caller_ref (AglCaller *self)
{
  return g_rc_box_acquire (self);
}

static void
caller_clear (gpointer data)
{
  AglCaller *self = data;

  g_clear_pointer (&self->asker.process, agl_process_unref);
  g_clear_pointer (&self->subject, agl_subject_unref);
  g_clear_object (&self->connection);
  g_free (self->name);
}

void
agl_caller_unref (AglCaller *self)
{
  g_rc_box_release_full (self, caller_clear);
}

typedef struct
{
  AglCaller *caller;
  AglFoundFunc func;
  gpointer user_data;
  gboolean is_certain; /* of a "yes" */
} Search;

static void ask_for_owner (Search *search);

/* A bus may come to a question sooner than to a connection that ended before it, in the same turn of its
 * loop. It has come to both when a second question is answered. */
static void
on_owner_told (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Search *search = user_data;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, NULL);
  gboolean is_there = TRUE;

  if (reply != NULL)
    g_variant_get (reply, "(b)", &is_there);
  if (reply != NULL && is_there && !search->is_certain)
    {
      search->is_certain = TRUE;
      ask_for_owner (search);
      return;
    }
  search->func (is_there, search->user_data);
  agl_caller_unref (search->caller);
  g_free (search);
}

static void
ask_for_owner (Search *search)
{
  g_dbus_connection_call (search->caller->connection, AGL_BUS_DRIVER, AGL_BUS_DRIVER_PATH, AGL_BUS_DRIVER,
                          "NameHasOwner", g_variant_new ("(s)", search->caller->name), G_VARIANT_TYPE ("(b)"),
                          G_DBUS_CALL_FLAGS_NONE, AGL_BUS_TIMEOUT_MSEC, NULL, on_owner_told, search);
}

void
agl_caller_find (AglCaller *self, AglFoundFunc func, gpointer user_data)
{
  Search *search = g_new0 (Search, 1);

  search->caller = agl_caller_ref (self);
  search->func = func;
  search->user_data = user_data;
  ask_for_owner (search);
}
