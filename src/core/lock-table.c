/* SPDX-License-Identifier: MIT */
#include "core/lock-table.h"

#include "common/error.h"
#include "core/announcements.h"
#include "core/held.h"
#include "core/ledger.h"
#include "core/rules.h"
#include "core/wait-graph.h"

/* The rules decide (rules.h, wait-graph.h), the ledger remembers, the announcements wait to be told; this
 * file does what was decided, all of it or nothing. */
struct _AglLockTable
{
  AglLedger ledger;
  AglAnnouncements announcements;
  AglLockTableHooks hooks;
  gpointer user_data;
  guint max_locks_per_user;
  guint max_waiters_per_user;
  guint n_waiters_told;
  gboolean settling;
  gboolean look_again;
};

AglLockTable *
agl_lock_table_new (const AglLockTableHooks *hooks, gpointer user_data)
{
  AglLockTable *self = g_new0 (AglLockTable, 1);

  agl_ledger_init (&self->ledger);
  agl_announcements_init (&self->announcements);
  self->hooks = *hooks;
  self->user_data = user_data;
  self->max_locks_per_user = G_MAXUINT;
  self->max_waiters_per_user = G_MAXUINT;
  return self;
}

void
agl_lock_table_free (AglLockTable *self)
{
  g_return_if_fail (!self->settling);

  agl_announcements_clear (&self->announcements);
  agl_ledger_clear (&self->ledger);
  g_free (self);
}

void
agl_lock_table_set_limits (AglLockTable *self, guint max_locks_per_user, guint max_waiters_per_user)
{
  self->max_locks_per_user = max_locks_per_user;
  self->max_waiters_per_user = max_waiters_per_user;
}

/* --- from a decision to a fact --- */

static void
remove_locks (AglLockTable *self, GPtrArray *locks)
{
  for (guint i = 0; locks != NULL && i < locks->len; i++)
    agl_ledger_remove_lock (&self->ledger, g_ptr_array_index (locks, i));
}

static void
add_locks (AglLockTable *self, GPtrArray *locks)
{
  for (guint i = 0; locks != NULL && i < locks->len; i++)
    agl_ledger_add_lock (&self->ledger, g_ptr_array_index (locks, i));
}

/* A holder who is let past others may make them wait for somebody who waits for them. Who merely takes what
 * is free makes nobody wait who did not wait for him before. */
static gboolean
closes_no_circle (AglLockTable *self, const AglProcess *holder, GError **error)
{
  agl_ledger_refresh (&self->ledger);
  return agl_wait_graph_check_holder (&self->ledger, holder, error);
}

static gboolean
commit (AglLockTable *self, AglLock *lock, GPtrArray *superseded, GError **error)
{
  g_autoptr (GError) why = NULL;

  if (self->hooks.commit (lock, superseded, self->user_data, &why))
    return TRUE;
  if (why == NULL)
    g_set_error (&why, AGL_ERROR, AGL_ERROR_UNAVAILABLE, "The lock could not be saved");
  g_propagate_error (error, g_steal_pointer (&why));
  return FALSE;
}

static gboolean
stamp (AglLockTable *self, AglLock *lock, const AglRequest *request, GError **error)
{
  lock->id = self->hooks.next_id (self->user_data);
  if (lock->id == 0)
    {
      g_set_error (error, AGL_ERROR, AGL_ERROR_UNAVAILABLE,
                   "No id could be reserved for a new lock: the state folder cannot be written");
      return FALSE;
    }
  lock->acquired_at_usec = g_get_real_time ();
  if (request->ttl_sec > 0)
    lock->expires_at_usec = lock->acquired_at_usec + request->ttl_sec * G_USEC_PER_SEC;
  g_free (lock->command);
  lock->command = lock->holder == NULL ? g_strdup ("") : agl_process_dup_command (lock->holder);
  return TRUE;
}

/* How a request is met: which lock it is, and what is to be told of it. */
typedef struct
{
  AglLock *lock;
  gboolean created;
  AglChange what; /* unless created; 0: nothing */
} Grant;

static gboolean
grant_new (AglLockTable *self,
           const AglRequest *request,
           AglLock *draft,
           GPtrArray *superseded,
           Grant *grant,
           GError **error)
{
  guint n_locks = agl_ledger_count_locks_of (&self->ledger, draft->uid);
  gboolean overrides = request->conflict == AGL_CONFLICT_JOIN || request->conflict == AGL_CONFLICT_STEAL;

  if (!agl_rules_allow_lock (draft->uid, n_locks, self->max_locks_per_user, error)
      || !stamp (self, draft, request, error))
    return FALSE;

  agl_ledger_add_lock (&self->ledger, draft);
  if ((overrides && !closes_no_circle (self, draft->holder, error))
      || !commit (self, draft, superseded, error))
    {
      agl_ledger_remove_lock (&self->ledger, draft);
      return FALSE;
    }
  *grant = (Grant){ draft, TRUE, 0 };
  return TRUE;
}

static AglChange
refresh_facts (AglLock *own, const AglLock *draft)
{
  AglChange what = 0;

  if (own->mode != draft->mode)
    what |= AGL_CHANGED_MODE;
  if (own->follow_cwd != draft->follow_cwd)
    what |= AGL_CHANGED_FOLLOW;
  if (own->cwd != draft->cwd)
    what |= AGL_CHANGED_CWD;
  own->mode = draft->mode;
  own->follow_cwd = draft->follow_cwd;
  own->cwd = draft->cwd;
  own->outside_since_usec = 0; /* it was sighted for this request */
  if (agl_texts_update (&own->texts, &draft->texts))
    what |= AGL_CHANGED_TEXTS;
  return what;
}

static gboolean
grant_own (AglLockTable *self,
           const AglRequest *request,
           AglLock *own,
           const AglLock *draft,
           GPtrArray *superseded,
           Grant *grant,
           GError **error)
{
  g_autoptr (AglLock) keep = agl_lock_ref (own);
  g_autoptr (AglLock) before = agl_lock_dup (own);
  gboolean overrides = request->conflict == AGL_CONFLICT_JOIN || request->conflict == AGL_CONFLICT_STEAL;
  AglChange what;

  agl_ledger_remove_lock (&self->ledger, own);
  what = refresh_facts (own, draft);
  agl_ledger_add_lock (&self->ledger, own);
  if (what == 0)
    {
      *grant = (Grant){ own, FALSE, 0 };
      return TRUE;
    }
  if ((overrides && !closes_no_circle (self, own->holder, error)) || !commit (self, own, superseded, error))
    {
      agl_ledger_remove_lock (&self->ledger, own);
      agl_lock_assign (own, before);
      agl_ledger_add_lock (&self->ledger, own);
      return FALSE;
    }
  *grant = (Grant){ own, FALSE, what };
  return TRUE;
}

/* All of it or nothing: on failure the ledger is as it was. @superseded: NULL, or who loses a lock by it. */
static gboolean
grant_request (AglLockTable *self,
               const AglRequest *request,
               AglLock *draft,
               GPtrArray *superseded,
               Grant *grant,
               GError **error)
{
  AglLock *own = agl_lock_index_find_own (self->ledger.held, draft->holder, draft->directory);
  gboolean granted;

  remove_locks (self, superseded);
  if (own == NULL)
    granted = grant_new (self, request, draft, superseded, grant, error);
  else
    granted = grant_own (self, request, own, draft, superseded, grant, error);
  if (!granted)
    add_locks (self, superseded);
  return granted;
}

static void
announce_grant (AglLockTable *self, const Grant *grant)
{
  if (grant->created)
    agl_announce_acquired (&self->announcements, grant->lock);
  else if (grant->what != 0)
    agl_announce_changed (&self->announcements, grant->lock, grant->what);
}

/* Out of the queue, for good: exactly one of @grant and @error. */
static void
end_wait (AglLockTable *self, AglWaiter *waiter, const Grant *grant, const GError *error)
{
  agl_announce_ended (&self->announcements, waiter, grant == NULL ? NULL : grant->lock, error);
  if (grant != NULL)
    announce_grant (self, grant);
}

static GPtrArray *
look (AglLockTable *self, const AglRequest *request)
{
  if (!agl_rules_minds_outsiders (&self->ledger, request))
    return NULL;
  return self->hooks.look (request, self->user_data);
}

/* --- a request --- */

static AglOutcome
enqueue (AglLockTable *self,
         AglRequest *request,
         AglLock *draft,
         AglBlockers *blockers,
         AglWaiter **waiter,
         GError **error)
{
  guint n_waiters = agl_ledger_count_waiters_of (&self->ledger, request->uid);

  if (!agl_rules_allow_waiter (request->uid, n_waiters, self->max_waiters_per_user, error)
      || !agl_wait_graph_allow_wait (&self->ledger, request->holder, request->directory, blockers, error))
    return AGL_OUTCOME_REFUSED;

  *waiter = agl_ledger_enqueue (&self->ledger, request, agl_lock_ref (draft));
  agl_ledger_refresh (&self->ledger);
  if (blockers->outsiders->len > 0)
    agl_ledger_set_outsiders (&self->ledger, *waiter, g_ptr_array_ref (blockers->outsiders));
  return AGL_OUTCOME_WAITING;
}

static AglOutcome
take (AglLockTable *self,
      AglRequest *request,
      AglLock *draft,
      AglBlockers *blockers,
      AglLock **lock,
      gboolean *created,
      GError **error)
{
  gboolean steals = request->conflict == AGL_CONFLICT_STEAL && blockers->locks->len > 0;
  Grant grant;

  if (!grant_request (self, request, draft, steals ? blockers->locks : NULL, &grant, error))
    return AGL_OUTCOME_REFUSED;

  for (guint i = 0; steals && i < blockers->locks->len; i++)
    agl_announce_released (&self->announcements, g_ptr_array_index (blockers->locks, i), AGL_RELEASE_STOLEN);
  announce_grant (self, &grant);
  *lock = grant.lock;
  if (created != NULL)
    *created = grant.created;
  return AGL_OUTCOME_GRANTED;
}

static void
take_outsiders (AglBlockers *blockers, GPtrArray *outsiders)
{
  if (outsiders == NULL)
    return;
  g_ptr_array_unref (blockers->outsiders);
  blockers->outsiders = outsiders;
}

AglOutcome
agl_lock_table_acquire (AglLockTable *self,
                        AglRequest *request,
                        AglLock **lock,
                        AglWaiter **waiter,
                        gboolean *created,
                        GError **error)
{
  g_autoptr (AglLock) draft = agl_request_draft (request);
  g_auto (AglBlockers) blockers = { 0 };

  *lock = NULL;
  *waiter = NULL;
  agl_blockers_init (&blockers);
  agl_ledger_refresh (&self->ledger);
  agl_rules_find_in_the_way (&self->ledger, draft, G_MAXUINT64, &blockers);
  if (agl_blockers_way_is_free (&blockers))
    take_outsiders (&blockers, look (self, request));

  switch (agl_rules_judge (request, &blockers, error))
    {
    case AGL_VERDICT_GRANT:
      return take (self, request, draft, &blockers, lock, created, error);
    case AGL_VERDICT_WAIT:
      return enqueue (self, request, draft, &blockers, waiter, error);
    case AGL_VERDICT_REFUSE:
      return AGL_OUTCOME_REFUSED;
    }
  g_return_val_if_reached (AGL_OUTCOME_REFUSED);
}

gboolean
agl_lock_table_find_blockers (AglLockTable *self, const AglRequest *request, AglBlockers *blockers)
{
  g_autoptr (AglLock) draft = agl_request_draft (request);

  agl_blockers_init (blockers);
  agl_ledger_refresh (&self->ledger);
  agl_rules_find_in_the_way (&self->ledger, draft, G_MAXUINT64, blockers);
  take_outsiders (blockers, look (self, request));
  return agl_blockers_way_is_free (blockers) && blockers->outsiders->len == 0;
}

/* --- what happens to a lock or a waiter --- */

void
agl_lock_table_release (AglLockTable *self, AglLock *lock, AglReleaseReason reason)
{
  if (!agl_ledger_has_lock (&self->ledger, lock))
    return;

  agl_announce_released (&self->announcements, lock, reason);
  agl_ledger_remove_lock (&self->ledger, lock);
}

void
agl_lock_table_drop (AglLockTable *self, AglWaiter *waiter, const GError *why)
{
  if (waiter->over)
    return;

  agl_ledger_dequeue (&self->ledger, waiter);
  end_wait (self, waiter, NULL, why);
}

static void
hand_over (AglLock *lock, AglProcess *holder, uid_t uid, gboolean follow_cwd, AglCwd cwd)
{
  agl_process_ref (holder);
  g_clear_pointer (&lock->holder, agl_process_unref);
  lock->holder = holder;
  lock->token = *agl_process_get_token (holder);
  lock->uid = uid;
  lock->manual = FALSE;
  lock->expires_at_usec = 0;
  lock->follow_cwd = follow_cwd;
  lock->cwd = follow_cwd ? cwd : AGL_CWD_IGNORED;
  lock->outside_since_usec = 0;
  agl_sighting_clear (&lock->sighting);
  lock->sighting = (AglSighting){ 0 };
  g_free (lock->command);
  lock->command = agl_process_dup_command (holder);
}

/* @lock is out of the ledger, and the new holder's; may it come back like that? */
static gboolean
may_hand_over (AglLockTable *self, const AglLock *before, const AglLock *lock, GError **error)
{
  const AglLock *own = agl_lock_index_find_own (self->ledger.held, lock->holder, lock->directory);
  g_autoptr (GPtrArray) in_the_way = agl_rules_find_newly_in_the_way (&self->ledger, before, lock);

  if (own != NULL || in_the_way->len > 0)
    {
      agl_set_transfer_held_error (error, lock, own != NULL ? own : g_ptr_array_index (in_the_way, 0));
      return FALSE;
    }
  return agl_rules_allow_lock (lock->uid, agl_ledger_count_locks_of (&self->ledger, lock->uid),
                               self->max_locks_per_user, error);
}

gboolean
agl_lock_table_transfer (AglLockTable *self,
                         AglLock *lock,
                         AglProcess *holder,
                         uid_t uid,
                         gboolean follow_cwd,
                         AglCwd cwd,
                         GError **error)
{
  g_autoptr (AglLock) keep = agl_lock_ref (lock);
  g_autoptr (AglLock) before = agl_lock_dup (lock);
  gboolean moves = !agl_lock_is_held_by (lock, holder);
  AglChange what = 0;
  gboolean done;

  g_return_val_if_fail (agl_ledger_has_lock (&self->ledger, lock), FALSE);

  agl_ledger_remove_lock (&self->ledger, lock);
  hand_over (lock, holder, uid, follow_cwd, cwd);
  done = may_hand_over (self, before, lock, error);
  if (!done)
    agl_lock_assign (lock, before);
  agl_ledger_add_lock (&self->ledger, lock);
  if (!done)
    return FALSE;

  if (!closes_no_circle (self, holder, error) || !commit (self, lock, NULL, error))
    {
      agl_ledger_remove_lock (&self->ledger, lock);
      agl_lock_assign (lock, before);
      agl_ledger_add_lock (&self->ledger, lock);
      return FALSE;
    }
  if (moves)
    what |= AGL_CHANGED_HOLDER;
  if (before->follow_cwd != lock->follow_cwd)
    what |= AGL_CHANGED_FOLLOW;
  if (before->cwd != lock->cwd)
    what |= AGL_CHANGED_CWD;
  if (what != 0)
    agl_announce_changed (&self->announcements, lock, what);
  return TRUE;
}

gboolean
agl_lock_table_restore (AglLockTable *self, AglLock *lock)
{
  if (agl_lock_table_lookup (self, lock->id) != NULL)
    return FALSE;

  agl_ledger_add_lock (&self->ledger, lock);
  self->ledger.suspicious = TRUE;
  return TRUE;
}

void
agl_lock_table_set_directory (AglLockTable *self, AglLock *lock, AglDirectory *directory)
{
  g_autoptr (AglLock) keep = agl_lock_ref (lock);

  g_return_if_fail (agl_ledger_has_lock (&self->ledger, lock));

  agl_ledger_remove_lock (&self->ledger, lock);
  agl_directory_ref (directory);
  agl_directory_unref (lock->directory);
  lock->directory = directory;
  agl_ledger_add_lock (&self->ledger, lock);
  self->ledger.suspicious = TRUE;
  agl_announce_changed (&self->announcements, lock, AGL_CHANGED_DIRECTORY);
}

void
agl_lock_table_set_holder (AglLockTable *self, AglLock *lock, AglProcess *holder)
{
  g_autoptr (AglLock) keep = agl_lock_ref (lock);

  g_return_if_fail (agl_ledger_has_lock (&self->ledger, lock));

  agl_ledger_remove_lock (&self->ledger, lock);
  if (holder != NULL)
    agl_process_ref (holder);
  g_clear_pointer (&lock->holder, agl_process_unref);
  lock->holder = holder;
  agl_ledger_add_lock (&self->ledger, lock);
  self->ledger.suspicious = TRUE;
}

/* --- letting waiters in --- */

static void
try_waiter (AglLockTable *self, AglWaiter *waiter)
{
  g_autoptr (GError) why = NULL;
  g_autoptr (GPtrArray) outsiders = NULL;
  Grant grant;

  if (!self->hooks.ready (waiter->request, self->user_data, &why))
    {
      agl_ledger_dequeue (&self->ledger, waiter);
      end_wait (self, waiter, NULL, why);
      return;
    }
  outsiders = look (self, waiter->request);
  if (outsiders != NULL && outsiders->len > 0)
    {
      agl_ledger_set_outsiders (&self->ledger, waiter, g_steal_pointer (&outsiders));
      return;
    }
  /* A draft is in one index at a time: out of the wanted ones before it comes among the held ones. */
  agl_ledger_dequeue (&self->ledger, waiter);
  if (grant_request (self, waiter->request, waiter->wanted, NULL, &grant, &why))
    end_wait (self, waiter, &grant, NULL);
  else
    end_wait (self, waiter, NULL, why);
}

/* The last to arrive of those on a circle. FALSE: there is none. */
static gboolean
break_circle (AglLockTable *self)
{
  for (GList *link = self->ledger.waiters.tail; link != NULL; link = link->prev)
    {
      g_autoptr (GError) why = NULL;
      AglWaiter *waiter = link->data;

      if (agl_wait_graph_check_waiter (&self->ledger, waiter, &why))
        continue;
      agl_ledger_dequeue (&self->ledger, waiter);
      end_wait (self, waiter, NULL, why);
      return TRUE;
    }
  return FALSE;
}

/* Until nobody's way is free who waits. In order of arrival, from the start again after each, since one who
 * is let in may be whom an earlier one did not have to stand behind. */
static void
advance (AglLockTable *self)
{
  for (;;)
    {
      AglWaiter *waiter;

      agl_ledger_refresh (&self->ledger);
      waiter = agl_ledger_take_due (&self->ledger);
      if (waiter != NULL)
        try_waiter (self, waiter);
      else if (!self->ledger.suspicious)
        return;
      else if (!break_circle (self))
        self->ledger.suspicious = FALSE;
    }
}

static int
compare_ids (gconstpointer a, gconstpointer b)
{
  const AglLock *left = *(const AglLock *const *)a, *right = *(const AglLock *const *)b;

  return left->id < right->id ? -1 : left->id > right->id;
}

static void
announce_counts (AglLockTable *self)
{
  g_autoptr (GPtrArray) changed = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer lock, told;

  g_hash_table_iter_init (&iter, self->ledger.recounted);
  while (g_hash_table_iter_next (&iter, &lock, &told))
    {
      if (((AglLock *)lock)->n_waiters != GPOINTER_TO_UINT (told)
          && agl_ledger_has_lock (&self->ledger, lock))
        g_ptr_array_add (changed, lock);
    }
  g_ptr_array_sort (changed, compare_ids);
  for (guint i = 0; i < changed->len; i++)
    agl_announce_changed (&self->announcements, g_ptr_array_index (changed, i), AGL_CHANGED_WAITERS);
  g_hash_table_remove_all (self->ledger.recounted);

  if (self->n_waiters_told != self->ledger.waiters.length)
    agl_announce_queue_changed (&self->announcements);
  self->n_waiters_told = self->ledger.waiters.length;
}

void
agl_lock_table_settle (AglLockTable *self)
{
  self->look_again = TRUE;
  if (self->settling)
    return; /* called from a hook: the turn below goes on */

  self->settling = TRUE;
  do
    {
      if (self->look_again)
        agl_ledger_look_again (&self->ledger);
      self->look_again = FALSE;
      advance (self);
      announce_counts (self);
    }
  while (agl_announcements_tell_one (&self->announcements, &self->hooks, self->user_data));
  self->settling = FALSE;
}

/* --- looking things up --- */

AglLock *
agl_lock_table_lookup (const AglLockTable *self, guint64 id)
{
  return g_hash_table_lookup (self->ledger.by_id, &id);
}

GPtrArray *
agl_lock_table_list (const AglLockTable *self)
{
  GPtrArray *locks = g_ptr_array_new_full (agl_lock_table_count (self), (GDestroyNotify)agl_lock_unref);
  GHashTableIter iter;
  gpointer lock;

  g_hash_table_iter_init (&iter, self->ledger.by_id);
  while (g_hash_table_iter_next (&iter, &lock, NULL))
    g_ptr_array_add (locks, agl_lock_ref (lock));
  g_ptr_array_sort (locks, compare_ids);
  return locks;
}

GPtrArray *
agl_lock_table_list_directory (const AglLockTable *self, const AglDirectory *directory)
{
  GPtrArray *locks = g_ptr_array_new_with_free_func ((GDestroyNotify)agl_lock_unref);

  for (AglLock *lock = agl_lock_index_first_there (self->ledger.held, directory); lock != NULL;
       lock = lock->next_there)
    {
      if (agl_directory_equal (lock->directory, directory))
        g_ptr_array_add (locks, agl_lock_ref (lock));
    }
  g_ptr_array_sort (locks, compare_ids);
  return locks;
}

GPtrArray *
agl_lock_table_list_holder (const AglLockTable *self, const AglProcess *holder)
{
  GPtrArray *locks = g_ptr_array_new_with_free_func ((GDestroyNotify)agl_lock_unref);

  for (AglLock *lock = agl_lock_index_first_own (self->ledger.held, holder); lock != NULL;
       lock = lock->next_own)
    g_ptr_array_add (locks, agl_lock_ref (lock));
  g_ptr_array_sort (locks, compare_ids);
  return locks;
}

GPtrArray *
agl_lock_table_list_waiters (const AglLockTable *self)
{
  GPtrArray *waiters = g_ptr_array_sized_new (self->ledger.waiters.length);

  for (const GList *link = self->ledger.waiters.head; link != NULL; link = link->next)
    g_ptr_array_add (waiters, link->data);
  return waiters;
}

guint
agl_lock_table_count (const AglLockTable *self)
{
  return g_hash_table_size (self->ledger.by_id);
}

guint
agl_lock_table_count_waiters (const AglLockTable *self)
{
  return self->ledger.waiters.length;
}
