/* SPDX-License-Identifier: MIT */
#include "core/id-counter.h"

#include <unistd.h>

#include "common/error.h"
#include "core/lock-file-name.h"
#include "sample-lock.h"
#include "shim.h"

typedef struct
{
  char *path;
  AglPrivateFolder *folder;
} Fixture;

static void
set_up (Fixture *self, gconstpointer unused)
{
  self->path = sample_folder_new ();
  self->folder = agl_private_folder_open (self->path, TRUE, NULL);
  g_assert_nonnull (self->folder);
}

static void
tear_down (Fixture *self, gconstpointer unused)
{
  agl_faults_set (NULL);
  sample_log_take (NULL);
  agl_private_folder_free (self->folder);
  sample_folder_remove (self->path);
}

static guint64
next (AglIdCounter *counter)
{
  g_autoptr (GError) error = NULL;
  guint64 id = agl_id_counter_next (counter, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (id, !=, 0);
  return id;
}

static void
test_clean_stops_skip_nothing (Fixture *self, gconstpointer unused)
{
  guint64 expected = 1;

  for (guint start = 0; start < 10; start++)
    {
      g_autoptr (AglIdCounter) counter = agl_id_counter_new (self->folder, start == 0);

      for (guint i = 0; i < start * 60; i++)
        g_assert_cmpuint (next (counter), ==, expected++);
    }
  g_assert_cmpuint (sample_log_take (NULL), ==, 0);
}

/* A crash is a counter that is not freed before the next one starts. */
static void
test_crashes_repeat_nothing (Fixture *self, gconstpointer unused)
{
  g_autoptr (GPtrArray) crashed = g_ptr_array_new_with_free_func ((GDestroyNotify)agl_id_counter_free);
  guint64 last = 0;

  for (guint start = 0; start < 20; start++)
    {
      AglIdCounter *counter = agl_id_counter_new (self->folder, start == 0);

      for (guint i = 0; i < (start % 3) * 200; i++)
        {
          guint64 id = next (counter);

          g_assert_cmpuint (id, >, last);
          last = id;
        }
      g_ptr_array_add (crashed, counter);
    }
  g_assert_cmpuint (last, <, 20 * 3 * 256);

  /* One that stops late takes back nobody's block. */
  g_ptr_array_set_size (crashed, 19);
  g_ptr_array_set_size (crashed, 0);
  {
    g_autoptr (AglIdCounter) counter = agl_id_counter_new (self->folder, FALSE);

    g_assert_cmpuint (next (counter), >, last);
  }
  g_assert_cmpuint (sample_log_take (NULL), ==, 0);
}

static void
test_killed_before_the_first (Fixture *self, gconstpointer unused)
{
  AglIdCounter *killed = agl_id_counter_new (self->folder, TRUE);
  g_autoptr (AglIdCounter) counter = agl_id_counter_new (self->folder, FALSE);

  g_assert_cmpuint (next (counter), ==, 1);
  agl_id_counter_free (killed);
}

static void
test_raise (Fixture *self, gconstpointer unused)
{
  g_autoptr (AglIdCounter) counter = agl_id_counter_new (self->folder, TRUE);

  agl_id_counter_raise (counter, 1000);
  agl_id_counter_raise (counter, 10);
  g_assert_cmpuint (next (counter), ==, 1001);
  agl_id_counter_raise (counter, 5000);
  g_assert_cmpuint (next (counter), ==, 5001);
}

/* Whatever stands in the file: above everything that may have been given. */
static void
test_damage (Fixture *self, gconstpointer unused)
{
  static const char *const damaged[] = { "",
                                         "\n",
                                         "5",
                                         "55",
                                         "5\n6\n",
                                         "five\n",
                                         "-5\n",
                                         "+5\n",
                                         " 5\n",
                                         "5 \n",
                                         "0x5\n",
                                         "9007199254740992\n",
                                         "18446744073709551617\n",
                                         "00000000000000000000000000005\n" };

  for (gsize i = 0; i < G_N_ELEMENTS (damaged); i++)
    {
      guint64 now = g_get_real_time ();
      guint64 first;

      g_test_message ("\"%s\"", damaged[i]);
      sample_file_write (self->path, "last-id", damaged[i]);
      {
        g_autoptr (AglIdCounter) counter = agl_id_counter_new (self->folder, i % 2 == 0);

        first = next (counter);
        g_assert_cmpuint (first, >, now);
        g_assert_cmpuint (sample_log_take (NULL), ==, 2);
      }
      {
        g_autoptr (AglIdCounter) counter = agl_id_counter_new (self->folder, FALSE);

        g_assert_cmpuint (next (counter), ==, first + 1);
        g_assert_cmpuint (sample_log_take (NULL), ==, 0);
      }
    }
}

static void
test_loss (Fixture *self, gconstpointer unused)
{
  g_autoptr (AglIdCounter) counter = agl_id_counter_new (self->folder, FALSE);
  guint64 now = g_get_real_time ();

  g_assert_cmpuint (next (counter), >, now);
  g_assert_cmpuint (sample_log_take (NULL), ==, 1);
}

static void
test_no_file_of_ours (Fixture *self, gconstpointer unused)
{
  g_autofree char *path = g_build_filename (self->path, "last-id", NULL);
  g_autoptr (AglIdCounter) counter = NULL;
  guint64 now = g_get_real_time ();

  sample_file_write (self->path, "elsewhere", "5\n");
  g_assert_no_errno (symlink ("elsewhere", path));
  counter = agl_id_counter_new (self->folder, FALSE);
  g_assert_cmpuint (next (counter), >, now);
  g_assert_true (sample_file_exists (self->path, "last-id.bad"));
}

static void
test_recovers (Fixture *self, gconstpointer unused)
{
  static const char *const rules[] = { "openat *last-id * EMFILE",    "openat *last-id.tmp * EROFS",
                                       "write *last-id.tmp * ENOSPC", "fsync *last-id.tmp * EIO",
                                       "renameat *last-id * EIO",     "fsync *agl-store-?????? * EIO",
                                       "openat *last-id.tmp * EACCES" };
  guint64 last = 0;

  for (gsize i = 0; i < G_N_ELEMENTS (rules); i++)
    {
      g_autoptr (AglIdCounter) counter = agl_id_counter_new (self->folder, i == 0);
      g_autoptr (GError) error = NULL;
      guint64 id;

      agl_faults_set (rules[i]);
      if (i == 0)
        {
          agl_id_counter_free (counter);
          counter = agl_id_counter_new (self->folder, FALSE);
        }
      for (guint n = 0; n < 3; n++)
        {
          g_assert_cmpuint (agl_id_counter_next (counter, &error), ==, 0);
          g_assert_error (error, AGL_ERROR, AGL_ERROR_UNAVAILABLE);
          g_assert_nonnull (strstr (error->message, self->path));
          g_clear_error (&error);
        }
      g_assert_cmpuint (agl_faults_count (), >=, 3);
      agl_faults_set (NULL);
      id = next (counter);
      g_assert_cmpuint (id, ==, last + 1);
      last = id;
    }
  g_assert_cmpuint (sample_log_take (NULL), ==, 0);
}

/* A block that is reserved goes on being given while the disk is full. */
static void
test_block_lasts (Fixture *self, gconstpointer unused)
{
  g_autoptr (AglIdCounter) counter = agl_id_counter_new (self->folder, TRUE);
  g_autoptr (GError) error = NULL;
  guint n = 1;

  next (counter);
  agl_faults_set ("write *last-id.tmp * ENOSPC");
  while (agl_id_counter_next (counter, &error) != 0)
    n++;
  g_assert_error (error, AGL_ERROR, AGL_ERROR_UNAVAILABLE);
  g_assert_cmpuint (n, ==, 256);
  agl_faults_set (NULL);
  g_assert_cmpuint (next (counter), ==, 257);
}

static void
test_run_out (Fixture *self, gconstpointer unused)
{
  g_autoptr (AglIdCounter) counter = agl_id_counter_new (self->folder, TRUE);
  g_autoptr (GError) error = NULL;

  agl_id_counter_raise (counter, AGL_MAX_LOCK_ID);
  g_assert_cmpuint (agl_id_counter_next (counter, &error), ==, 0);
  g_assert_error (error, AGL_ERROR, AGL_ERROR_UNAVAILABLE);
}

static void
add (const char *path, void (*test) (Fixture *, gconstpointer))
{
  g_test_add (path, Fixture, NULL, set_up, test, tear_down);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  sample_log_catch ();
  add ("/id-counter/clean-stops-skip-nothing", test_clean_stops_skip_nothing);
  add ("/id-counter/crashes-repeat-nothing", test_crashes_repeat_nothing);
  add ("/id-counter/killed-before-the-first", test_killed_before_the_first);
  add ("/id-counter/raise", test_raise);
  add ("/id-counter/damage", test_damage);
  add ("/id-counter/loss", test_loss);
  add ("/id-counter/no-file-of-ours", test_no_file_of_ours);
  add ("/id-counter/recovers", test_recovers);
  add ("/id-counter/block-lasts", test_block_lasts);
  add ("/id-counter/run-out", test_run_out);
  return g_test_run ();
}
