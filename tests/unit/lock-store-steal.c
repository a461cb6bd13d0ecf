/* SPDX-License-Identifier: MIT */
#include "core/lock-store.h"

#include "sample-lock.h"
#include "shim.h"
#include "store-fixture.h"

/* A steal, broken off after each step. Odd: the winner is manual; from the third on: the loser is. */
static void
test_steal_at_each_crash_point (StoreFixture *self, gconstpointer unused)
{
  for (guint i = 0; i < 4; i++)
    {
      g_autoptr (AglLock) winner = i % 2 == 1 ? sample_manual_lock_new (7, "/a") : sample_lock_new (7, "/a");
      g_autoptr (AglLock) loser = i >= 2 ? sample_manual_lock_new (9, "/a") : sample_lock_new (9, "/a");
      g_autoptr (AglLock) also = sample_lock_new (10, "/a/b");
      g_autoptr (GPtrArray) losers = store_fixture_pointers (loser, also);

      store_fixture_save (self, loser);
      store_fixture_save (self, also);

      /* written, not renamed */
      sample_file_write (i % 2 == 1 ? self->claims : self->locks, "7.json.tmp", "{\"version\":1,");
      store_fixture_crash (self);
      store_fixture_assert_loaded (self, "9 10");

      /* renamed, the losers' files untouched */
      agl_faults_set ("renameat *.over-stolen * EIO");
      g_assert_true (agl_lock_store_save (self->store, winner, losers, NULL));
      g_assert_cmpuint (sample_log_take (NULL), ==, 2);
      g_assert_true (sample_file_exists (self->locks, "10.json"));
      store_fixture_crash (self);
      store_fixture_assert_loaded (self, "7 9over-stolen 10over-stolen");

      /* one announced, the other not */
      agl_lock_store_announced (self->store, 9);
      store_fixture_crash (self);
      store_fixture_assert_loaded (self, "7 10over-stolen");
      agl_lock_store_announced (self->store, 10);
      store_fixture_crash (self);
      store_fixture_assert_loaded (self, "7");

      agl_lock_store_forget (self->store, winner, AGL_RELEASE_RELEASED, NULL);
      store_fixture_crash (self);
      store_fixture_assert_loaded (self, "7over-released");
      agl_lock_store_announced (self->store, 7);
    }
}

/* While the loser's own file cannot be touched its end must not be lost with the winner's file: neither when
 * that is rewritten, nor when the winner is over too. */
static void
test_unmarked_losers_stay_over (StoreFixture *self, gconstpointer unused)
{
  g_autoptr (AglLock) winner = sample_lock_new (7, "/a");
  g_autoptr (AglLock) loser = sample_lock_new (5, "/a");
  g_autoptr (GPtrArray) losers = store_fixture_pointers (loser, NULL);
  g_autoptr (GError) error = NULL;

  store_fixture_save (self, loser);
  agl_faults_set ("renameat */5.over-stolen * EIO");
  g_assert_true (agl_lock_store_save (self->store, winner, losers, NULL));
  winner->mode = AGL_MODE_SHARED;
  g_assert_true (agl_lock_store_save (self->store, winner, NULL, NULL));
  store_fixture_crash (self);
  agl_faults_set ("renameat */5.over-stolen * EIO");
  store_fixture_assert_loaded (self, "5over-stolen 7");
  g_assert_true (sample_file_exists (self->locks, "5.json"));

  agl_faults_set ("renameat */5.over-stolen * EIO;unlinkat */5.json * EIO");
  agl_lock_store_announced (self->store, 5);
  g_assert_true (agl_lock_store_save (self->store, winner, NULL, NULL));
  g_assert_true (agl_lock_store_forget (self->store, winner, AGL_RELEASE_EXITED, &error));
  agl_lock_store_announced (self->store, 7);
  g_assert_true (sample_file_exists (self->locks, "7.over-exited"));
  store_fixture_crash (self);
  store_fixture_assert_loaded (self, "5over-stolen 7over-exited");

  /* the cause is gone */
  agl_lock_store_announced (self->store, 7);
  agl_lock_store_announced (self->store, 5);
  g_assert_cmpuint (sample_folder_count (self->locks), ==, 0);
}

static void
test_chain_of_thieves (StoreFixture *self, gconstpointer unused)
{
  g_autoptr (AglLock) first = sample_lock_new (1, "/a");
  g_autoptr (AglLock) second = sample_lock_new (2, "/a");
  g_autoptr (AglLock) third = sample_lock_new (3, "/a");
  g_autoptr (GPtrArray) firsts = store_fixture_pointers (first, NULL);
  g_autoptr (GPtrArray) seconds = store_fixture_pointers (second, NULL);

  store_fixture_save (self, first);
  agl_faults_set ("renameat *.over-* * EIO");
  g_assert_true (agl_lock_store_save (self->store, second, firsts, NULL));
  g_assert_true (agl_lock_store_save (self->store, third, seconds, NULL));
  store_fixture_crash (self);
  store_fixture_assert_loaded (self, "1over-stolen 2over-stolen 3");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  sample_log_catch ();
  store_fixture_add ("/lock-store-steal/steal-at-each-crash-point", test_steal_at_each_crash_point);
  store_fixture_add ("/lock-store-steal/unmarked-losers-stay-over", test_unmarked_losers_stay_over);
  store_fixture_add ("/lock-store-steal/chain-of-thieves", test_chain_of_thieves);
  return g_test_run ();
}
