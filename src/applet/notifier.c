/* SPDX-License-Identifier: MIT */
#include "applet/notifier.h"

/* What is moot at once (a lock that changes hands) is not said at all. */
#define PAUSE_MSEC 200

/* GNotification over org.freedesktop.Notifications forgets to withdraw what the desktop has not answered yet
 * (gfdonotificationbackend.c of GLib 2.74 knows a notification only from the answer on): what is withdrawn
 * soon is withdrawn again. A notification service that D-Bus starts for it needs a few seconds. */
#define ANSWER_MSEC 5000

typedef struct
{
  AglNotifier *notifier;
  char *id;
  GNotification *notification; /* NULL: it was sent */
  gboolean is_withdrawn;
  guint timer;
} Telling;

struct _AglNotifier
{
  GApplication *application;
  GHashTable *tellings; /* id → Telling: those that are to be sent, or were a moment ago */
};

static void
telling_free (gpointer data)
{
  Telling *telling = data;

  g_clear_handle_id (&telling->timer, g_source_remove);
  g_clear_object (&telling->notification);
  g_free (telling->id);
  g_free (telling);
}

/* The answer is there by now. */
static gboolean
on_answered (gpointer user_data)
{
  Telling *telling = user_data;
  AglNotifier *self = telling->notifier;

  telling->timer = 0;
  if (telling->is_withdrawn)
    g_application_withdraw_notification (self->application, telling->id);
  g_hash_table_remove (self->tellings, telling->id);
  return G_SOURCE_REMOVE;
}

static void
send (Telling *telling)
{
  g_application_send_notification (telling->notifier->application, telling->id, telling->notification);
  g_clear_object (&telling->notification);
}

static gboolean
on_pause_ends (gpointer user_data)
{
  Telling *telling = user_data;

  send (telling);
  telling->timer = g_timeout_add (ANSWER_MSEC, on_answered, telling);
  return G_SOURCE_REMOVE;
}

static void
notifier_show (const AglNotice *notice, gpointer user_data)
{
  AglNotifier *self = user_data;
  g_autoptr (GNotification) notification = g_notification_new (notice->title);
  Telling *telling;

  g_notification_set_body (notification, notice->body);
  if (notice->kind == AGL_NOTICE_TAKEN)
    g_notification_set_priority (notification, G_NOTIFICATION_PRIORITY_HIGH);
  g_notification_set_default_action_and_target (notification, "app.show-lock", "t", notice->lock);
  telling = g_new0 (Telling, 1);
  telling->notifier = self;
  telling->id = g_strdup (notice->id);
  telling->notification = g_steal_pointer (&notification);
  telling->timer = g_timeout_add (PAUSE_MSEC, on_pause_ends, telling);
  g_hash_table_replace (self->tellings, telling->id, telling);
}

static void
notifier_withdraw (const char *id, gpointer user_data)
{
  AglNotifier *self = user_data;
  Telling *telling = g_hash_table_lookup (self->tellings, id);

  if (telling != NULL && telling->notification != NULL)
    {
      g_hash_table_remove (self->tellings, id);
      return;
    }
  if (telling != NULL)
    telling->is_withdrawn = TRUE;
  g_application_withdraw_notification (self->application, id);
}

static gint64
notifier_now (gpointer user_data)
{
  return g_get_monotonic_time ();
}

const AglNoticesOutlet agl_notifier_outlet = { notifier_show, notifier_withdraw, notifier_now };

AglNotifier *
agl_notifier_new (GApplication *application)
{
  AglNotifier *self = g_new0 (AglNotifier, 1);

  self->application = application;
  self->tellings = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, telling_free);
  return self;
}

void
agl_notifier_free (AglNotifier *self)
{
  if (self == NULL)
    return;
  g_hash_table_unref (self->tellings);
  g_free (self);
}
