/* SPDX-License-Identifier: MIT */
#include "core/keeper-private.h"

/* A waiter's turn, from when nothing is in its way but that its client may have hung up until that is known:
 * on a bus a death is heard of sooner than that somebody hung up before it, and a lock would go to one who
 * never hears of it. */
typedef struct
{
  AglKeeper *keeper; /* NULL once it has gone */
  guint64 serial;
  gboolean is_there; /* for the settling that follows the answer */
} Turn;

static void
turn_detach (gpointer data)
{
  ((Turn *)data)->keeper = NULL;
}

GHashTable *
agl_keeper_turns_new (void)
{
  return g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL, turn_detach);
}

static AglWaiter *
find_waiter (AglKeeper *self, guint64 serial)
{
  g_autoptr (GPtrArray) waiters = agl_lock_table_list_waiters (self->table);

  for (guint i = 0; i < waiters->len; i++)
    {
      AglWaiter *waiter = g_ptr_array_index (waiters, i);

      if (agl_waiter_get_serial (waiter) == serial)
        return waiter;
    }
  return NULL;
}

static void
on_found (gboolean is_there, gpointer user_data)
{
  Turn *turn = user_data;
  AglKeeper *self = turn->keeper;
  AglWaiter *waiter = self == NULL ? NULL : find_waiter (self, turn->serial);

  if (waiter != NULL && is_there)
    {
      turn->is_there = TRUE;
      agl_lock_table_try_again (self->table, waiter);
      agl_keeper_settle (self);
    }
  else if (waiter != NULL)
    agl_keeper_cancel (self, agl_waiter_get_request (waiter)->client, NULL);
  if (self != NULL)
    g_hash_table_remove (self->turns, &turn->serial);
  g_free (turn);
}

gboolean
agl_keeper_can_be_told (AglWaiter *waiter, gpointer user_data)
{
  AglKeeper *self = user_data;
  const AglRequest *request = agl_waiter_get_request (waiter);
  guint64 serial = agl_waiter_get_serial (waiter);
  Turn *turn = g_hash_table_lookup (self->turns, &serial);

  if (request->find_client == NULL)
    return TRUE;
  if (turn != NULL)
    return turn->is_there;

  turn = g_new0 (Turn, 1);
  turn->keeper = self;
  turn->serial = serial;
  g_hash_table_insert (self->turns, &turn->serial, turn);
  request->find_client (request->client, on_found, turn);
  return FALSE;
}
