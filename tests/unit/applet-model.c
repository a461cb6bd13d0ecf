/* SPDX-License-Identifier: MIT */
#include "applet/lock-model.h"

#include <stdio.h>
#include <stdlib.h>

/* The applet's list against a naive service, on random events in random order. A failure prints the seed;
 * AGENTCTL_LOCKS_TEST_SEED repeats it. */

#define N_ROUNDS      400
#define MAX_EVENTS    60
#define MAX_IDS       256
#define N_DIRECTORIES 7

/* --- what the list tells of itself, mirrored --- */

typedef struct
{
  AglLockModel *model;
  GPtrArray *mirror; /* the rows, from items-changed alone */
  guint n_items_changed;
  guint n_acquired[MAX_IDS], n_released[MAX_IDS];
  char *last_reason;
  guint n_changed;
  AglLockChanges changes;
} Watched;

static void
on_items_changed (GListModel *model, guint position, guint removed, guint added, gpointer user_data)
{
  Watched *watched = user_data;

  watched->n_items_changed++;
  g_assert_cmpuint (position + removed, <=, watched->mirror->len);
  if (removed > 0)
    g_ptr_array_remove_range (watched->mirror, position, removed);
  for (guint i = 0; i < added; i++)
    g_ptr_array_insert (watched->mirror, (gint)(position + i), g_list_model_get_item (model, position + i));
}

static void
on_acquired (AglLockModel *model, AglLockEntry *lock, gpointer user_data)
{
  Watched *watched = user_data;

  watched->n_acquired[agl_lock_entry_get_id (lock)]++;
}

static void
on_released (AglLockModel *model, AglLockEntry *lock, const char *reason, gpointer user_data)
{
  Watched *watched = user_data;

  watched->n_released[agl_lock_entry_get_id (lock)]++;
  g_assert_null (agl_lock_model_lookup (model, agl_lock_entry_get_id (lock)));
  g_free (watched->last_reason);
  watched->last_reason = g_strdup (reason);
}

static void
on_changed (AglLockModel *model, AglLockEntry *lock, guint changes, gpointer user_data)
{
  Watched *watched = user_data;

  watched->n_changed++;
  watched->changes |= changes;
  g_assert_true (agl_lock_model_lookup (model, agl_lock_entry_get_id (lock)) == lock);
}

static void
watched_init (Watched *watched)
{
  *watched =
      (Watched){ .model = agl_lock_model_new (), .mirror = g_ptr_array_new_with_free_func (g_object_unref) };
  g_signal_connect (watched->model, "items-changed", G_CALLBACK (on_items_changed), watched);
  g_signal_connect (watched->model, "lock-acquired", G_CALLBACK (on_acquired), watched);
  g_signal_connect (watched->model, "lock-released", G_CALLBACK (on_released), watched);
  g_signal_connect (watched->model, "lock-changed", G_CALLBACK (on_changed), watched);
}

static void
watched_clear (Watched *watched)
{
  g_object_unref (watched->model);
  g_ptr_array_unref (watched->mirror);
  g_free (watched->last_reason);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Watched, watched_clear)

/* The mirror is the list, in order of ids, each once. */
static void
assert_whole (Watched *watched)
{
  GListModel *list = G_LIST_MODEL (watched->model);
  guint n = g_list_model_get_n_items (list);
  guint64 last = 0;

  g_assert_cmpuint (n, ==, watched->mirror->len);
  for (guint i = 0; i < n; i++)
    {
      g_autoptr (AglLockEntry) entry = g_list_model_get_item (list, i);

      g_assert_true (watched->mirror->pdata[i] == entry);
      g_assert_cmpuint (agl_lock_entry_get_id (entry), >, last);
      last = agl_lock_entry_get_id (entry);
      g_assert_true (agl_lock_model_lookup (watched->model, last) == entry);
    }
  g_assert_null (g_list_model_get_item (list, n));
}

static GVariant *
facts_of (guint64 id, guint waiters)
{
  g_autofree char *directory = g_strdup_printf ("/work/%u", (guint)(id % N_DIRECTORIES));
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&builder, "{sv}", "id", g_variant_new_uint64 (id));
  g_variant_builder_add (&builder, "{sv}", "directory", g_variant_new_string (directory));
  g_variant_builder_add (&builder, "{sv}", "kind", g_variant_new_string ("process"));
  g_variant_builder_add (&builder, "{sv}", "waiters", g_variant_new_uint32 (waiters));
  return g_variant_builder_end (&builder);
}

static GVariant *
changed_of (guint waiters)
{
  return g_variant_new_parsed ("{'waiters': <%u>}", waiters);
}

static GVariant *
list_of (const char *ids)
{
  g_auto (GStrv) words = g_strsplit (ids, " ", -1);
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("aa{sv}"));
  for (char **word = words; *word != NULL && **word != '\0'; word++)
    g_variant_builder_add_value (&builder, facts_of (strtoull (*word, NULL, 10), 0));
  return g_variant_builder_end (&builder);
}

static void
assert_ids (Watched *watched, const char *expected)
{
  GString *text = g_string_new (NULL);

  assert_whole (watched);
  for (guint i = 0; i < watched->mirror->len; i++)
    g_string_append_printf (text, "%s%u", i == 0 ? "" : " ",
                            (guint)agl_lock_entry_get_id (watched->mirror->pdata[i]));
  g_assert_cmpstr (text->str, ==, expected);
  g_string_free (text, TRUE);
}

/* --- by hand --- */

static void
test_nothing_before_the_list (void)
{
  g_auto (Watched) watched = { NULL };

  watched_init (&watched);
  agl_lock_model_begin (watched.model);
  agl_lock_model_take_acquired (watched.model, 5, facts_of (5, 0));
  agl_lock_model_take_released (watched.model, 2, "exited", facts_of (2, 0));
  agl_lock_model_take_changed (watched.model, 3, changed_of (4));
  agl_lock_model_flush (watched.model);
  assert_ids (&watched, "");
  /* One that ended before the answer came is in the answer all the same: it stays ended. */
  agl_lock_model_take_list (watched.model, list_of ("1 2 3"));
  assert_ids (&watched, "1 3 5");
  g_assert_cmpuint (watched.n_items_changed, ==, 1);
  g_assert_cmpuint (agl_lock_entry_get_waiters (agl_lock_model_lookup (watched.model, 3)), ==, 4);
  g_assert_cmpuint (watched.n_acquired[5], ==, 1);
  g_assert_cmpuint (watched.n_acquired[1], ==, 0);
  g_assert_cmpuint (watched.n_released[2], ==, 1);
  g_assert_cmpstr (watched.last_reason, ==, "exited");
}

static void
test_ended_stays_ended (void)
{
  g_auto (Watched) watched = { NULL };

  watched_init (&watched);
  agl_lock_model_begin (watched.model);
  agl_lock_model_take_list (watched.model, list_of ("1 2"));
  agl_lock_model_take_released (watched.model, 2, "stolen", facts_of (2, 0));
  /* Told twice by a service that was killed, and spoken of again. */
  agl_lock_model_take_released (watched.model, 2, "stolen", facts_of (2, 0));
  agl_lock_model_take_acquired (watched.model, 2, facts_of (2, 0));
  agl_lock_model_take_changed (watched.model, 2, changed_of (1));
  agl_lock_model_flush (watched.model);
  assert_ids (&watched, "1");
  g_assert_cmpuint (watched.n_released[2], ==, 1);
  agl_lock_model_begin (watched.model);
  agl_lock_model_take_list (watched.model, list_of ("1 2"));
  assert_ids (&watched, "1");
  g_assert_cmpuint (watched.n_released[2], ==, 1);
  /* Another service counts for itself. */
  agl_lock_model_clear (watched.model);
  assert_ids (&watched, "");
  agl_lock_model_begin (watched.model);
  agl_lock_model_take_list (watched.model, list_of ("2"));
  assert_ids (&watched, "2");
}

static void
test_away_and_back (void)
{
  g_auto (Watched) watched = { NULL };
  AglLockEntry *kept;

  watched_init (&watched);
  agl_lock_model_begin (watched.model);
  agl_lock_model_take_list (watched.model, list_of ("1 2 3 4"));
  kept = agl_lock_model_lookup (watched.model, 3);
  agl_lock_model_begin (watched.model);
  assert_ids (&watched, "1 2 3 4");
  agl_lock_model_take_list (watched.model, list_of ("3 4 7"));
  assert_ids (&watched, "3 4 7");
  g_assert_true (agl_lock_model_lookup (watched.model, 3) == kept);
  g_assert_cmpuint (watched.n_released[1], ==, 0);
  /* The service tells late why it ended. */
  agl_lock_model_take_released (watched.model, 1, "exited", facts_of (1, 0));
  agl_lock_model_flush (watched.model);
  g_assert_cmpuint (watched.n_released[1], ==, 1);
  g_assert_cmpuint (watched.n_released[2], ==, 0);
}

static void
test_batches (void)
{
  g_auto (Watched) watched = { NULL };

  watched_init (&watched);
  agl_lock_model_begin (watched.model);
  agl_lock_model_take_list (watched.model, list_of (""));
  g_assert_cmpuint (watched.n_items_changed, ==, 0);
  for (guint id = 1; id <= 100; id++)
    agl_lock_model_take_acquired (watched.model, id, facts_of (id, 0));
  for (guint id = 2; id <= 100; id += 2)
    agl_lock_model_take_released (watched.model, id, "released", facts_of (id, 0));
  agl_lock_model_take_changed (watched.model, 1, changed_of (1));
  agl_lock_model_take_changed (watched.model, 1, changed_of (1));
  while (watched.n_items_changed == 0)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (watched.n_items_changed, ==, 1);
  g_assert_cmpuint (watched.mirror->len, ==, 50);
  assert_whole (&watched);
  g_assert_cmpuint (agl_lock_model_count_directories (watched.model), ==, N_DIRECTORIES);
  for (guint id = 1; id <= 100; id++)
    {
      g_assert_cmpuint (watched.n_acquired[id], ==, 1);
      g_assert_cmpuint (watched.n_released[id], ==, id % 2 == 0);
    }
  /* The second said nothing new. */
  g_assert_cmpuint (watched.n_changed, ==, 1);
  g_assert_cmpuint (watched.changes, ==, AGL_LOCK_CHANGED_WAITERS);
}

/* --- at random --- */

typedef enum
{
  ACQUIRED,
  RELEASED,
  CHANGED
} What;

typedef struct
{
  What what;
  guint id, waiters;
} Told;

/* The naive service: what is held now, and what it has told. */
typedef struct
{
  gboolean held[MAX_IDS];
  gboolean ended[MAX_IDS];
  guint waiters[MAX_IDS];
  guint last_id;
} Naive;

static gboolean
choose_held (const Naive *naive, GRand *rand, guint *id)
{
  guint start = g_rand_int_range (rand, 0, MAX_IDS);

  for (guint i = 0; i < MAX_IDS; i++)
    if (naive->held[(start + i) % MAX_IDS])
      {
        *id = (start + i) % MAX_IDS;
        return TRUE;
      }
  return FALSE;
}

static Told
happen (Naive *naive, GRand *rand)
{
  Told told = { (What)g_rand_int_range (rand, 0, 3), 0, 0 };

  if (told.what != ACQUIRED && !choose_held (naive, rand, &told.id))
    told.what = ACQUIRED;
  switch (told.what)
    {
    case ACQUIRED:
      told.id = ++naive->last_id;
      naive->held[told.id] = TRUE;
      break;
    case RELEASED:
      naive->held[told.id] = FALSE;
      naive->ended[told.id] = TRUE;
      break;
    case CHANGED:
      naive->waiters[told.id] = (guint)g_rand_int_range (rand, 0, 9);
      break;
    }
  told.waiters = naive->waiters[told.id];
  return told;
}

static void
hand_over (Watched *watched, Told told)
{
  switch (told.what)
    {
    case ACQUIRED:
      agl_lock_model_take_acquired (watched->model, told.id, facts_of (told.id, told.waiters));
      break;
    case RELEASED:
      agl_lock_model_take_released (watched->model, told.id, "exited", facts_of (told.id, told.waiters));
      break;
    case CHANGED:
      agl_lock_model_take_changed (watched->model, told.id, changed_of (told.waiters));
      break;
    }
}

static GVariant *
list_all (const Naive *naive)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("aa{sv}"));
  for (guint id = 1; id <= naive->last_id; id++)
    if (naive->held[id])
      g_variant_builder_add_value (&builder, facts_of (id, naive->waiters[id]));
  return g_variant_ref_sink (g_variant_builder_end (&builder));
}

static void
assert_same (Watched *watched, const Naive *naive)
{
  guint n = 0;

  assert_whole (watched);
  for (guint id = 1; id <= naive->last_id; id++)
    {
      AglLockEntry *entry = agl_lock_model_lookup (watched->model, id);

      g_assert_true ((entry != NULL) == naive->held[id]);
      if (entry == NULL)
        continue;
      n++;
      g_assert_cmpuint (agl_lock_entry_get_waiters (entry), ==, naive->waiters[id]);
    }
  g_assert_cmpuint (watched->mirror->len, ==, n);
}

/* One conversation: some of what happens is before it, the answer of List is as it was at some moment and
 * comes at another, and events of different locks overtake each other. */
static void
converse (Watched *watched, Naive *naive, GRand *rand)
{
  g_autoptr (GArray) told = g_array_new (FALSE, FALSE, sizeof (Told));
  g_autoptr (GVariant) list = NULL;
  guint n = (guint)g_rand_int_range (rand, 0, MAX_EVENTS / 4);
  guint asked = (guint)g_rand_int_range (rand, 0, (gint)n + 1);
  guint answered = (guint)g_rand_int_range (rand, 0, (gint)n + 1);

  for (guint i = 0; i <= n; i++)
    {
      Told event;

      if (i == asked)
        list = list_all (naive);
      if (i == n)
        break;
      event = happen (naive, rand);
      g_array_append_val (told, event);
    }
  for (guint i = 0; i + 1 < n; i++)
    {
      Told *one = &g_array_index (told, Told, i), *next = one + 1;
      Told kept = *one;

      if (one->id == next->id || !g_rand_boolean (rand))
        continue;
      *one = *next;
      *next = kept;
    }
  agl_lock_model_begin (watched->model);
  for (guint i = 0; i <= n; i++)
    {
      if (i == answered)
        agl_lock_model_take_list (watched->model, list);
      if (i < n)
        hand_over (watched, g_array_index (told, Told, i));
      if (i < n && g_array_index (told, Told, i).what == RELEASED && g_rand_int_range (rand, 0, 8) == 0)
        hand_over (watched, g_array_index (told, Told, i));
      if (g_rand_boolean (rand))
        agl_lock_model_flush (watched->model);
      assert_whole (watched);
    }
  agl_lock_model_flush (watched->model);
  assert_same (watched, naive);
}

static void
run_round (GRand *rand)
{
  g_auto (Watched) watched = { NULL };
  Naive naive = { { FALSE } };
  guint n = (guint)g_rand_int_range (rand, 1, 5);

  watched_init (&watched);
  for (guint i = 0; i < n; i++)
    {
      /* Nobody listens meanwhile. */
      for (gint unheard = g_rand_int_range (rand, 0, MAX_EVENTS / 4); unheard > 0; unheard--)
        happen (&naive, rand);
      converse (&watched, &naive, rand);
    }
  for (guint id = 0; id < MAX_IDS; id++)
    {
      g_assert_cmpuint (watched.n_acquired[id], <=, 1);
      g_assert_cmpuint (watched.n_released[id], <=, naive.ended[id]);
    }
}

static void
test_random (void)
{
  const char *given = g_getenv ("AGENTCTL_LOCKS_TEST_SEED");
  guint32 seed = given != NULL ? (guint32)strtoul (given, NULL, 10) : g_random_int ();

  g_test_message ("AGENTCTL_LOCKS_TEST_SEED=%u", seed);
  for (guint i = 0; i < N_ROUNDS; i++)
    {
      g_autoptr (GRand) rand = g_rand_new_with_seed (seed + i);

      run_round (rand);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/applet-model/nothing-before-the-list", test_nothing_before_the_list);
  g_test_add_func ("/applet-model/ended-stays-ended", test_ended_stays_ended);
  g_test_add_func ("/applet-model/away-and-back", test_away_and_back);
  g_test_add_func ("/applet-model/batches", test_batches);
  g_test_add_func ("/applet-model/random", test_random);
  return g_test_run ();
}
