/* SPDX-License-Identifier: MIT */
#include "applet/notices.h"

#include <glib/gi18n.h>
#include <string.h>

#include "applet/lock-words.h"

/* One that people see. */
typedef struct
{
  char *id;
  AglNoticeKind kind;
  guint64 lock;
  char *directory;
  gboolean awaits_thief; /* the lock that it was stolen for is still to come: no news */
} Standing;

/* Somebody waited for this directory, and its lock has ended. */
typedef struct
{
  char *directory;
  gboolean subtree;
  guint n_waiters;
  gint64 until_usec;
} Way;

struct _AglNotices
{
  GObject parent_instance;
  AglLockModel *model;
  AglChoices *choices;
  const AglNoticesOutlet *outlet;
  gpointer user_data;
  GQueue standing;     /* Standing, the oldest first */
  GQueue ways;         /* Way */
  GHashTable *waiters; /* guint64 → how many, of locks that somebody waits for */
};

G_DEFINE_FINAL_TYPE (AglNotices, agl_notices, G_TYPE_OBJECT)

static const char *const choice_of[] = {
  [AGL_NOTICE_RELEASED] = "notify-released",
  [AGL_NOTICE_TAKEN] = "notify-taken",
  [AGL_NOTICE_LEFT] = "notify-left",
  [AGL_NOTICE_GRANTED] = "notify-granted",
};

static void
standing_free (gpointer data)
{
  Standing *standing = data;

  g_free (standing->id);
  g_free (standing->directory);
  g_free (standing);
}

static void
way_free (gpointer data)
{
  Way *way = data;

  g_free (way->directory);
  g_free (way);
}

/* --- in words --- */

static char *
make_title (AglNoticeKind kind, AglLockEntry *lock, const char *reason)
{
  g_autofree char *name = agl_words_directory_name (lock);
  g_autofree char *who = agl_words_who (lock);

  switch (kind)
    {
    case AGL_NOTICE_RELEASED:
      /* Translators: %s is the name of a directory */
      return g_strdup_printf (_ ("The lock of “%s” has ended"), name);
    case AGL_NOTICE_TAKEN:
      if (g_strcmp0 (reason, "stolen") == 0)
        /* Translators: %s is the name of a directory */
        return g_strdup_printf (_ ("“%s” was taken over"), name);
      /* Translators: %s is the name of a directory */
      return g_strdup_printf (_ ("“%s” was released by force"), name);
    case AGL_NOTICE_LEFT:
      /* Translators: an agent, and the name of the directory that it worked in */
      return g_strdup_printf (_ ("%s has left “%s”"), who, name);
    case AGL_NOTICE_GRANTED:
      /* Translators: an agent that has waited for a directory, and the directory's name */
      return g_strdup_printf (_ ("%s has “%s” now"), who, name);
    }
  g_return_val_if_reached (NULL);
}

static char *
make_body (AglNoticeKind kind, AglLockEntry *lock, const char *reason)
{
  g_autofree char *directory = agl_words_directory (lock);
  g_autofree char *who = agl_words_who (lock);

  switch (kind)
    {
    case AGL_NOTICE_RELEASED:
      /* Translators: who held a lock, why it ended ("its process has ended"), and its directory */
      return g_strdup_printf (_ ("%s: %s.\n%s"), who, agl_words_release_reason (reason), directory);
    case AGL_NOTICE_TAKEN:
      /* Translators: an agent, and its directory */
      return g_strdup_printf (_ ("%s has lost its lock and may still be at work there.\n%s"), who, directory);
    case AGL_NOTICE_LEFT:
      /* Translators: %s is a directory */
      return g_strdup_printf (_ ("If it stays away, its lock ends.\n%s"), directory);
    case AGL_NOTICE_GRANTED:
      /* Translators: %s is a directory */
      return g_strdup_printf (_ ("Its wait is over.\n%s"), directory);
    }
  g_return_val_if_reached (NULL);
}

/* --- what stands --- */

static void
withdraw_link (AglNotices *self, GList *link)
{
  Standing *standing = link->data;

  g_queue_delete_link (&self->standing, link);
  self->outlet->withdraw (standing->id, self->user_data);
  standing_free (standing);
}

static void
show (AglNotices *self, AglNoticeKind kind, AglLockEntry *lock, const char *reason)
{
  static const char *const names[] = {
    [AGL_NOTICE_RELEASED] = "released",
    [AGL_NOTICE_TAKEN] = "taken",
    [AGL_NOTICE_LEFT] = "left",
    [AGL_NOTICE_GRANTED] = "granted",
  };
  g_autofree char *title = NULL;
  g_autofree char *body = NULL;
  Standing *standing;

  if (!agl_choices_get (self->choices, choice_of[kind])
      || !agl_choices_watches (self->choices, agl_lock_entry_get_directory (lock)))
    return;
  title = make_title (kind, lock, reason);
  body = make_body (kind, lock, reason);
  standing = g_new0 (Standing, 1);
  standing->kind = kind;
  standing->lock = agl_lock_entry_get_id (lock);
  standing->id = g_strdup_printf ("%s-%" G_GUINT64_FORMAT, names[kind], standing->lock);
  standing->directory = g_strdup (agl_lock_entry_get_directory (lock));
  standing->awaits_thief = kind == AGL_NOTICE_TAKEN && g_strcmp0 (reason, "stolen") == 0;
  g_queue_push_tail (&self->standing, standing);
  if (self->standing.length > AGL_NOTICES_MAX)
    withdraw_link (self, self->standing.head);
  self->outlet->show (&(AglNotice){ standing->id, kind, standing->lock, title, body }, self->user_data);
}

/* Left and granted are about a lock that is there. */
static gboolean
is_about_the_living (const Standing *standing)
{
  return standing->kind == AGL_NOTICE_LEFT || standing->kind == AGL_NOTICE_GRANTED;
}

static void
withdraw_of_lock (AglNotices *self, guint64 lock, AglNoticeKind kind)
{
  for (GList *link = self->standing.head, *next; link != NULL; link = next)
    {
      Standing *standing = link->data;

      next = link->next;
      if (standing->lock == lock && standing->kind == kind)
        withdraw_link (self, link);
    }
}

/* A new lock is there: what was said about the end of an earlier one is history. */
static void
withdraw_ends (AglNotices *self, const char *directory)
{
  for (GList *link = self->standing.head, *next; link != NULL; link = next)
    {
      Standing *standing = link->data;

      next = link->next;
      if (is_about_the_living (standing) || !g_str_equal (standing->directory, directory))
        continue;
      if (standing->awaits_thief)
        standing->awaits_thief = FALSE;
      else
        withdraw_link (self, link);
    }
}

/* --- who waited --- */

static void
note_waiters (AglNotices *self, AglLockEntry *lock)
{
  guint64 id = agl_lock_entry_get_id (lock);
  guint n = agl_lock_entry_get_waiters (lock);

  if (n == 0)
    g_hash_table_remove (self->waiters, &id);
  else
    g_hash_table_replace (self->waiters, g_memdup2 (&id, sizeof id), GUINT_TO_POINTER (n));
}

static gboolean
is_below (const char *directory, const char *ancestor)
{
  gsize length = strlen (ancestor);

  return g_str_has_prefix (directory, ancestor)
         && (directory[length] == '\0' || directory[length] == '/' || g_str_equal (ancestor, "/"));
}

static gboolean
concern_each_other (const Way *way, AglLockEntry *lock)
{
  const char *directory = agl_lock_entry_get_directory (lock);

  return g_str_equal (way->directory, directory) || (way->subtree && is_below (directory, way->directory))
         || (agl_lock_entry_get_subtree (lock) && is_below (way->directory, directory));
}

/* Who waits for several locks waits on while one of them is there. */
static gboolean
somebody_still_waits (AglNotices *self, const char *directory)
{
  GHashTableIter iter;
  gpointer id;

  g_hash_table_iter_init (&iter, self->waiters);
  while (g_hash_table_iter_next (&iter, &id, NULL))
    {
      AglLockEntry *lock = agl_lock_model_lookup (self->model, *(guint64 *)id);

      if (lock != NULL && g_str_equal (agl_lock_entry_get_directory (lock), directory))
        return TRUE;
    }
  return FALSE;
}

static Way *
find_way (AglNotices *self, const char *directory)
{
  Way *way;

  for (GList *link = self->ways.head; link != NULL; link = link->next)
    if (g_str_equal (((Way *)link->data)->directory, directory))
      return link->data;
  way = g_new0 (Way, 1);
  way->directory = g_strdup (directory);
  g_queue_push_tail (&self->ways, way);
  return way;
}

/* What counts is what was last known: an end that is told after a restart says that nobody waits for it. */
static void
make_way (AglNotices *self, AglLockEntry *lock)
{
  guint64 id = agl_lock_entry_get_id (lock);
  guint n = GPOINTER_TO_UINT (g_hash_table_lookup (self->waiters, &id));
  Way *way;

  g_hash_table_remove (self->waiters, &id);
  if (n == 0 || somebody_still_waits (self, agl_lock_entry_get_directory (lock)))
    return;
  way = find_way (self, agl_lock_entry_get_directory (lock));
  way->subtree |= agl_lock_entry_get_subtree (lock);
  way->n_waiters = MAX (way->n_waiters, n); /* they wait for each lock there, and are counted at each */
  way->until_usec = self->outlet->now_usec (self->user_data) + AGL_NOTICES_GRANT_USEC;
}

/* The interface does not say that a lock was waited for. It says how many waited, and that a lock which they
 * waited for is gone; nobody overtakes them, so who comes next is one of them. */
static gboolean
has_waited (AglNotices *self, AglLockEntry *lock)
{
  gint64 now = self->outlet->now_usec (self->user_data);

  for (GList *link = self->ways.head, *next; link != NULL; link = next)
    {
      Way *way = link->data;
      gboolean is_it = now <= way->until_usec && concern_each_other (way, lock);

      next = link->next;
      if (is_it)
        way->n_waiters--;
      if (now > way->until_usec || way->n_waiters == 0)
        {
          g_queue_delete_link (&self->ways, link);
          way_free (way);
        }
      if (is_it)
        return TRUE;
    }
  return FALSE;
}

/* --- events --- */

static void
on_acquired (AglLockModel *model, AglLockEntry *lock, AglNotices *self)
{
  withdraw_ends (self, agl_lock_entry_get_directory (lock));
  note_waiters (self, lock);
  if (has_waited (self, lock))
    show (self, AGL_NOTICE_GRANTED, lock, NULL);
}

static void
on_released (AglLockModel *model, AglLockEntry *lock, const char *reason, AglNotices *self)
{
  gboolean is_stolen = g_strcmp0 (reason, "stolen") == 0;
  guint64 id = agl_lock_entry_get_id (lock);

  withdraw_of_lock (self, id, AGL_NOTICE_LEFT);
  withdraw_of_lock (self, id, AGL_NOTICE_GRANTED);
  if (is_stolen) /* who stole did not wait */
    g_hash_table_remove (self->waiters, &id);
  else
    make_way (self, lock);
  show (self, is_stolen || g_strcmp0 (reason, "forced") == 0 ? AGL_NOTICE_TAKEN : AGL_NOTICE_RELEASED, lock,
        reason);
}

static void
on_changed (AglLockModel *model, AglLockEntry *lock, guint changes, AglNotices *self)
{
  if ((changes & AGL_LOCK_CHANGED_WAITERS) != 0)
    note_waiters (self, lock);
  if ((changes & AGL_LOCK_CHANGED_CWD) == 0)
    return;
  withdraw_of_lock (self, agl_lock_entry_get_id (lock), AGL_NOTICE_LEFT);
  if (agl_lock_entry_is_outside (lock))
    show (self, AGL_NOTICE_LEFT, lock, NULL);
}

/* Locks can also be gone without a word: another service is followed now, or this one was killed. */
static void
on_items_changed (AglLockModel *model, guint position, guint removed, guint added, AglNotices *self)
{
  for (guint i = position; i < position + added; i++)
    {
      g_autoptr (AglLockEntry) lock = g_list_model_get_item (G_LIST_MODEL (model), i);

      note_waiters (self, lock);
    }
  for (GList *link = self->standing.head, *next; link != NULL; link = next)
    {
      Standing *standing = link->data;

      next = link->next;
      if (is_about_the_living (standing) && agl_lock_model_lookup (model, standing->lock) == NULL)
        withdraw_link (self, link);
    }
}

/* Who wants to hear of something no more does not want to see it either. */
static void
on_choice (AglChoices *choices, GParamSpec *pspec, AglNotices *self)
{
  for (GList *link = self->standing.head, *next; link != NULL; link = next)
    {
      Standing *standing = link->data;

      next = link->next;
      if (!agl_choices_get (choices, choice_of[standing->kind]))
        withdraw_link (self, link);
    }
}

/* --- for others --- */

void
agl_notices_withdraw_all (AglNotices *self)
{
  g_return_if_fail (AGL_IS_NOTICES (self));

  while (self->standing.head != NULL)
    withdraw_link (self, self->standing.head);
}

AglNotices *
agl_notices_new (AglLockModel *model, AglChoices *choices, const AglNoticesOutlet *outlet, gpointer user_data)
{
  AglNotices *self = g_object_new (AGL_TYPE_NOTICES, NULL);

  self->model = g_object_ref (model);
  self->choices = g_object_ref (choices);
  self->outlet = outlet;
  self->user_data = user_data;
  on_items_changed (model, 0, 0, g_list_model_get_n_items (G_LIST_MODEL (model)), self);
  g_signal_connect_object (model, "lock-acquired", G_CALLBACK (on_acquired), self, 0);
  g_signal_connect_object (model, "lock-released", G_CALLBACK (on_released), self, 0);
  g_signal_connect_object (model, "lock-changed", G_CALLBACK (on_changed), self, 0);
  g_signal_connect_object (model, "items-changed", G_CALLBACK (on_items_changed), self, 0);
  g_signal_connect_object (choices, "notify", G_CALLBACK (on_choice), self, 0);
  return self;
}

static void
agl_notices_finalize (GObject *object)
{
  AglNotices *self = AGL_NOTICES (object);

  g_queue_clear_full (&self->standing, standing_free);
  g_queue_clear_full (&self->ways, way_free);
  g_hash_table_unref (self->waiters);
  g_object_unref (self->model);
  g_object_unref (self->choices);
  G_OBJECT_CLASS (agl_notices_parent_class)->finalize (object);
}

static void
agl_notices_class_init (AglNoticesClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = agl_notices_finalize;
}

static void
agl_notices_init (AglNotices *self)
{
  g_queue_init (&self->standing);
  g_queue_init (&self->ways);
  self->waiters = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
}
