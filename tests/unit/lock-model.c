/* SPDX-License-Identifier: MIT */
#include "core/lock-table.h"

#include <stdio.h>
#include <stdlib.h>

#include "lock-model.h"

/* Random operations on the table and on a naive second one, compared after every step. A failure prints the
 * seed and the step; AGENTCTL_LOCKS_TEST_SEED and AGENTCTL_LOCKS_TEST_OPERATIONS repeat it. */

#define N_OPERATIONS    100000
#define DEFAULT_LIMIT   12
#define DEFAULT_WAITERS 7

/* A tree of directories, and some of them once more as seen through bind mounts, of one below itself too. */
static const char *const paths[] = {
  "/1",       "/1/2",     "/1/3",        "/1/4",         "/1/2/5",     "/1/2/6",   "/1/3/7",
  "/1/2/5/8", "/1/2/5/9", "/1/2/5/8/10", "/1/3/7/11",    "/1/4/12/13", "/20",      "/20/21",
  "/1/4/5",   "/1/4/5/8", "/20/3/7",     "/20/2/5/8/10", "/1/4/1",     "/1/4/1/2",
};
G_STATIC_ASSERT (G_N_ELEMENTS (paths) == N_VIEWS);

/* --- the table's world: the naive table's settings are the truth for both --- */

static gboolean
model_commit (AglLock *lock, GPtrArray *superseded, gpointer user_data, GError **error)
{
  Model *self = user_data;

  if (self->naive.failing_directory != model_directory_number (lock->directory))
    return TRUE;
  g_set_error (error, AGL_ERROR, AGL_ERROR_UNAVAILABLE, "disk full");
  return FALSE;
}

/* As the keeper has it: who holds a lock there, or waits for one, is no outsider. */
static gboolean
is_registered (Model *self, int holder, const AglDirectory *directory)
{
  g_autoptr (GPtrArray) locks = agl_lock_table_list_holder (self->table, self->holders[holder].process);
  g_autoptr (GPtrArray) waiters = agl_lock_table_list_waiters (self->table);

  for (guint i = 0; i < locks->len; i++)
    {
      if (agl_directory_equal (((AglLock *)g_ptr_array_index (locks, i))->directory, directory))
        return TRUE;
    }
  for (guint i = 0; i < waiters->len; i++)
    {
      const AglRequest *request = agl_waiter_get_request (g_ptr_array_index (waiters, i));

      if (request->holder == self->holders[holder].process
          && agl_directory_equal (request->directory, directory))
        return TRUE;
    }
  return FALSE;
}

static gboolean
model_look (const AglRequest *request, GPtrArray **outsiders, gpointer user_data, GError **error)
{
  Model *self = user_data;
  int outsider = self->naive.outsider_at[model_directory_number (request->directory)];

  *outsiders = g_ptr_array_new_with_free_func ((GDestroyNotify)agl_outsider_unref);
  if (outsider >= 0 && outsider != model_holder_index (self, request->holder)
      && !is_registered (self, outsider, request->directory))
    g_ptr_array_add (*outsiders, agl_outsider_new (self->holders[outsider].process, 1000, "x", "x"));
  return TRUE;
}

static gboolean
model_ready (const AglRequest *request, gpointer user_data, GError **error)
{
  Model *self = user_data;
  int holder = model_holder_index (self, request->holder);

  if (holder < 0 || (self->naive.unready >> holder & 1) == 0)
    return TRUE;
  g_set_error (error, AGL_ERROR, AGL_ERROR_NO_SUCH_PROCESS, "dead");
  return FALSE;
}

static gboolean
model_can_be_told (AglWaiter *waiter, gpointer user_data)
{
  Model *self = user_data;
  int holder = model_holder_index (self, agl_waiter_get_request (waiter)->holder);

  return holder < 0 || (self->naive.untold >> holder & 1) == 0;
}

static guint64 last_id;

static guint64
model_next_id (gpointer user_data)
{
  Model *self = user_data;

  return self->naive.no_ids ? 0 : ++last_id;
}

static void
model_acquired (AglLock *lock, gpointer user_data)
{
  Model *self = user_data;

  replay_acquired (&self->replay, lock);
  g_string_append_printf (self->told, "acquired %d\n", (int)lock->id);
}

static void
model_released (AglLock *lock, AglReleaseReason reason, gpointer user_data)
{
  Model *self = user_data;

  replay_released (&self->replay, lock);
  if (lock->id == self->counted_id)
    g_assert_cmpuint (lock->n_waiters, ==, self->n_counted);
  g_string_append_printf (self->told, "released %d %s\n", (int)lock->id,
                          agl_release_reason_to_string (reason));
}

static void
model_changed (AglLock *lock, AglChange what, gpointer user_data)
{
  Model *self = user_data;
  g_autofree char *text = describe_change (what);

  replay_changed (&self->replay, lock, what);
  g_string_append_printf (self->told, "changed %d%s\n", (int)lock->id, text);
}

static void
model_ended (AglWaiter *waiter, AglLock *lock, const GError *error, gpointer user_data)
{
  Model *self = user_data;
  int serial = (int)agl_waiter_get_serial (waiter);

  if (lock != NULL)
    {
      self->n_granted_waits++;
      g_string_append_printf (self->told, "ended %d with %d\n", serial, (int)lock->id);
      return;
    }
  self->n_ended[error->code]++;
  g_string_append_printf (self->told, "ended %d by %s\n", serial, agl_error_nick ((AglError)error->code));
}

static void
model_queue_changed (gpointer user_data)
{
  Model *self = user_data;

  g_string_append (self->told, "queue\n");
}

static const AglLockTableHooks hooks = {
  model_commit,   model_look,     model_ready,   model_can_be_told, model_next_id,
  model_acquired, model_released, model_changed, model_ended,       model_queue_changed,
};

/* --- the operations --- */

static gboolean
one_in (Model *self, int n)
{
  return g_rand_int_range (self->random, 0, n) == 0;
}

static AglDirectory *
directory_of (Model *self, const NaiveView *view)
{
  return self->directories[view - self->views];
}

static NaiveRequest
random_request (Model *self)
{
  int holder = one_in (self, 12) ? -1 : g_rand_int_range (self->random, 0, N_HOLDERS);
  guint uid =
      1000 + (holder >= 0 ? (guint)holder % N_USERS : (guint)g_rand_int_range (self->random, 0, N_USERS));

  return (NaiveRequest){
    .view = &self->views[g_rand_int_range (self->random, 0, N_VIEWS)],
    .holder = holder,
    .uid = uid,
    .asker_uid = uid,
    .privileged = one_in (self, 10),
    .mode = (one_in (self, 2) ? AGL_MODE_SHARED : 0) | (one_in (self, 3) ? AGL_MODE_SUBTREE : 0),
    .follow = holder >= 0 && !one_in (self, 4),
    .text = g_rand_int_range (self->random, 0, 3),
    .conflict = one_in (self, 2) ? AGL_CONFLICT_WAIT : g_rand_int_range (self->random, 0, 4),
    .detect = one_in (self, 2),
  };
}

static AglRequest *
real_request (Model *self, const NaiveRequest *naive)
{
  AglRequest *request = agl_request_new ();

  request->asker.uid = naive->asker_uid;
  request->asker.privileged = naive->privileged;
  request->directory = agl_directory_ref (directory_of (self, naive->view));
  if (naive->holder >= 0)
    request->holder = agl_process_ref (self->holders[naive->holder].process);
  request->uid = naive->uid;
  request->mode = naive->mode;
  request->follow_cwd = naive->follow;
  request->conflict = naive->conflict;
  request->detect_agents = naive->detect;
  request->cwd = naive->follow ? AGL_CWD_INSIDE : AGL_CWD_IGNORED;
  if (naive->text != 0)
    request->texts.reason = g_strdup_printf ("%d", naive->text);
  return request;
}

static void
acquire (Model *self)
{
  NaiveRequest naive = random_request (self);
  g_autoptr (AglRequest) request = real_request (self, &naive);
  g_autoptr (GError) error = NULL;
  AglLock *lock;
  AglWaiter *waiter;
  gboolean created = FALSE, naive_created = FALSE;
  guint64 id = 0;
  AglError code = 0;
  AglOutcome outcome = agl_lock_table_acquire (self->table, request, &lock, &waiter, &created, &error);
  AglOutcome expected = naive_acquire (&self->naive, &naive, &id, &naive_created, &code);

  g_string_append_printf (self->history, "acquire %s holder %d mode %d conflict %d: %d\n",
                          paths[naive.view - self->views], naive.holder, (int)naive.mode, (int)naive.conflict,
                          (int)outcome);
  if (outcome == AGL_OUTCOME_REFUSED && expected == AGL_OUTCOME_REFUSED && error->code != (int)code)
    g_test_message ("%s", error->message);
  g_assert_cmpint (outcome, ==, expected);
  self->n_outcomes[outcome]++;
  switch (outcome)
    {
    case AGL_OUTCOME_REFUSED:
      g_assert_error (error, AGL_ERROR, (int)code);
      self->n_codes[code]++;
      break;
    case AGL_OUTCOME_GRANTED:
      g_assert_no_error (error);
      g_assert_cmpuint (lock->id, ==, id);
      g_assert_cmpint (created, ==, naive_created);
      break;
    case AGL_OUTCOME_WAITING:
      g_assert_no_error (error);
      g_assert_cmpuint (agl_waiter_get_serial (waiter), ==, id);
      break;
    }
}

static void
release (Model *self)
{
  AglReleaseReason reason = (AglReleaseReason)g_rand_int_range (self->random, 0, AGL_RELEASE_STOLEN);
  guint64 id;

  if (self->naive.n_locks == 0)
    return;
  id = self->naive.locks[g_rand_int_range (self->random, 0, self->naive.n_locks)].id;
  g_string_append_printf (self->history, "release %d\n", (int)id);
  if (self->settled) /* else it is not known exactly */
    {
      self->counted_id = id;
      self->n_counted = naive_count_waiters_for (&self->naive, naive_find_lock (&self->naive, id));
    }
  agl_lock_table_release (self->table, agl_lock_table_lookup (self->table, id), reason);
  naive_release (&self->naive, id, reason);
}

static void
transfer (Model *self)
{
  int holder = g_rand_int_range (self->random, 0, N_HOLDERS);
  guint uid = 1000 + (guint)holder % N_USERS;
  gboolean follow = one_in (self, 2), done, expected;
  g_autoptr (GError) error = NULL;
  AglError code = 0;
  guint64 id;

  if (self->naive.n_locks == 0)
    return;
  id = self->naive.locks[g_rand_int_range (self->random, 0, self->naive.n_locks)].id;
  done = agl_lock_table_transfer (self->table, agl_lock_table_lookup (self->table, id),
                                  self->holders[holder].process, uid, follow, AGL_CWD_INSIDE, &error);
  expected = naive_transfer (&self->naive, id, holder, uid, follow, &code);
  g_string_append_printf (self->history, "transfer %d to holder %d: %d\n", (int)id, holder, done);
  g_assert_cmpint (done, ==, expected);
  if (!done)
    g_assert_error (error, AGL_ERROR, (int)code);
  else
    self->n_transfers++;
}

static void
drop_waiter (Model *self, guint position, AglError code)
{
  g_autoptr (GPtrArray) waiters = agl_lock_table_list_waiters (self->table);
  AglWaiter *waiter = g_ptr_array_index (waiters, position);
  g_autoptr (GError) why = g_error_new_literal (AGL_ERROR, (int)code, "dropped");

  g_string_append_printf (self->history, "drop waiter %d\n", (int)agl_waiter_get_serial (waiter));
  naive_drop (&self->naive, agl_waiter_get_serial (waiter), code);
  agl_lock_table_drop (self->table, waiter, why);
  agl_lock_table_drop (self->table, waiter, why); /* once is enough */
}

static void
drop (Model *self)
{
  if (self->naive.n_waiters > 0)
    drop_waiter (self, (guint)g_rand_int_range (self->random, 0, self->naive.n_waiters), AGL_ERROR_TIMED_OUT);
}

static void
die (Model *self)
{
  int holder = g_rand_int_range (self->random, 0, N_HOLDERS);
  g_autoptr (GPtrArray) locks = agl_lock_table_list_holder (self->table, self->holders[holder].process);

  g_string_append_printf (self->history, "holder %d dies\n", holder);
  for (int i = self->naive.n_waiters; i-- > 0;)
    {
      if (self->naive.waiters[i].request.holder == holder)
        drop_waiter (self, (guint)i, AGL_ERROR_NO_SUCH_PROCESS);
    }
  for (guint i = 0; i < locks->len; i++)
    {
      AglLock *lock = g_ptr_array_index (locks, i);

      naive_release (&self->naive, lock->id, AGL_RELEASE_EXITED);
      agl_lock_table_release (self->table, lock, AGL_RELEASE_EXITED);
      agl_lock_table_release (self->table, lock, AGL_RELEASE_EXITED); /* once is enough */
    }
}

/* A lock from a file whose process could not be told alive or dead. */
static void
restore (Model *self)
{
  NaiveRequest naive = random_request (self);
  g_autoptr (AglRequest) request = real_request (self, &naive);
  g_autoptr (AglLock) lock = agl_request_draft (request);

  g_clear_pointer (&lock->holder, agl_process_unref);
  lock->token = *agl_process_get_token (self->holders[MAX (naive.holder, 0)].process);
  lock->command = g_strdup ("");
  lock->manual = FALSE;
  lock->follow_cwd = FALSE;
  lock->cwd = AGL_CWD_IGNORED;
  naive.holder = -1;
  naive.follow = FALSE;
  naive_restore (&self->naive, &naive);
  lock->id = ++last_id;
  g_string_append_printf (self->history, "restore %s as %d\n", paths[naive.view - self->views],
                          (int)lock->id);
  g_assert_true (agl_lock_table_restore (self->table, lock));
  g_assert_false (agl_lock_table_restore (self->table, lock));
  replay_listed (&self->replay, lock);
}

static void
move (Model *self)
{
  const NaiveView *view = &self->views[g_rand_int_range (self->random, 0, N_VIEWS)];

  for (int i = 0; i < self->naive.n_locks; i++)
    {
      NaiveLock *lock = &self->naive.locks[i];

      if (lock->facts.view->number != view->number || lock->facts.view == view)
        continue;
      g_string_append_printf (self->history, "move %d to %s\n", (int)lock->id, paths[view - self->views]);
      naive_move (&self->naive, lock->id, view);
      agl_lock_table_set_directory (self->table, agl_lock_table_lookup (self->table, lock->id),
                                    directory_of (self, view));
      return;
    }
}

static void
ask (Model *self)
{
  NaiveRequest naive = random_request (self);
  g_autoptr (AglRequest) request = real_request (self, &naive);
  g_auto (AglBlockers) blockers = { 0 };

  g_assert_true (agl_lock_table_find_blockers (self->table, request, &blockers, NULL));
  g_assert_cmpint (agl_blockers_are_none (&blockers), ==, naive_is_free_for (&self->naive, &naive));
}

static void
turn_the_world (Model *self)
{
  int number = self->views[g_rand_int_range (self->random, 0, N_VIEWS)].number;

  self->naive.outsider_at[number] = one_in (self, 2) ? g_rand_int_range (self->random, 0, N_HOLDERS) : -1;
  self->naive.unready =
      one_in (self, 3) ? G_GUINT64_CONSTANT (1) << g_rand_int_range (self->random, 0, N_HOLDERS) : 0;
  self->naive.untold = one_in (self, 3) ? g_rand_int (self->random) & g_rand_int (self->random) : 0;
  self->naive.failing_directory = one_in (self, 4) ? number : -1;
  self->naive.no_ids = one_in (self, 30);
}

static void
try_again (Model *self)
{
  g_autoptr (GPtrArray) waiters = agl_lock_table_list_waiters (self->table);

  for (guint i = 0; i < waiters->len; i++)
    agl_lock_table_try_again (self->table, g_ptr_array_index (waiters, i));
}

static void
settle (Model *self)
{
  try_again (self);
  agl_lock_table_settle (self->table);
  /* Whose turn was put off is not looked for anew when somebody's wait has ended since, who then is an
   * outsider there: the next time it is tried, it is. The naive one does so at once. */
  try_again (self);
  agl_lock_table_settle (self->table);
  naive_settle (&self->naive);
  g_assert_cmpstr (self->told->str, ==, self->naive.told->str);
  g_string_truncate (self->told, 0);
  g_string_truncate (self->naive.told, 0);
  if (one_in (self, 20))
    replay_compare (&self->replay, self->table);
  g_string_append (self->history, "settle\n");
  if (self->history->len > 4000)
    g_string_erase (self->history, 0, (gssize)self->history->len - 2000);
}

static void
step (Model *self)
{
  int what = g_rand_int_range (self->random, 0, 100);

  if (what < 55)
    acquire (self);
  else if (what < 73)
    release (self);
  else if (what < 79)
    transfer (self);
  else if (what < 84)
    drop (self);
  else if (what < 88)
    die (self);
  else if (what < 89)
    restore (self);
  else if (what < 91)
    move (self);
  else if (what < 95)
    ask (self);
  else
    turn_the_world (self);

  g_assert_cmpuint (last_id, ==, self->naive.last_id);
  self->settled = !one_in (self, 4);
  if (self->settled)
    settle (self);
  model_compare (self);
}

/* --- set up --- */

static void
parse_view (NaiveView *view, const char *path)
{
  g_auto (GStrv) names = g_strsplit (path + 1, "/", -1);
  int depth = (int)g_strv_length (names);

  view->number = atoi (names[depth - 1]);
  view->n_above = depth - 1;
  for (int i = 0; i < depth - 1; i++)
    view->above[i] = atoi (names[i]);
}

static void
model_init (Model *self, guint32 seed)
{
  *self = (Model){ .random = g_rand_new_with_seed (seed),
                   .told = g_string_new (NULL),
                   .history = g_string_new (NULL) };
  last_id = 0;
  self->table = agl_lock_table_new (&hooks, self);
  agl_lock_table_set_limits (self->table, DEFAULT_LIMIT, DEFAULT_WAITERS);
  replay_init (&self->replay);
  naive_init (&self->naive);
  self->naive.max_locks = DEFAULT_LIMIT;
  self->naive.max_waiters = DEFAULT_WAITERS;
  for (guint i = 0; i < N_HOLDERS; i++)
    holder_start (&self->holders[i]);
  for (guint i = 0; i < N_VIEWS; i++)
    {
      self->directories[i] = make_directory (paths[i]);
      parse_view (&self->views[i], paths[i]);
    }
}

static void
model_clear (Model *self)
{
  agl_lock_table_free (self->table);
  naive_clear (&self->naive);
  replay_clear (&self->replay);
  for (guint i = 0; i < N_VIEWS; i++)
    agl_directory_unref (self->directories[i]);
  for (guint i = 0; i < N_HOLDERS; i++)
    holder_end (&self->holders[i]);
  g_string_free (self->told, TRUE);
  g_string_free (self->history, TRUE);
  g_rand_free (self->random);
}

static guint64
number_from_environment (const char *name, guint64 otherwise)
{
  const char *text = g_getenv (name);

  return text == NULL ? otherwise : g_ascii_strtoull (text, NULL, 10);
}

static Model model; /* static, so that a debugger and the handler below find it */

static void
tell_history (int signal_number)
{
  fprintf (stderr, "The last operations:\n%s", model.history->str);
  signal (signal_number, SIG_DFL);
  raise (signal_number);
}

static void
test_model (void)
{
  guint32 seed = (guint32)number_from_environment ("AGENTCTL_LOCKS_TEST_SEED", g_random_int ());
  guint64 n_operations = number_from_environment ("AGENTCTL_LOCKS_TEST_OPERATIONS", N_OPERATIONS);

  g_test_message ("AGENTCTL_LOCKS_TEST_SEED=%u AGENTCTL_LOCKS_TEST_OPERATIONS=%" G_GUINT64_FORMAT, seed,
                  n_operations);
  model_init (&model, seed);
  signal (SIGABRT, tell_history);
  for (guint64 i = 0; i < n_operations; i++)
    {
      g_string_append_printf (model.history, "[%" G_GUINT64_FORMAT "] ", i);
      step (&model);
    }
  signal (SIGABRT, SIG_DFL);

  g_test_message ("%u granted, %u waited, %u refused; %u waits granted; %u transfers", model.n_outcomes[1],
                  model.n_outcomes[2], model.n_outcomes[0], model.n_granted_waits, model.n_transfers);
  for (guint i = 0; i < AGL_N_ERRORS; i++)
    {
      if (model.n_codes[i] + model.n_ended[i] > 0)
        g_test_message ("%s: %u refused, %u ended", agl_error_nick ((AglError)i), model.n_codes[i],
                        model.n_ended[i]);
    }
  /* A run that never came to the hard parts has shown nothing. */
  if (n_operations >= N_OPERATIONS)
    {
      g_assert_cmpuint (model.n_granted_waits, >, 1000);
      g_assert_cmpuint (model.n_transfers, >, 1000);
      g_assert_cmpuint (model.n_codes[AGL_ERROR_DEADLOCK], >, 100);
      g_assert_cmpuint (model.n_ended[AGL_ERROR_DEADLOCK], >, 10);
    }
  model_clear (&model);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/lock-model", test_model);
  return g_test_run ();
}
