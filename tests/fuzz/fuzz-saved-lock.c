/* SPDX-License-Identifier: MIT */

/* A state file may hold anything after a crash of the machine. What is accepted must also be what would be
 * written: the same lock, in a text that is read back to itself. */
#include "fuzz.h"

#include <string.h>

#include "core/lock-file.h"

static void
check_written (const AglSavedLock *saved)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *first = agl_lock_file_format (saved->lock, saved->world, saved->supersedes, &error);
  g_autofree char *second = NULL;
  g_autoptr (AglSavedLock) again = NULL;

  g_assert_no_error (error);
  again = agl_saved_lock_parse (first, strlen (first), &error);
  g_assert_no_error (error);
  second = agl_lock_file_format (again->lock, again->world, again->supersedes, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (first, ==, second);
  g_assert_cmpuint (again->lock->id, ==, saved->lock->id);
  g_assert_cmpint (again->same_world, ==, saved->same_world);
  g_assert_cmpstr (agl_directory_get_path (again->lock->directory), ==,
                   agl_directory_get_path (saved->lock->directory));
}

int
LLVMFuzzerTestOneInput (const guint8 *data, size_t n_bytes)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (AglSavedLock) saved = agl_saved_lock_parse ((const char *)data, n_bytes, &error);

  if (saved == NULL)
    g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA);
  else
    {
      g_assert_no_error (error);
      check_written (saved);
    }
  return 0;
}
