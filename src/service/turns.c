/* SPDX-License-Identifier: MIT */
#include "service/turns.h"

#include "common/error.h"

/* Of each user in one turn of the loop. An ordinary call takes some 50 µs, one that looks through all
 * processes a millisecond or several. */
#define BUDGET_USEC 2000

struct _AglTurns
{
  GHashTable *users; /* uid → User; those who had a call in this turn or have one waiting */
  GSource *source;   /* the next turn; NULL when there is nobody to think of */
};

typedef struct
{
  GQueue waiting; /* Call */
  gint64 spent_usec;
} User;

typedef struct
{
  AglTurnFunc func;
  gpointer data;
} Call;

static void
user_free (gpointer data)
{
  User *user = data;

  g_queue_clear_full (&user->waiting, g_free);
  g_free (user);
}

static void
run (User *user, AglTurnFunc func, gpointer data)
{
  gint64 start = g_get_monotonic_time ();

  func (data);
  user->spent_usec += g_get_monotonic_time () - start;
}

static gboolean
begin_turn (gpointer key, gpointer value, gpointer user_data)
{
  User *user = value;

  user->spent_usec = 0;
  return user->waiting.length == 0;
}

/* Each user in order, one call at least and no more than the time allows. */
static gboolean
on_turn (gpointer user_data)
{
  AglTurns *self = user_data;
  g_autoptr (GList) uids = NULL;

  g_hash_table_foreach_remove (self->users, begin_turn, NULL);
  if (g_hash_table_size (self->users) == 0)
    {
      g_clear_pointer (&self->source, g_source_unref);
      return G_SOURCE_REMOVE;
    }
  uids = g_hash_table_get_keys (self->users);
  for (const GList *each = uids; each != NULL; each = each->next)
    {
      User *user = g_hash_table_lookup (self->users, each->data);

      do
        {
          g_autofree Call *call = g_queue_pop_head (&user->waiting);

          run (user, call->func, call->data);
        }
      while (user->waiting.length > 0 && user->spent_usec < BUDGET_USEC);
    }
  return G_SOURCE_CONTINUE;
}

static User *
ensure_user (AglTurns *self, uid_t uid)
{
  User *user = g_hash_table_lookup (self->users, GUINT_TO_POINTER (uid));

  if (user == NULL)
    {
      user = g_new0 (User, 1);
      g_queue_init (&user->waiting);
      g_hash_table_insert (self->users, GUINT_TO_POINTER (uid), user);
    }
  /* At the priority at which calls arrive: after those that have arrived by now, before those that come. */
  if (self->source == NULL)
    {
      self->source = g_idle_source_new ();
      g_source_set_priority (self->source, G_PRIORITY_DEFAULT);
      g_source_set_callback (self->source, on_turn, self, NULL);
      g_source_attach (self->source, g_main_context_get_thread_default ());
    }
  return user;
}

gboolean
agl_turns_take (AglTurns *self, uid_t uid, AglTurnFunc func, gpointer data, GError **error)
{
  User *user = ensure_user (self, uid);
  Call *call;

  if (user->waiting.length == 0 && user->spent_usec < BUDGET_USEC)
    {
      run (user, func, data);
      return TRUE;
    }
  if (user->waiting.length >= AGL_TURNS_MAX_WAITING)
    {
      g_set_error (error, AGL_ERROR, AGL_ERROR_LIMIT_EXCEEDED,
                   "%d calls of user %u wait for their turn already; wait for replies before you send more",
                   AGL_TURNS_MAX_WAITING, (guint)uid);
      return FALSE;
    }
  call = g_new (Call, 1);
  call->func = func;
  call->data = data;
  g_queue_push_tail (&user->waiting, call);
  return TRUE;
}

void
agl_turns_flush (AglTurns *self)
{
  g_autoptr (GList) users = g_hash_table_get_values (self->users);

  for (const GList *each = users; each != NULL; each = each->next)
    {
      User *user = each->data;
      Call *call;

      while ((call = g_queue_pop_head (&user->waiting)) != NULL)
        {
          run (user, call->func, call->data);
          g_free (call);
        }
    }
}

AglTurns *
agl_turns_new (void)
{
  AglTurns *self = g_new0 (AglTurns, 1);

  self->users = g_hash_table_new_full (NULL, NULL, NULL, user_free);
  return self;
}

void
agl_turns_free (AglTurns *self)
{
  if (self->source != NULL)
    {
      g_source_destroy (self->source);
      g_source_unref (self->source);
    }
  g_hash_table_unref (self->users);
  g_free (self);
}
