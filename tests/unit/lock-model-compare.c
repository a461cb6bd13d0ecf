/* SPDX-License-Identifier: MIT */
#include "lock-model.h"

#include <stdlib.h>

int
model_holder_index (const Model *self, const AglProcess *process)
{
  for (int i = 0; i < N_HOLDERS; i++)
    {
      if (self->holders[i].process == process)
        return i;
    }
  return -1;
}

int
model_directory_number (const AglDirectory *directory)
{
  return (int)agl_directory_get_id (directory)->ino;
}

static void
compare_lock (Model *self, const AglLock *lock, const NaiveLock *naive)
{
  const NaiveRequest *facts = &naive->facts;

  g_assert_cmpuint (lock->id, ==, naive->id);
  g_assert_cmpint (model_holder_index (self, lock->holder), ==, facts->holder);
  g_assert_cmpint (model_directory_number (lock->directory), ==, facts->view->number);
  g_assert_true (lock->directory == self->directories[facts->view - self->views]);
  g_assert_cmpuint (lock->mode, ==, facts->mode);
  g_assert_cmpuint (lock->uid, ==, facts->uid);
  g_assert_cmpint (lock->follow_cwd, ==, facts->follow);
  g_assert_cmpint (lock->cwd, ==, facts->follow ? AGL_CWD_INSIDE : AGL_CWD_IGNORED);
  g_assert_cmpint (lock->texts.reason == NULL ? 0 : atoi (lock->texts.reason), ==, facts->text);
  if (self->settled)
    g_assert_cmpuint (lock->n_waiters, ==, naive_count_waiters_for (&self->naive, naive));
}

static void
compare_blockers (Model *self, const AglWaiter *waiter, int position)
{
  const AglBlockers *blockers = agl_waiter_get_blockers (waiter);
  const NaiveWaiter *naive = &self->naive.waiters[position];
  guint n_locks = 0;
  guint64 behind = 0, outsiders = 0;

  for (int i = 0; i < self->naive.n_locks; i++)
    {
      if (!naive_is_in_the_way (&self->naive, &self->naive.locks[i], position))
        continue;
      g_assert_cmpuint (n_locks, <, blockers->locks->len);
      g_assert_cmpuint (((AglLock *)g_ptr_array_index (blockers->locks, n_locks))->id, ==,
                        self->naive.locks[i].id);
      n_locks++;
    }
  g_assert_cmpuint (n_locks, ==, blockers->locks->len);

  for (guint i = 0, k = 0; i < blockers->waiters->len; i++)
    {
      guint64 serial = agl_waiter_get_serial (g_ptr_array_index (blockers->waiters, i));

      while ((int)k < self->naive.n_waiters && self->naive.waiters[k].serial != serial)
        k++;
      behind |= G_GUINT64_CONSTANT (1) << k;
    }
  g_assert_cmphex (behind, ==, naive->behind);

  for (guint i = 0; i < blockers->outsiders->len; i++)
    {
      const AglOutsider *outsider = g_ptr_array_index (blockers->outsiders, i);

      outsiders |= G_GUINT64_CONSTANT (1) << model_holder_index (self, outsider->process);
    }
  g_assert_cmphex (outsiders, ==, naive->outsiders);
}

void
model_compare (Model *self)
{
  g_autoptr (GPtrArray) locks = agl_lock_table_list (self->table);
  g_autoptr (GPtrArray) waiters = agl_lock_table_list_waiters (self->table);

  g_assert_cmpuint (locks->len, ==, self->naive.n_locks);
  g_assert_cmpuint (waiters->len, ==, self->naive.n_waiters);
  naive_work_out (&self->naive);
  for (guint i = 0; i < locks->len; i++)
    compare_lock (self, g_ptr_array_index (locks, i), &self->naive.locks[i]);
  for (guint i = 0; i < waiters->len; i++)
    {
      g_assert_cmpuint (agl_waiter_get_serial (g_ptr_array_index (waiters, i)), ==,
                        self->naive.waiters[i].serial);
      if (self->settled)
        compare_blockers (self, g_ptr_array_index (waiters, i), (int)i);
    }
}
