/* SPDX-License-Identifier: MIT */
#pragma once
#include "applet/lock-entry.h"

/* A lock in words for people, in their language; texts from outside are made harmless. Callers free strings.
 */

/* "~/src/project": the home folder shortened. */
char *agl_words_directory (AglLockEntry *lock);

/* "project": its last part. */
char *agl_words_directory_name (AglLockEntry *lock);

/* The agent, else the command, else the user's name; of a claim the user's name. */
char *agl_words_who (AglLockEntry *lock);

/* "claude · process 4242 · fix the parser": who, and what is known besides. */
char *agl_words_holder (AglLockEntry *lock);

/* "Exclusive", "Shared · with everything below", "Claim": one line. */
char *agl_words_mode (AglLockEntry *lock);

/* "2 wait"; NULL when nobody does. */
char *agl_words_waiters (AglLockEntry *lock);

/* "for 3min"; of a claim with an end also when that is. *next_usec: when this text is another one, µs since
 * the epoch. */
char *agl_words_age (AglLockEntry *lock, gint64 now_usec, gint64 *next_usec);

/* What to worry about; NULL: nothing. */
char *agl_words_warning (AglLockEntry *lock);

/* All of it in one sentence, for who does not see the row. */
char *agl_words_spoken (AglLockEntry *lock, gint64 now_usec);

/* Why a lock ended, by the reason of LockReleased: "its holder has ended". Static; one for reasons not known
 * yet. */
const char *agl_words_release_reason (const char *reason);
