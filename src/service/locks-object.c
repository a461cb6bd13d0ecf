/* SPDX-License-Identifier: MIT */
#include "service/locks-object.h"

#include "config.h"
#include "service/broadcast.h"
#include "service/socket-door.h"

/* How long changes of the counts are collected before they are told: no eye sees it, and it saves a call a
 * third of its messages. Who asks is answered with the number of now. */
#define COUNTS_MSEC 50

/* How long ends are collected before a flush: GDBus flushes in a thread of its own, which costs two
 * hand-overs each time. Nothing waits for it: on disk they are forgotten as they are written (told.h). */
#define FLUSH_MSEC 100

/* The skeleton, with properties that are made up when they are asked for: keeping them current would cost
 * a variant on each call. */
#define AGL_TYPE_LOCKS_OBJECT (agl_locks_object_get_type ())
G_DECLARE_FINAL_TYPE (AglLocksObject, agl_locks_object, AGL, LOCKS_OBJECT, AglDBusLocksSkeleton)

struct _AglLocksObject
{
  AglDBusLocksSkeleton parent_instance;
  AglService *service;
  GArray *unannounced; /* ids (guint64) whose LockReleased is on its way out */
  gboolean flushing;
  guint flush_timer;
  guint counts_timer;
  guint n_locks, n_waiters; /* when the counts last changed */
  gboolean locks_news, waiters_news;
};

G_DEFINE_FINAL_TYPE (AglLocksObject, agl_locks_object, AGL_DBUS_TYPE_LOCKS_SKELETON)

enum
{
  PROP_COUNTERS = 1,
  PROP_HISTOGRAMS,
  PROP_LOCK_COUNT,
  PROP_WAITER_COUNT
};

static void
add_counter (GVariantBuilder *counters, const char *what, const char *detail, guint64 value)
{
  g_autofree char *name = g_strconcat (what, detail, NULL);

  g_variant_builder_add (counters, "{st}", name, value);
}

static void
add_histogram (GVariantBuilder *counters, const char *what, const AglHistogram *histogram)
{
  g_autofree char *bucket = g_strconcat (what, "-seconds-le-", NULL);

  for (gsize i = 0; i < AGL_HISTOGRAM_BOUNDS; i++)
    {
      g_autofree char *bound = g_strdup_printf ("%" G_GUINT64_FORMAT, agl_histogram_bounds_sec[i]);

      add_counter (counters, bucket, bound, histogram->at_most[i]);
    }
  add_counter (counters, what, "-count", histogram->count);
  add_counter (counters, what, "-usec-sum", histogram->sum_usec);
}

static GVariant *
make_counters (AglKeeper *keeper)
{
  static const char *const names[] = { "acquired", "refused", "waited", "restored" };
  GVariantBuilder counters;

  g_variant_builder_init (&counters, G_VARIANT_TYPE ("a{st}"));
  for (guint i = 0; i < AGL_COUNTER_FIRST_RELEASE; i++)
    g_variant_builder_add (&counters, "{st}", names[i], agl_keeper_get_counter (keeper, i));
  for (guint reason = 0; reason < AGL_N_RELEASE_REASONS; reason++)
    add_counter (&counters, "released-", agl_release_reason_to_string (reason),
                 agl_keeper_get_counter (keeper, AGL_COUNTER_FIRST_RELEASE + reason));
  return g_variant_builder_end (&counters);
}

static GVariant *
make_histograms (AglKeeper *keeper)
{
  GVariantBuilder counters;

  g_variant_builder_init (&counters, G_VARIANT_TYPE ("a{st}"));
  add_histogram (&counters, "hold", agl_keeper_get_histogram (keeper, AGL_TOOK_HOLD));
  add_histogram (&counters, "wait", agl_keeper_get_histogram (keeper, AGL_TOOK_WAIT));
  return g_variant_builder_end (&counters);
}

static void
get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  AglKeeper *keeper = AGL_LOCKS_OBJECT (object)->service->keeper;

  if (id == PROP_COUNTERS)
    g_value_take_variant (value, g_variant_ref_sink (make_counters (keeper)));
  else if (id == PROP_HISTOGRAMS)
    g_value_take_variant (value, g_variant_ref_sink (make_histograms (keeper)));
  else if (id == PROP_LOCK_COUNT)
    g_value_set_uint (value, agl_lock_table_count (agl_keeper_get_table (keeper)));
  else if (id == PROP_WAITER_COUNT)
    g_value_set_uint (value, agl_lock_table_count_waiters (agl_keeper_get_table (keeper)));
  else
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
}

/* The generated property can be written, by the service itself; this one is made up and cannot. */
static void
set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
}

static void
finalize (GObject *object)
{
  AglLocksObject *self = AGL_LOCKS_OBJECT (object);

  g_array_unref (self->unannounced);
  G_OBJECT_CLASS (agl_locks_object_parent_class)->finalize (object);
}

static void
agl_locks_object_class_init (AglLocksObjectClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->get_property = get_property;
  object_class->set_property = set_property;
  object_class->finalize = finalize;
  g_object_class_override_property (object_class, PROP_COUNTERS, "counters");
  g_object_class_override_property (object_class, PROP_HISTOGRAMS, "histograms");
  g_object_class_override_property (object_class, PROP_LOCK_COUNT, "lock-count");
  g_object_class_override_property (object_class, PROP_WAITER_COUNT, "waiter-count");
}

static void
agl_locks_object_init (AglLocksObject *self)
{
  self->unannounced = g_array_new (FALSE, FALSE, sizeof (guint64));
}

/* Methods. Each runs its body once the caller is known. */

static gboolean
on_acquire (AglDBusLocks *object,
            GDBusMethodInvocation *invocation,
            const char *directory,
            GVariant *options,
            AglService *service)
{
  agl_call_start (service, invocation, agl_acquire_method, 0, directory, options);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
on_release (AglDBusLocks *object,
            GDBusMethodInvocation *invocation,
            const char *directory,
            GVariant *options,
            AglService *service)
{
  agl_call_start (service, invocation, agl_release_method, 0, directory, options);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
on_list (AglDBusLocks *object, GDBusMethodInvocation *invocation, GVariant *filter, AglService *service)
{
  agl_call_start (service, invocation, agl_list_method, 0, NULL, filter);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
on_check (AglDBusLocks *object, GDBusMethodInvocation *invocation, const char *directory, AglService *service)
{
  agl_call_start (service, invocation, agl_check_method, 0, directory, NULL);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
on_occupants (AglDBusLocks *object,
              GDBusMethodInvocation *invocation,
              const char *directory,
              AglService *service)
{
  agl_call_start (service, invocation, agl_occupants_method, 0, directory, NULL);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
on_transfer (AglDBusLocks *object,
             GDBusMethodInvocation *invocation,
             guint64 id,
             GVariant *options,
             AglService *service)
{
  agl_call_start (service, invocation, agl_transfer_method, id, NULL, options);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
on_cancel (AglDBusLocks *object, GDBusMethodInvocation *invocation, const char *ticket, AglService *service)
{
  agl_call_start (service, invocation, agl_cancel_method, 0, ticket, NULL);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

/* Signals. */

static void
on_acquired (AglLock *lock, gpointer user_data)
{
  agl_broadcast_acquired (user_data, lock);
}

static void
on_changed (AglLock *lock, AglChange what, gpointer user_data)
{
  agl_broadcast_changed (user_data, lock, what);
}

static void flush_some (AglLocksObject *self);

typedef struct
{
  AglLocksObject *object;
  GArray *ids;
  guint n_left;
} Flush;

static void
flush_done_one (Flush *flush)
{
  AglLocksObject *self = flush->object;

  if (--flush->n_left > 0)
    return;
  for (guint i = 0; self->service != NULL && i < flush->ids->len; i++)
    agl_keeper_announced (self->service->keeper, g_array_index (flush->ids, guint64, i));
  self->flushing = FALSE;
  if (self->service != NULL)
    flush_some (self);
  g_array_unref (flush->ids);
  g_object_unref (self);
  g_free (flush);
}

static void
on_flushed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  /* A connection that failed has nobody at its other end whom it could still be told. */
  g_dbus_connection_flush_finish (G_DBUS_CONNECTION (source), result, NULL);
  flush_done_one (user_data);
}

/* What has been said is forgotten on disk once it has left this process: one flush for all that came
 * together. A direct peer that does not read must not keep anything. */
static gboolean
flush_now (gpointer user_data)
{
  AglLocksObject *self = user_data;
  GList *connections;
  Flush *flush;

  self->flush_timer = 0;
  /* Those are still to come whom it has to be told; agl_locks_object_announced() is called then. */
  if (self->service->missed != NULL && !agl_broadcast_has_bus (self->service))
    return G_SOURCE_REMOVE;
  connections = g_dbus_interface_skeleton_get_connections (G_DBUS_INTERFACE_SKELETON (self));
  flush = g_new0 (Flush, 1);
  flush->object = g_object_ref (self);
  flush->ids = g_steal_pointer (&self->unannounced);
  self->unannounced = g_array_new (FALSE, FALSE, sizeof (guint64));
  self->flushing = TRUE;
  flush->n_left = 1;
  for (GList *each = connections; each != NULL; each = each->next)
    {
      if (agl_socket_door_get_peer (each->data) != NULL)
        continue;
      flush->n_left++;
      g_dbus_connection_flush (each->data, NULL, on_flushed, flush);
    }
  g_list_free_full (connections, g_object_unref);
  flush_done_one (flush);
  return G_SOURCE_REMOVE;
}

static void
flush_some (AglLocksObject *self)
{
  if (!self->flushing && self->flush_timer == 0 && self->unannounced->len > 0
      && self->service->unheard == NULL)
    self->flush_timer = g_timeout_add (FLUSH_MSEC, flush_now, self);
}

static void
on_released (AglLock *lock, AglReleaseReason reason, gpointer user_data)
{
  AglService *service = user_data;
  AglLocksObject *self = AGL_LOCKS_OBJECT (service->object);

  agl_broadcast_released (service, lock, reason);
  g_array_append_val (self->unannounced, lock->id);
  flush_some (self);
}

/* Also where a number is back at what was told last: somebody may have asked in between. */
static gboolean
tell_counts (gpointer user_data)
{
  AglLocksObject *self = user_data;
  GVariantBuilder changed;

  self->counts_timer = 0;
  g_variant_builder_init (&changed, G_VARIANT_TYPE_VARDICT);
  if (self->locks_news)
    g_variant_builder_add (&changed, "{sv}", "LockCount", g_variant_new_uint32 (self->n_locks));
  if (self->waiters_news)
    g_variant_builder_add (&changed, "{sv}", "WaiterCount", g_variant_new_uint32 (self->n_waiters));
  self->locks_news = self->waiters_news = FALSE;
  agl_broadcast_properties (self->service, g_variant_builder_end (&changed));
  return G_SOURCE_REMOVE;
}

static void
on_counts (gpointer user_data)
{
  AglService *service = user_data;
  AglLocksObject *self = AGL_LOCKS_OBJECT (service->object);
  AglLockTable *table = agl_keeper_get_table (service->keeper);
  guint n_locks = agl_lock_table_count (table), n_waiters = agl_lock_table_count_waiters (table);

  self->locks_news |= n_locks != self->n_locks;
  self->waiters_news |= n_waiters != self->n_waiters;
  self->n_locks = n_locks;
  self->n_waiters = n_waiters;
  if ((self->locks_news || self->waiters_news) && self->counts_timer == 0)
    self->counts_timer = g_timeout_add (COUNTS_MSEC, tell_counts, self);
}

void
agl_locks_object_announced (AglService *service)
{
  flush_some (AGL_LOCKS_OBJECT (service->object));
}

const AglKeeperHooks agl_locks_object_hooks = {
  .acquired = on_acquired,
  .released = on_released,
  .changed = on_changed,
  .counts = on_counts,
};

GArray *
agl_locks_object_tell_rest (AglService *service)
{
  AglLocksObject *self = AGL_LOCKS_OBJECT (service->object);
  GArray *told = g_steal_pointer (&self->unannounced);

  self->unannounced = g_array_new (FALSE, FALSE, sizeof (guint64));
  g_clear_handle_id (&self->flush_timer, g_source_remove);
  /* What the bus was not told yet stays on disk for the next service to tell; and what clients of the direct
   * socket were not, where there is no bus. */
  if (service->unheard != NULL || !agl_broadcast_has_bus (service))
    g_array_set_size (told, 0);
  if (self->counts_timer != 0)
    {
      g_source_remove (self->counts_timer);
      tell_counts (self);
    }
  return told;
}

void
agl_locks_object_forget (AglService *service, const GArray *told)
{
  for (guint i = 0; i < told->len; i++)
    agl_keeper_announced (service->keeper, g_array_index (told, guint64, i));
}

void
agl_locks_object_new (AglService *service)
{
  AglLocksObject *self = g_object_new (AGL_TYPE_LOCKS_OBJECT, NULL);

  self->service = service;
  service->object = AGL_DBUS_LOCKS (self);
  agl_dbus_locks_set_version (service->object, AGL_VERSION);
  agl_dbus_locks_set_scope (service->object, agl_scope_to_string (service->scope));
  g_signal_connect (self, "handle-acquire", G_CALLBACK (on_acquire), service);
  g_signal_connect (self, "handle-release", G_CALLBACK (on_release), service);
  g_signal_connect (self, "handle-list", G_CALLBACK (on_list), service);
  g_signal_connect (self, "handle-check", G_CALLBACK (on_check), service);
  g_signal_connect (self, "handle-occupants", G_CALLBACK (on_occupants), service);
  g_signal_connect (self, "handle-transfer", G_CALLBACK (on_transfer), service);
  g_signal_connect (self, "handle-cancel", G_CALLBACK (on_cancel), service);
}

void
agl_locks_object_free (AglService *service)
{
  AglLocksObject *self = AGL_LOCKS_OBJECT (service->object);

  /* Each door has taken its connections back by now. */
  g_clear_handle_id (&self->counts_timer, g_source_remove);
  g_clear_handle_id (&self->flush_timer, g_source_remove);
  self->service = NULL;
  g_clear_object (&service->object);
}
