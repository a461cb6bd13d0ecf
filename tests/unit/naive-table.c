/* SPDX-License-Identifier: MIT */
#include "naive-table.h"

#include "naive-rules.h"

void
naive_init (NaiveTable *self)
{
  *self = (NaiveTable){ .failing_directory = -1, .max_locks = G_MAXUINT, .max_waiters = G_MAXUINT };
  for (guint i = 0; i < G_N_ELEMENTS (self->outsider_at); i++)
    self->outsider_at[i] = -1;
  self->told = g_string_new (NULL);
  self->pending = g_string_new (NULL);
}

void
naive_clear (NaiveTable *self)
{
  g_string_free (self->told, TRUE);
  g_string_free (self->pending, TRUE);
}

/* --- locks and waiters come and go --- */

NaiveLock *
naive_find_lock (NaiveTable *self, guint64 id)
{
  for (int i = 0; i < self->n_locks; i++)
    {
      if (self->locks[i].id == id)
        return &self->locks[i];
    }
  return NULL;
}

static guint
count_locks_of (const NaiveTable *self, guint uid)
{
  guint count = 0;

  for (int i = 0; i < self->n_locks; i++)
    count += self->locks[i].facts.uid == uid ? 1 : 0;
  return count;
}

static void
add_lock (NaiveTable *self, const NaiveLock *lock)
{
  int i = self->n_locks++;

  g_assert_cmpint (i, <, NAIVE_MAX_LOCKS);
  for (; i > 0 && self->locks[i - 1].id > lock->id; i--)
    self->locks[i] = self->locks[i - 1];
  self->locks[i] = *lock;
}

static void
remove_lock (NaiveTable *self, guint64 id)
{
  NaiveLock *lock = naive_find_lock (self, id);

  for (; lock + 1 < self->locks + self->n_locks; lock++)
    lock[0] = lock[1];
  self->n_locks--;
}

static void
remove_waiter (NaiveTable *self, int position)
{
  for (int i = position; i + 1 < self->n_waiters; i++)
    self->waiters[i] = self->waiters[i + 1];
  self->n_waiters--;
}

/* Filled in when it is told: with what is other by then. Before its grant nothing is told of a lock. */
static void
note_change (NaiveTable *self, guint64 id, const NaiveRequest *before)
{
  NaiveLock *lock = naive_find_lock (self, id);

  if (lock->is_new || lock->is_changing)
    return;
  lock->is_changing = TRUE;
  lock->before = *before;
  g_string_append_printf (self->pending, "changed %d ?\n", (int)id);
}

static void
fill_in (NaiveTable *self, const NaiveLock *lock)
{
  g_autofree char *gap = g_strdup_printf ("changed %d ?\n", (int)lock->id);
  g_autoptr (GString) told = g_string_new (NULL);

  if (!lock->is_changing)
    return;
  if (lock->before.holder != lock->facts.holder)
    g_string_append (told, " holder");
  if (lock->before.mode != lock->facts.mode)
    g_string_append (told, " mode");
  if (lock->before.follow != lock->facts.follow)
    g_string_append (told, " follow cwd");
  if (lock->before.text != lock->facts.text)
    g_string_append (told, " texts");
  if (lock->before.view != lock->facts.view)
    g_string_append (told, " directory");
  if (told->len > 0)
    {
      g_autofree char *start = g_strdup_printf ("changed %d", (int)lock->id);

      g_string_prepend (told, start);
      g_string_append_c (told, '\n');
    }
  g_assert_cmpuint (g_string_replace (self->pending, gap, told->str, 0), ==, 1);
}

static void
note_release (NaiveTable *self, const NaiveLock *lock, AglReleaseReason reason)
{
  fill_in (self, lock);
  g_string_append_printf (self->pending, "released %d %s\n", (int)lock->id,
                          agl_release_reason_to_string (reason));
}

typedef struct
{
  gboolean granted, created;
  guint64 id;
  AglError code;
  gboolean changed;
  NaiveRequest before;
} Granted;

static Granted
grant_new (NaiveTable *self, const NaiveRequest *request, gboolean overrides)
{
  NaiveLock lock = { .facts = *request, .is_new = TRUE };

  if (count_locks_of (self, request->uid) >= self->max_locks)
    return (Granted){ .code = AGL_ERROR_LIMIT_EXCEEDED };
  if (self->no_ids)
    return (Granted){ .code = AGL_ERROR_UNAVAILABLE };
  lock.id = ++self->last_id;
  lock.facts.follow = request->holder >= 0 && request->follow;
  add_lock (self, &lock);
  if (overrides && naive_holder_is_on_a_circle (self, request->holder))
    {
      remove_lock (self, lock.id);
      return (Granted){ .code = AGL_ERROR_DEADLOCK };
    }
  if (self->failing_directory == request->view->number)
    {
      remove_lock (self, lock.id);
      return (Granted){ .code = AGL_ERROR_UNAVAILABLE };
    }
  return (Granted){ .granted = TRUE, .created = TRUE, .id = lock.id };
}

static Granted
grant_own (NaiveTable *self, const NaiveRequest *request, NaiveLock *own, gboolean overrides)
{
  Granted granted = { .granted = TRUE, .id = own->id, .before = own->facts };

  own->facts.mode = request->mode;
  own->facts.follow = request->follow;
  if (request->text != 0)
    own->facts.text = request->text;
  granted.changed = own->facts.mode != granted.before.mode || own->facts.follow != granted.before.follow
                    || own->facts.text != granted.before.text;
  if (!granted.changed)
    return granted;
  if (overrides && naive_holder_is_on_a_circle (self, request->holder))
    {
      own->facts = granted.before;
      return (Granted){ .code = AGL_ERROR_DEADLOCK };
    }
  if (self->failing_directory == own->facts.view->number)
    {
      own->facts = granted.before;
      return (Granted){ .code = AGL_ERROR_UNAVAILABLE };
    }
  return granted;
}

static Granted
grant (NaiveTable *self, const NaiveRequest *request)
{
  gboolean overrides = request->conflict == AGL_CONFLICT_JOIN || request->conflict == AGL_CONFLICT_STEAL;
  NaiveLock lost[NAIVE_MAX_LOCKS];
  int n_lost = 0;
  NaiveLock *own;
  Granted granted;

  if (request->conflict == AGL_CONFLICT_STEAL && !naive_has_it_already (self, request))
    {
      for (int i = self->n_locks; i-- > 0;)
        {
          if (naive_conflict (&self->locks[i].facts, request))
            {
              lost[n_lost++] = self->locks[i];
              remove_lock (self, self->locks[i].id);
            }
        }
    }
  own = naive_find_own (self, request);
  granted = own == NULL ? grant_new (self, request, overrides) : grant_own (self, request, own, overrides);
  while (n_lost-- > 0)
    {
      if (granted.granted)
        note_release (self, &lost[n_lost], AGL_RELEASE_STOLEN);
      else
        add_lock (self, &lost[n_lost]);
    }
  return granted;
}

static void
note_grant (NaiveTable *self, const Granted *granted)
{
  if (granted->created)
    g_string_append_printf (self->pending, "acquired %d\n", (int)granted->id);
  else if (granted->changed)
    note_change (self, granted->id, &granted->before);
}

static int
look (NaiveTable *self, const NaiveRequest *request)
{
  int outsider = self->outsider_at[request->view->number];

  if ((request->mode & AGL_MODE_SHARED) != 0 || !request->detect || naive_has_it_already (self, request))
    return -1;
  if (request->conflict == AGL_CONFLICT_JOIN || request->conflict == AGL_CONFLICT_STEAL)
    return -1;
  if (outsider < 0 || outsider == request->holder)
    return -1;
  for (int i = 0; i < self->n_locks; i++)
    {
      if (self->locks[i].facts.holder == outsider
          && self->locks[i].facts.view->number == request->view->number)
        return -1;
    }
  return naive_waits_at (self, outsider, request->view->number) ? -1 : outsider;
}

/* A change of the holder's own lock is judged where that lock is. */
static const NaiveView *
view_of (NaiveTable *self, const NaiveRequest *request)
{
  const NaiveLock *own = naive_find_own (self, request);

  return own == NULL ? request->view : own->facts.view;
}

AglOutcome
naive_acquire (NaiveTable *self, NaiveRequest *request, guint64 *id, gboolean *created, AglError *code)
{
  NaiveWaiter me;
  gboolean others_lock = FALSE, others_waiter = FALSE, is_free;
  guint n_waiting = 0;
  Granted granted;

  request->view = view_of (self, request);
  me = (NaiveWaiter){ .request = *request };

  naive_forget_outsiders (self);
  naive_work_out_waiter (self, &me, self->n_waiters);
  is_free = naive_way_is_free (self, &me);
  if (is_free && look (self, request) >= 0)
    {
      me.outsiders = BIT (look (self, request));
      is_free = FALSE;
    }

  for (int i = 0; i < self->n_locks && !naive_has_it_already (self, request); i++)
    others_lock |=
        naive_conflict (&self->locks[i].facts, request) && self->locks[i].facts.uid != request->asker_uid;
  for (int i = 0; i < self->n_waiters; i++)
    {
      others_waiter |= (me.behind & BIT (i)) != 0 && self->waiters[i].request.uid != request->asker_uid;
      n_waiting += self->waiters[i].request.uid == request->uid ? 1 : 0;
    }

  *code = AGL_ERROR_HELD;
  if (!is_free && request->conflict == AGL_CONFLICT_FAIL)
    return AGL_OUTCOME_REFUSED;
  if (!is_free && request->conflict == AGL_CONFLICT_WAIT)
    {
      *code = AGL_ERROR_LIMIT_EXCEEDED;
      if (n_waiting >= self->max_waiters)
        return AGL_OUTCOME_REFUSED;
      *code = AGL_ERROR_DEADLOCK;
      g_assert_cmpint (self->n_waiters, <, NAIVE_MAX_WAITERS);
      self->waiters[self->n_waiters++] = me;
      if (request->holder >= 0
          && (naive_follow (self, naive_waits_for (self, &me)) & BIT (request->holder)) != 0)
        {
          self->n_waiters--;
          return AGL_OUTCOME_REFUSED;
        }
      *id = self->waiters[self->n_waiters - 1].serial = ++self->last_serial;
      return AGL_OUTCOME_WAITING;
    }
  if (!is_free && !request->privileged && (others_lock || others_waiter))
    {
      *code = others_lock ? AGL_ERROR_NOT_PERMITTED : AGL_ERROR_HELD;
      return AGL_OUTCOME_REFUSED;
    }

  granted = grant (self, request);
  *code = granted.code;
  *id = granted.id;
  *created = granted.created;
  if (!granted.granted)
    return AGL_OUTCOME_REFUSED;
  note_grant (self, &granted);
  return AGL_OUTCOME_GRANTED;
}

void
naive_release (NaiveTable *self, guint64 id, AglReleaseReason reason)
{
  note_release (self, naive_find_lock (self, id), reason);
  remove_lock (self, id);
}

gboolean
naive_transfer (NaiveTable *self, guint64 id, int holder, guint uid, gboolean follow_cwd, AglError *code)
{
  NaiveLock before = *naive_find_lock (self, id), after = before;
  gboolean held = FALSE;

  after.facts.holder = holder;
  after.facts.uid = uid;
  after.facts.follow = follow_cwd;
  remove_lock (self, id);
  for (int i = 0; i < self->n_locks; i++)
    {
      const NaiveRequest *other = &self->locks[i].facts;

      held |= naive_same_holder (other, &after.facts) && other->view->number == after.facts.view->number;
      held |= naive_conflict (other, &after.facts) && !naive_conflict (other, &before.facts);
    }
  *code = held ? AGL_ERROR_HELD : AGL_ERROR_LIMIT_EXCEEDED;
  if (held || count_locks_of (self, uid) >= self->max_locks)
    {
      add_lock (self, &before);
      return FALSE;
    }

  add_lock (self, &after);
  *code = AGL_ERROR_DEADLOCK;
  if (!naive_holder_is_on_a_circle (self, holder))
    {
      *code = AGL_ERROR_UNAVAILABLE;
      if (self->failing_directory != after.facts.view->number)
        {
          if (before.facts.holder != holder || before.facts.follow != follow_cwd)
            note_change (self, id, &before.facts);
          return TRUE;
        }
    }
  remove_lock (self, id);
  add_lock (self, &before);
  return FALSE;
}

static void
end_wait (NaiveTable *self, int position, AglError code)
{
  g_string_append_printf (self->pending, "ended %d by %s\n", (int)self->waiters[position].serial,
                          agl_error_nick (code));
  remove_waiter (self, position);
}

void
naive_drop (NaiveTable *self, guint64 serial, AglError code)
{
  for (int i = 0; i < self->n_waiters; i++)
    {
      if (self->waiters[i].serial == serial)
        {
          end_wait (self, i, code);
          return;
        }
    }
  g_assert_not_reached ();
}

void
naive_restore (NaiveTable *self, const NaiveRequest *facts)
{
  NaiveLock lock = { .id = ++self->last_id, .facts = *facts };

  add_lock (self, &lock);
}

void
naive_move (NaiveTable *self, guint64 id, const NaiveView *view)
{
  NaiveLock *lock = naive_find_lock (self, id);
  NaiveRequest before = lock->facts;

  lock->facts.view = view;
  note_change (self, id, &before);
}

gboolean
naive_is_free_for (NaiveTable *self, NaiveRequest *request)
{
  NaiveWaiter me;

  request->view = view_of (self, request);
  me = (NaiveWaiter){ .request = *request };
  naive_forget_outsiders (self);
  naive_work_out_waiter (self, &me, self->n_waiters);
  return naive_way_is_free (self, &me) && look (self, request) < 0;
}

/* TRUE when somebody was let in or ended. */
static gboolean
let_one_in (NaiveTable *self)
{
  for (int i = 0; i < self->n_waiters; i++)
    {
      NaiveWaiter waiter = self->waiters[i];
      Granted granted;

      if (!naive_way_is_free (self, &waiter))
        continue;
      if (waiter.request.view != view_of (self, &waiter.request))
        {
          self->waiters[i].request.view = view_of (self, &waiter.request);
          return TRUE;
        }
      if (waiter.request.holder >= 0 && (self->unready & BIT (waiter.request.holder)) != 0)
        {
          end_wait (self, i, AGL_ERROR_NO_SUCH_PROCESS);
          return TRUE;
        }
      if (look (self, &waiter.request) >= 0)
        {
          self->waiters[i].outsiders = BIT (look (self, &waiter.request));
          continue;
        }
      self->waiters[i].outsiders = 0;
      if (waiter.request.holder >= 0 && (self->untold & BIT (waiter.request.holder)) != 0)
        continue;
      remove_waiter (self, i);
      granted = grant (self, &waiter.request);
      if (granted.granted)
        {
          g_string_append_printf (self->pending, "ended %d with %d\n", (int)waiter.serial, (int)granted.id);
          note_grant (self, &granted);
        }
      else
        g_string_append_printf (self->pending, "ended %d by %s\n", (int)waiter.serial,
                                agl_error_nick (granted.code));
      return TRUE;
    }
  return FALSE;
}

static gboolean
end_last_on_a_circle (NaiveTable *self)
{
  for (int i = self->n_waiters; i-- > 0;)
    {
      if ((naive_follow (self, naive_waits_for (self, &self->waiters[i])) & naive_who (self, i)) != 0)
        {
          end_wait (self, i, AGL_ERROR_DEADLOCK);
          return TRUE;
        }
    }
  return FALSE;
}

void
naive_settle (NaiveTable *self)
{
  do
    naive_forget_outsiders (self);
  while (let_one_in (self) || end_last_on_a_circle (self));

  for (int i = 0; i < self->n_locks; i++)
    {
      NaiveLock *lock = &self->locks[i];
      guint n_waiters = naive_count_waiters_for (self, lock);

      fill_in (self, lock);
      /* A new one is told with all there is to it. */
      if (!lock->is_new && n_waiters != lock->told_waiters)
        g_string_append_printf (self->pending, "changed %d waiters\n", (int)lock->id);
      lock->told_waiters = n_waiters;
      lock->is_new = lock->is_changing = FALSE;
    }
  if (self->n_waiters != self->told_n_waiters)
    g_string_append (self->pending, "queue\n");
  self->told_n_waiters = self->n_waiters;
  g_string_append (self->told, self->pending->str);
  g_string_truncate (self->pending, 0);
}
