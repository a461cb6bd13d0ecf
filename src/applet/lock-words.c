/* SPDX-License-Identifier: MIT */
#include "applet/lock-words.h"

#include <glib/gi18n.h>
#include <pwd.h>
#include <string.h>

#include "client/duration.h"
#include "client/place.h"
#include "common/text.h"

#define SEPARATOR " · "

/* --- pieces --- */

char *
agl_words_directory (AglLockEntry *lock)
{
  return agl_place_display (agl_lock_entry_get_directory (lock), g_get_home_dir ());
}

char *
agl_words_directory_name (AglLockEntry *lock)
{
  g_autofree char *name = g_path_get_basename (agl_lock_entry_get_directory (lock));

  return agl_text_escape (name, -1);
}

static char *
user_name (guint uid)
{
  struct passwd entry, *found = NULL;
  char buffer[4096];

  if (getpwuid_r ((uid_t)uid, &entry, buffer, sizeof buffer, &found) == 0 && found != NULL)
    return agl_text_escape (found->pw_name, -1);
  return g_strdup_printf ("%u", uid);
}

char *
agl_words_who (AglLockEntry *lock)
{
  const char *agent = agl_lock_entry_get_agent (lock);
  const char *command = agl_lock_entry_get_command (lock);

  if (*agent != '\0')
    return agl_text_escape (agent, -1);
  if (*command != '\0')
    return g_strdup (command);
  return user_name (agl_lock_entry_get_uid (lock));
}

static void
append_text (GPtrArray *parts, const char *text)
{
  if (*text != '\0')
    g_ptr_array_add (parts, agl_text_escape (text, -1));
}

static char *
join (GPtrArray *parts)
{
  g_ptr_array_add (parts, NULL);
  return g_strjoinv (SEPARATOR, (char **)parts->pdata);
}

char *
agl_words_holder (AglLockEntry *lock)
{
  g_autoptr (GPtrArray) parts = g_ptr_array_new_with_free_func (g_free);
  const char *command = agl_lock_entry_get_command (lock);
  char *who = agl_words_who (lock);

  g_ptr_array_add (parts, who);
  if (*command != '\0' && !g_str_equal (command, who))
    g_ptr_array_add (parts, g_strdup (command));
  if (agl_lock_entry_get_pid (lock) != 0)
    /* Translators: %u is the number of a process */
    g_ptr_array_add (parts, g_strdup_printf (_ ("process %u"), agl_lock_entry_get_pid (lock)));
  append_text (parts, agl_lock_entry_get_reason (lock));
  return join (parts);
}

char *
agl_words_mode (AglLockEntry *lock)
{
  g_autoptr (GPtrArray) parts = g_ptr_array_new_with_free_func (g_free);

  if (agl_lock_entry_is_claim (lock))
    /* Translators: a lock that a person holds, not a process */
    g_ptr_array_add (parts, g_strdup (C_ ("lock", "Claim")));
  if (agl_lock_entry_get_shared (lock))
    g_ptr_array_add (parts, g_strdup (_ ("Shared")));
  else if (!agl_lock_entry_is_claim (lock))
    g_ptr_array_add (parts, g_strdup (_ ("Exclusive")));
  if (agl_lock_entry_get_subtree (lock))
    g_ptr_array_add (parts, g_strdup (_ ("with everything below")));
  return join (parts);
}

char *
agl_words_waiters (AglLockEntry *lock)
{
  guint n = agl_lock_entry_get_waiters (lock);

  if (n == 0)
    return NULL;
  /* Translators: how many requests wait for a directory */
  return g_strdup_printf (g_dngettext (NULL, "%u waits", "%u wait", n), n);
}

/* --- time --- */

/* When agl_duration_to_string() says something else about a length that grows (or shrinks) from @usec on. */
static gint64
until_next_text (gint64 usec, gboolean shrinks)
{
  gint64 unit = G_TIME_SPAN_SECOND;
  gint64 rest;

  if (usec >= G_TIME_SPAN_DAY)
    unit = G_TIME_SPAN_HOUR;
  else if (usec >= G_TIME_SPAN_MINUTE)
    unit = G_TIME_SPAN_MINUTE;
  rest = usec % unit;
  return shrinks ? rest + 1 : unit - rest;
}

char *
agl_words_age (AglLockEntry *lock, gint64 now_usec, gint64 *next_usec)
{
  gint64 since = (gint64)agl_lock_entry_get_acquired_at (lock);
  gint64 until = (gint64)agl_lock_entry_get_expires_at (lock);
  gint64 age = MAX (now_usec - since, 0);
  g_autofree char *length = agl_duration_to_string (age);
  g_autofree char *left = NULL;

  *next_usec = now_usec + until_next_text (age, FALSE);
  if (until == 0)
    /* Translators: how long a lock is held; %s is a length of time such as "3min" */
    return g_strdup_printf (_ ("for %s"), length);
  left = agl_duration_to_string (MAX (until - now_usec, 0));
  if (until > now_usec)
    *next_usec = MIN (*next_usec, now_usec + until_next_text (until - now_usec, TRUE));
  /* Translators: both are lengths of time: a claim is held for 3min and ends in 2h */
  return g_strdup_printf (_ ("for %s, ends in %s"), length, left);
}

/* --- sentences --- */

char *
agl_words_warning (AglLockEntry *lock)
{
  if (agl_lock_entry_is_outside (lock))
    return g_strdup (_ ("It has left the directory; if it stays away, the lock ends."));
  if (agl_lock_entry_is_unknown (lock))
    return g_strdup (_ ("Where it works cannot be told, so the lock stays."));
  return NULL;
}

/* "14:02"; of another day with its date. */
static char *
clock_text (gint64 usec, gint64 now_usec)
{
  g_autoptr (GDateTime) time = g_date_time_new_from_unix_local (usec / G_USEC_PER_SEC);
  g_autoptr (GDateTime) now = g_date_time_new_from_unix_local (now_usec / G_USEC_PER_SEC);

  if (time == NULL || now == NULL)
    return g_strdup ("?");
  if (g_date_time_get_year (time) == g_date_time_get_year (now)
      && g_date_time_get_day_of_year (time) == g_date_time_get_day_of_year (now))
    return g_date_time_format (time, "%H:%M");
  return g_date_time_format (time, "%x %H:%M");
}

/* Points in time, not lengths: what is read out must not be another text every second. */
static void
append_times (GPtrArray *parts, AglLockEntry *lock, gint64 now_usec)
{
  g_autofree char *since = clock_text ((gint64)agl_lock_entry_get_acquired_at (lock), now_usec);
  gint64 end = (gint64)agl_lock_entry_get_expires_at (lock);
  g_autofree char *until = end == 0 ? NULL : clock_text (end, now_usec);

  /* Translators: %s is a time such as "14:02" */
  g_ptr_array_add (parts, g_strdup_printf (_ ("since %s"), since));
  if (until != NULL)
    /* Translators: %s is a time such as "14:02" */
    g_ptr_array_add (parts, g_strdup_printf (_ ("until %s"), until));
}

char *
agl_words_spoken (AglLockEntry *lock, gint64 now_usec)
{
  g_autoptr (GPtrArray) parts = g_ptr_array_new_with_free_func (g_free);
  char *more;

  g_ptr_array_add (parts, agl_words_directory (lock));
  g_ptr_array_add (parts, agl_words_holder (lock));
  g_ptr_array_add (parts, agl_words_mode (lock));
  append_times (parts, lock, now_usec);
  more = agl_words_waiters (lock);
  if (more != NULL)
    g_ptr_array_add (parts, more);
  more = agl_words_warning (lock);
  if (more != NULL)
    g_ptr_array_add (parts, more);
  g_ptr_array_add (parts, NULL);
  return g_strjoinv (", ", (char **)parts->pdata);
}

const char *
agl_words_release_reason (const char *reason)
{
  static const struct
  {
    const char *reason, *words;
  } known[] = {
    { "released", N_ ("it was released") },
    { "exited", N_ ("its process has ended") },
    { "left", N_ ("its process has left the directory") },
    { "removed", N_ ("the directory was removed") },
    { "expired", N_ ("its time was up") },
    { "forced", N_ ("somebody released it by force") },
    { "stolen", N_ ("another took it over") },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (known); i++)
    if (g_strcmp0 (known[i].reason, reason) == 0)
      return _ (known[i].words);
  return _ ("it has ended");
}
