/* SPDX-License-Identifier: MIT */
#include "applet/lock-model.h"

/* Of this many ended locks it is remembered that they ended. Only what is late needs it: a lock that an
 * answer of List still has, or an end that a killed service tells twice. */
#define MAX_REMEMBERED 4096

typedef enum
{
  EVENT_ACQUIRED,
  EVENT_RELEASED,
  EVENT_CHANGED,
  EVENT_LIST
} EventType;

typedef struct
{
  EventType type;
  guint64 id;
  char *reason;
  GVariant *facts; /* a{sv}; of EVENT_LIST aa{sv} */
} Event;

/* What is told once the list is as it should be. */
typedef struct
{
  EventType type;
  AglLockEntry *entry;
  char *reason;
  AglLockChanges changes;
} Notice;

struct _AglLockModel
{
  GObject parent_instance;
  GPtrArray *rows;      /* AglLockEntry, by id */
  GHashTable *by_id;    /* guint64 in the entry → AglLockEntry, borrowed */
  GQueue events;        /* Event, what is gathered */
  gboolean list_is_due; /* the answer of List is still to come: nothing is applied before it */
  GHashTable *ended;    /* ids that were released */
  GQueue ended_order;   /* the same, the oldest first */
  guint batch_source;
  gint64 next_batch_usec; /* not before, monotonic */
  GPtrArray *notices;
  /* While a batch is applied: how many rows at the front and at the back nothing has touched. */
  guint front, back;
};

static void agl_lock_model_list_init (GListModelInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (AglLockModel,
                               agl_lock_model,
                               G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (G_TYPE_LIST_MODEL, agl_lock_model_list_init))

enum
{
  SIGNAL_ACQUIRED,
  SIGNAL_RELEASED,
  SIGNAL_CHANGED,
  N_SIGNALS
};
static guint signals[N_SIGNALS];

static void
event_free (gpointer data)
{
  Event *event = data;

  g_free (event->reason);
  g_clear_pointer (&event->facts, g_variant_unref);
  g_free (event);
}

static void
notice_free (gpointer data)
{
  Notice *notice = data;

  g_object_unref (notice->entry);
  g_free (notice->reason);
  g_free (notice);
}

static void
add_notice (
    AglLockModel *self, EventType type, AglLockEntry *entry, const char *reason, AglLockChanges changes)
{
  Notice *notice = g_new0 (Notice, 1);

  notice->type = type;
  notice->entry = g_object_ref (entry);
  notice->reason = g_strdup (reason);
  notice->changes = changes;
  g_ptr_array_add (self->notices, notice);
}

/* --- ids that ended --- */

static gboolean
has_ended (AglLockModel *self, guint64 id)
{
  return g_hash_table_contains (self->ended, &id);
}

static void
remember_end (AglLockModel *self, guint64 id)
{
  guint64 *copy = g_memdup2 (&id, sizeof id);

  g_hash_table_add (self->ended, copy);
  g_queue_push_tail (&self->ended_order, copy);
  while (self->ended_order.length > MAX_REMEMBERED)
    g_hash_table_remove (self->ended, g_queue_pop_head (&self->ended_order));
}

/* --- rows --- */

/* Where @id is, or would be. */
static guint
find_position (AglLockModel *self, guint64 id)
{
  guint low = 0, high = self->rows->len;

  /* Nearly always a new one, and ids grow. */
  if (high > 0 && agl_lock_entry_get_id (self->rows->pdata[high - 1]) < id)
    return high;
  while (low < high)
    {
      guint middle = low + (high - low) / 2;

      if (agl_lock_entry_get_id (self->rows->pdata[middle]) < id)
        low = middle + 1;
      else
        high = middle;
    }
  return low;
}

static AglLockEntry *
add_row (AglLockModel *self, guint64 id, GVariant *facts)
{
  AglLockEntry *entry = agl_lock_entry_new (id, facts);
  guint position = find_position (self, id);

  self->front = MIN (self->front, position);
  self->back = MIN (self->back, self->rows->len - position);
  g_ptr_array_insert (self->rows, (gint)position, entry);
  g_hash_table_insert (self->by_id, g_memdup2 (&id, sizeof id), entry);
  return entry;
}

static void
remove_row (AglLockModel *self, guint64 id)
{
  guint position = find_position (self, id);

  self->front = MIN (self->front, position);
  self->back = MIN (self->back, self->rows->len - position - 1);
  g_hash_table_remove (self->by_id, &id);
  g_ptr_array_remove_index (self->rows, position);
}

/* --- events --- */

static void
update_row (AglLockModel *self, AglLockEntry *entry, GVariant *facts)
{
  AglLockChanges changes = agl_lock_entry_update (entry, facts);

  if (changes != 0)
    add_notice (self, EVENT_CHANGED, entry, NULL, changes);
}

static void
apply_acquired (AglLockModel *self, const Event *event)
{
  AglLockEntry *entry = agl_lock_model_lookup (self, event->id);

  if (has_ended (self, event->id))
    return;
  if (entry != NULL) /* the answer of List had it already */
    update_row (self, entry, event->facts);
  else
    add_notice (self, EVENT_ACQUIRED, add_row (self, event->id, event->facts), NULL, 0);
}

static void
apply_released (AglLockModel *self, const Event *event)
{
  g_autoptr (AglLockEntry) entry = NULL;

  if (has_ended (self, event->id))
    return;
  remember_end (self, event->id);
  entry = agl_lock_model_lookup (self, event->id);
  if (entry != NULL)
    {
      g_object_ref (entry);
      agl_lock_entry_update (entry, event->facts);
      remove_row (self, event->id);
    }
  else
    entry = agl_lock_entry_new (event->id, event->facts);
  add_notice (self, EVENT_RELEASED, entry, event->reason, 0);
}

static void
apply_changed (AglLockModel *self, const Event *event)
{
  AglLockEntry *entry = agl_lock_model_lookup (self, event->id);

  if (entry != NULL)
    update_row (self, entry, event->facts);
}

static void
apply_list (AglLockModel *self, GVariant *locks)
{
  g_autoptr (GHashTable) listed = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
  GVariantIter iter;
  GVariant *lock;

  g_variant_iter_init (&iter, locks);
  while ((lock = g_variant_iter_next_value (&iter)) != NULL)
    {
      guint64 id = agl_lock_entry_id_of (lock);
      AglLockEntry *entry = agl_lock_model_lookup (self, id);

      if (id != 0 && !has_ended (self, id))
        {
          g_hash_table_add (listed, g_memdup2 (&id, sizeof id));
          if (entry == NULL)
            add_row (self, id, lock);
          else
            update_row (self, entry, lock);
        }
      g_variant_unref (lock);
    }
  /* From the end, so that what is still to be looked at stays where it is. */
  for (guint i = self->rows->len; i > 0; i--)
    {
      guint64 id = agl_lock_entry_get_id (self->rows->pdata[i - 1]);

      if (!g_hash_table_contains (listed, &id))
        remove_row (self, id);
    }
}

static void
apply (AglLockModel *self, const Event *event)
{
  switch (event->type)
    {
    case EVENT_ACQUIRED:
      apply_acquired (self, event);
      break;
    case EVENT_RELEASED:
      apply_released (self, event);
      break;
    case EVENT_CHANGED:
      apply_changed (self, event);
      break;
    case EVENT_LIST:
      apply_list (self, event->facts);
      break;
    }
}

/* --- batches --- */

static void
tell (AglLockModel *self, const Notice *notice)
{
  switch (notice->type)
    {
    case EVENT_ACQUIRED:
      g_signal_emit (self, signals[SIGNAL_ACQUIRED], 0, notice->entry);
      break;
    case EVENT_RELEASED:
      g_signal_emit (self, signals[SIGNAL_RELEASED], 0, notice->entry, notice->reason);
      break;
    case EVENT_CHANGED:
      /* Ended in the same batch: nobody can look at it any more. */
      if (agl_lock_model_lookup (self, agl_lock_entry_get_id (notice->entry)) != NULL)
        g_signal_emit (self, signals[SIGNAL_CHANGED], 0, notice->entry, (guint)notice->changes);
      break;
    case EVENT_LIST:
      break;
    }
}

/* One items-changed, from the first row that was touched to the last. */
static void
settle (AglLockModel *self, guint n_before)
{
  g_autoptr (GPtrArray) notices = g_steal_pointer (&self->notices);
  guint kept = self->front + self->back;

  self->notices = g_ptr_array_new_with_free_func (notice_free);
  if (self->front < G_MAXUINT && MAX (n_before, self->rows->len) > kept)
    g_list_model_items_changed (G_LIST_MODEL (self), self->front, n_before - kept, self->rows->len - kept);
  for (guint i = 0; i < notices->len; i++)
    tell (self, notices->pdata[i]);
}

void
agl_lock_model_flush (AglLockModel *self)
{
  gint64 begin, end;
  guint n_before;
  Event *event;

  g_return_if_fail (AGL_IS_LOCK_MODEL (self));

  g_clear_handle_id (&self->batch_source, g_source_remove);
  if (self->list_is_due || self->events.length == 0)
    return;
  g_object_ref (self);
  begin = g_get_monotonic_time ();
  self->front = G_MAXUINT;
  self->back = G_MAXUINT;
  n_before = self->rows->len;
  while ((event = g_queue_pop_head (&self->events)) != NULL)
    {
      apply (self, event);
      event_free (event);
    }
  settle (self, n_before);
  /* Whatever those who listen make of it, twice as long is theirs for other things. */
  end = g_get_monotonic_time ();
  self->next_batch_usec = end + MAX (AGL_LOCK_MODEL_BATCH_MSEC * G_TIME_SPAN_MILLISECOND, 2 * (end - begin));
  g_object_unref (self);
}

static gboolean
on_batch (gpointer user_data)
{
  AglLockModel *self = user_data;

  self->batch_source = 0;
  agl_lock_model_flush (self);
  return G_SOURCE_REMOVE;
}

/* At once when nothing was applied for a while, else when the batch's time is over; in any case after what is
 * to be drawn, which has a higher priority (GDK_PRIORITY_REDRAW). */
static void
schedule (AglLockModel *self)
{
  gint64 wait_msec = (self->next_batch_usec - g_get_monotonic_time ()) / G_TIME_SPAN_MILLISECOND;

  if (self->batch_source != 0 || self->list_is_due)
    return;
  self->batch_source =
      g_timeout_add_full (G_PRIORITY_DEFAULT_IDLE, (guint)MAX (wait_msec, 0), on_batch, self, NULL);
}

static Event *
event_new (EventType type, guint64 id, const char *reason, GVariant *facts)
{
  Event *event = g_new0 (Event, 1);

  event->type = type;
  event->id = id;
  event->reason = g_strdup (reason);
  event->facts = g_variant_ref_sink (facts);
  return event;
}

void
agl_lock_model_take_acquired (AglLockModel *self, guint64 id, GVariant *lock)
{
  g_return_if_fail (AGL_IS_LOCK_MODEL (self));

  g_queue_push_tail (&self->events, event_new (EVENT_ACQUIRED, id, NULL, lock));
  schedule (self);
}

void
agl_lock_model_take_released (AglLockModel *self, guint64 id, const char *reason, GVariant *lock)
{
  g_return_if_fail (AGL_IS_LOCK_MODEL (self));

  g_queue_push_tail (&self->events, event_new (EVENT_RELEASED, id, reason, lock));
  schedule (self);
}

void
agl_lock_model_take_changed (AglLockModel *self, guint64 id, GVariant *changed)
{
  g_return_if_fail (AGL_IS_LOCK_MODEL (self));

  g_queue_push_tail (&self->events, event_new (EVENT_CHANGED, id, NULL, changed));
  schedule (self);
}

/* What came before the answer is applied after it: either the answer knows of it already, and saying it again
 * changes nothing in the end, or it does not, and then it is news. */
void
agl_lock_model_take_list (AglLockModel *self, GVariant *locks)
{
  g_return_if_fail (AGL_IS_LOCK_MODEL (self));

  g_queue_push_head (&self->events, event_new (EVENT_LIST, 0, NULL, locks));
  self->list_is_due = FALSE;
  agl_lock_model_flush (self);
}

void
agl_lock_model_begin (AglLockModel *self)
{
  g_return_if_fail (AGL_IS_LOCK_MODEL (self));

  agl_lock_model_flush (self);
  g_queue_clear_full (&self->events, event_free);
  self->list_is_due = TRUE;
}

void
agl_lock_model_clear (AglLockModel *self)
{
  guint n;

  g_return_if_fail (AGL_IS_LOCK_MODEL (self));

  n = self->rows->len;
  g_queue_clear_full (&self->events, event_free);
  g_hash_table_remove_all (self->by_id);
  g_ptr_array_set_size (self->rows, 0);
  g_queue_clear (&self->ended_order);
  g_hash_table_remove_all (self->ended);
  if (n > 0)
    g_list_model_items_changed (G_LIST_MODEL (self), 0, n, 0);
}

AglLockModel *
agl_lock_model_new (void)
{
  return g_object_new (AGL_TYPE_LOCK_MODEL, NULL);
}

AglLockEntry *
agl_lock_model_lookup (AglLockModel *self, guint64 id)
{
  g_return_val_if_fail (AGL_IS_LOCK_MODEL (self), NULL);
  return g_hash_table_lookup (self->by_id, &id);
}

guint
agl_lock_model_count_directories (AglLockModel *self)
{
  g_autoptr (GHashTable) different = g_hash_table_new (g_str_hash, g_str_equal);

  g_return_val_if_fail (AGL_IS_LOCK_MODEL (self), 0);

  for (guint i = 0; i < self->rows->len; i++)
    g_hash_table_add (different, (gpointer)agl_lock_entry_get_directory (self->rows->pdata[i]));
  return g_hash_table_size (different);
}

/* --- GListModel and GObject --- */

static GType
agl_lock_model_get_item_type (GListModel *model)
{
  return AGL_TYPE_LOCK_ENTRY;
}

static guint
agl_lock_model_get_n_items (GListModel *model)
{
  return AGL_LOCK_MODEL (model)->rows->len;
}

static gpointer
agl_lock_model_get_item (GListModel *model, guint position)
{
  AglLockModel *self = AGL_LOCK_MODEL (model);

  return position < self->rows->len ? g_object_ref (self->rows->pdata[position]) : NULL;
}

static void
agl_lock_model_list_init (GListModelInterface *iface)
{
  iface->get_item_type = agl_lock_model_get_item_type;
  iface->get_n_items = agl_lock_model_get_n_items;
  iface->get_item = agl_lock_model_get_item;
}

static void
agl_lock_model_finalize (GObject *object)
{
  AglLockModel *self = AGL_LOCK_MODEL (object);

  g_clear_handle_id (&self->batch_source, g_source_remove);
  g_queue_clear_full (&self->events, event_free);
  g_queue_clear (&self->ended_order);
  g_hash_table_unref (self->ended);
  g_hash_table_unref (self->by_id);
  g_ptr_array_unref (self->rows);
  g_ptr_array_unref (self->notices);
  G_OBJECT_CLASS (agl_lock_model_parent_class)->finalize (object);
}

static void
agl_lock_model_class_init (AglLockModelClass *klass)
{
  GType type = G_TYPE_FROM_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = agl_lock_model_finalize;
  signals[SIGNAL_ACQUIRED] = g_signal_new ("lock-acquired", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                           G_TYPE_NONE, 1, AGL_TYPE_LOCK_ENTRY);
  signals[SIGNAL_RELEASED] = g_signal_new ("lock-released", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                           G_TYPE_NONE, 2, AGL_TYPE_LOCK_ENTRY, G_TYPE_STRING);
  signals[SIGNAL_CHANGED] = g_signal_new ("lock-changed", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                          G_TYPE_NONE, 2, AGL_TYPE_LOCK_ENTRY, G_TYPE_UINT);
}

static void
agl_lock_model_init (AglLockModel *self)
{
  self->rows = g_ptr_array_new_with_free_func (g_object_unref);
  self->by_id = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
  self->ended = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
  self->notices = g_ptr_array_new_with_free_func (notice_free);
  g_queue_init (&self->events);
  g_queue_init (&self->ended_order);
}
