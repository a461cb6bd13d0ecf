/* SPDX-License-Identifier: MIT */
#pragma once
#include "core/lock.h"

/* Locks for the tests of the store, and a place where the warnings that it logs are counted instead of
 * ending the test. */

/* Of a process that need not exist. */
AglLock *sample_lock_new (guint64 id, const char *path);
AglLock *sample_manual_lock_new (guint64 id, const char *path);
/* Every field anything that it may be, the hostile included. */
AglLock *sample_lock_new_random (GRand *rand);

/* Every field that a file holds. */
void sample_lock_assert_equal (const AglLock *a, const AglLock *b);

/* From now on; once a program. */
void sample_log_catch (void);
/* How many warnings since the last call; @last: (out) (optional) (transfer full) (nullable) the last one. */
guint sample_log_take (char **last);

/* A folder of one's own for a test; removed with all that is in it. */
char *sample_folder_new (void);
void sample_folder_remove (char *path);
/* Writes @text into the file FOLDER/NAME. */
void sample_file_write (const char *folder, const char *name, const char *text);
gboolean sample_file_exists (const char *folder, const char *name);
guint sample_folder_count (const char *folder);
