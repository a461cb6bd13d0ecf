/* SPDX-License-Identifier: MIT */
#include "client/lock-columns.h"

#include <glib/gi18n.h>
#include <pwd.h>

#include "client/duration.h"
#include "client/place.h"
#include "common/text.h"

guint64
agl_row_number (GVariant *row, const char *key, guint64 otherwise)
{
  guint64 large;
  guint32 small;

  if (g_variant_lookup (row, key, "t", &large))
    return large;
  if (g_variant_lookup (row, key, "u", &small))
    return small;
  return otherwise;
}

gboolean
agl_row_flag (GVariant *row, const char *key)
{
  gboolean flag;

  return g_variant_lookup (row, key, "b", &flag) && flag;
}

char *
agl_row_text (GVariant *row, const char *key)
{
  const char *text;

  return g_variant_lookup (row, key, "&s", &text) ? agl_text_escape (text, -1) : NULL;
}

/* The service gives a command's name escaped already: what is a backslash there stays one. */
static char *
row_command (GVariant *row)
{
  g_auto (GStrv) parts = NULL;
  const char *text;

  if (!g_variant_lookup (row, "command", "&s", &text))
    return NULL;
  parts = g_strsplit (text, "\\", -1);
  for (char **part = parts; *part != NULL; part++)
    {
      char *escaped = agl_text_escape (*part, -1);

      g_free (*part);
      *part = escaped;
    }
  return g_strjoinv ("\\", parts);
}

static char *
number_text (GVariant *row, const char *key)
{
  guint64 number = agl_row_number (row, key, 0);

  return number == 0 ? NULL : g_strdup_printf ("%" G_GUINT64_FORMAT, number);
}

static char *
user_name (guint64 uid)
{
  static GHashTable *names;
  const struct passwd *entry;
  char *name;

  if (names == NULL)
    names = g_hash_table_new_full (NULL, NULL, NULL, g_free);
  name = g_hash_table_lookup (names, GSIZE_TO_POINTER (uid));
  if (name == NULL)
    {
      entry = getpwuid ((uid_t)uid);
      name =
          entry != NULL ? agl_text_escape (entry->pw_name, -1) : g_strdup_printf ("%" G_GUINT64_FORMAT, uid);
      g_hash_table_insert (names, GSIZE_TO_POINTER (uid), name);
    }
  return g_strdup (name);
}

static gboolean
row_is (GVariant *row, const char *kind)
{
  const char *text;

  return g_variant_lookup (row, "kind", "&s", &text) && g_str_equal (text, kind);
}

char *
agl_row_who (GVariant *row)
{
  char *who = agl_row_text (row, "agent");

  if (who != NULL && *who != '\0')
    return who;
  g_free (who);
  who = row_command (row);
  if (who != NULL && *who != '\0')
    return who;
  g_free (who);
  return user_name (agl_row_number (row, "uid", 0));
}

/* --- cells --- */

static char *
cell_id (GVariant *row, const AglScreen *screen)
{
  return number_text (row, "id");
}

static char *
cell_pid (GVariant *row, const AglScreen *screen)
{
  return number_text (row, "pid");
}

static char *
cell_uid (GVariant *row, const AglScreen *screen)
{
  return g_strdup_printf ("%" G_GUINT64_FORMAT, agl_row_number (row, "uid", 0));
}

static char *
cell_user (GVariant *row, const AglScreen *screen)
{
  return user_name (agl_row_number (row, "uid", 0));
}

/* The words that the service has for what a lock is. */
static const char *const words[] = {
  /* Translators: of a lock: held by a process, or made by hand */
  NC_ ("lock", "process"), NC_ ("lock", "manual"), NC_ ("lock", "unregistered"), NC_ ("lock", "exclusive"),
  NC_ ("lock", "shared"),  NC_ ("lock", "inside"), NC_ ("lock", "outside"),      NC_ ("lock", "unknown"),
  NC_ ("lock", "ignored"), NC_ ("lock", "yes"),    NC_ ("lock", "no"),
};

/* For a person in his language, elsewhere as it is. A word of a newer service is shown as it came. */
static char *
show_word (char *word, const AglScreen *screen)
{
  for (gsize i = 0; word != NULL && screen->is_terminal && i < G_N_ELEMENTS (words); i++)
    if (g_str_equal (words[i], word))
      {
        g_free (word);
        return g_strdup (g_dpgettext2 (NULL, "lock", words[i]));
      }
  return word;
}

static char *
cell_kind (GVariant *row, const AglScreen *screen)
{
  return show_word (agl_row_text (row, "kind"), screen);
}

static char *
cell_who (GVariant *row, const AglScreen *screen)
{
  return agl_row_who (row);
}

static char *
cell_command (GVariant *row, const AglScreen *screen)
{
  return row_command (row);
}

static char *
cell_agent (GVariant *row, const AglScreen *screen)
{
  return agl_row_text (row, "agent");
}

static char *
cell_session (GVariant *row, const AglScreen *screen)
{
  return agl_row_text (row, "session");
}

static char *
cell_reason (GVariant *row, const AglScreen *screen)
{
  return agl_row_text (row, "reason");
}

static char *
cell_mode (GVariant *row, const AglScreen *screen)
{
  g_autofree char *mode = NULL;

  if (row_is (row, "unregistered"))
    return show_word (g_strdup ("unregistered"), screen);
  mode = show_word (g_strdup (agl_row_flag (row, "shared") ? "shared" : "exclusive"), screen);
  return g_strconcat (mode, agl_row_flag (row, "subtree") ? "/**" : "", NULL);
}

/* ISO 8601 where a program may read it. */
static char *
absolute_time (guint64 usec)
{
  g_autoptr (GDateTime) time = g_date_time_new_from_unix_local ((gint64)(usec / G_USEC_PER_SEC));

  return time == NULL ? NULL : g_date_time_format (time, "%Y-%m-%dT%H:%M:%S%z");
}

static char *
cell_acquired (GVariant *row, const AglScreen *screen)
{
  guint64 usec = agl_row_number (row, "acquired-at", 0);

  return usec == 0 ? NULL : absolute_time (usec);
}

static char *
cell_since (GVariant *row, const AglScreen *screen)
{
  guint64 usec = agl_row_number (row, "acquired-at", 0);

  if (usec == 0 || !screen->is_terminal)
    return cell_acquired (row, screen);
  return agl_duration_ago (screen->now_usec - (gint64)usec);
}

static char *
cell_expires (GVariant *row, const AglScreen *screen)
{
  guint64 usec = agl_row_number (row, "expires-at", 0);
  g_autofree char *left = NULL;

  if (usec == 0 || !screen->is_terminal)
    return usec == 0 ? NULL : absolute_time (usec);
  left = agl_duration_to_string ((gint64)usec - screen->now_usec);
  /* Translators: %s is a length of time such as "3min" */
  return g_strdup_printf (_ ("in %s"), left);
}

static char *
cell_cwd_state (GVariant *row, const AglScreen *screen)
{
  return show_word (agl_row_text (row, "cwd"), screen);
}

/* A holder that is elsewhere, or of which that cannot be told, keeps its lock for now. */
static const char *
colour_cwd_state (GVariant *row)
{
  const char *state;

  if (!g_variant_lookup (row, "cwd", "&s", &state))
    return NULL;
  return g_str_equal (state, "outside") || g_str_equal (state, "unknown") ? AGL_COLOUR_NOTICE : NULL;
}

static const char *
colour_mode (GVariant *row)
{
  return row_is (row, "unregistered") ? AGL_COLOUR_ALERT : NULL;
}

static char *
cell_follow (GVariant *row, const AglScreen *screen)
{
  return show_word (g_strdup (agl_row_flag (row, "follow-cwd") ? "yes" : "no"), screen);
}

static char *
cell_shared (GVariant *row, const AglScreen *screen)
{
  return show_word (g_strdup (agl_row_flag (row, "shared") ? "yes" : "no"), screen);
}

static char *
cell_subtree (GVariant *row, const AglScreen *screen)
{
  return show_word (g_strdup (agl_row_flag (row, "subtree") ? "yes" : "no"), screen);
}

static char *
cell_waiters (GVariant *row, const AglScreen *screen)
{
  return g_strdup_printf ("%" G_GUINT64_FORMAT, agl_row_number (row, "waiters", 0));
}

static char *
cell_by (GVariant *row, const AglScreen *screen)
{
  return number_text (row, "acquired-by");
}

static char *
cell_directory_bytes (GVariant *bytes)
{
  gsize n;
  const char *data = g_variant_get_fixed_array (bytes, &n, 1);

  return agl_text_escape (data, (gssize)n);
}

static char *
path_text (GVariant *row, const char *key, const AglScreen *screen)
{
  const char *text;

  return g_variant_lookup (row, key, "&s", &text) ? agl_place_display (text, screen->home) : NULL;
}

static char *
cell_directory (GVariant *row, const AglScreen *screen)
{
  g_autoptr (GVariant) bytes = g_variant_lookup_value (row, "directory-bytes", G_VARIANT_TYPE_BYTESTRING);

  /* Of a name that is not UTF-8 "directory" is a form that is escaped already. */
  if (bytes != NULL)
    return cell_directory_bytes (bytes);
  return path_text (row, "directory", screen);
}

static char *
cell_cwd (GVariant *row, const AglScreen *screen)
{
  return path_text (row, "cwd", screen);
}

static char *
cell_lock (GVariant *row, const AglScreen *screen)
{
  return number_text (row, "lock");
}

/* How much the usual columns matter on a terminal that is too narrow for all of them: the smaller the longer.
 */
enum
{
  EXTRA, /* not a usual one */
  DIRECTORY,
  WHO,
  PID,
  MODE,
  ID,
  SINCE,
  REASON,
  USER,
  WAIT,
  CWD
};

/* Translators: the words in capitals, context "column", are headings of a table on a terminal: short ones. */
#define COLUMN_DIRECTORY                                                                                \
  {                                                                                                     \
    NC_ ("column", "DIRECTORY"), N_ ("the directory"), AGL_CUT_START, FALSE, DIRECTORY, cell_directory, \
        .key = "directory-bytes"                                                                        \
  }
#define COLUMN_WAIT                                                                               \
  {                                                                                               \
    NC_ ("column", "WAIT"), N_ ("how many wait for it"), AGL_CUT_NEVER, TRUE, WAIT, cell_waiters, \
        .key = "waiters"                                                                          \
  }
#define COLUMN_SHARED                                                                               \
  {                                                                                                 \
    NC_ ("column", "SHARED"), N_ ("whether it is shared"), AGL_CUT_NEVER, FALSE, EXTRA, cell_shared \
  }
#define COLUMN_SUBTREE                                                                                 \
  {                                                                                                    \
    NC_ ("column", "SUBTREE"), N_ ("whether it covers everything below"), AGL_CUT_NEVER, FALSE, EXTRA, \
        cell_subtree                                                                                   \
  }
#define COLUMN_ACQUIRED                                                                                  \
  {                                                                                                      \
    NC_ ("column", "ACQUIRED"), N_ ("when it was acquired, to the second"), AGL_CUT_NEVER, FALSE, EXTRA, \
        cell_acquired, .key = "acquired-at"                                                              \
  }
#define COLUMN_EXPIRES                                                                                   \
  {                                                                                                      \
    NC_ ("column", "EXPIRES"), N_ ("when it ends by itself"), AGL_CUT_NEVER, FALSE, EXTRA, cell_expires, \
        .key = "expires-at"                                                                              \
  }
#define COLUMN_FOLLOW                                                                                     \
  {                                                                                                       \
    NC_ ("column", "FOLLOW"), N_ ("whether it ends when its holder leaves the directory"), AGL_CUT_NEVER, \
        FALSE, EXTRA, cell_follow, .key = "follow-cwd"                                                    \
  }
#define COLUMN_BY                                                                                           \
  {                                                                                                         \
    NC_ ("column", "BY"), N_ ("the process that acquired it, for itself or for the holder"), AGL_CUT_NEVER, \
        TRUE, EXTRA, cell_by, .key = "acquired-by"                                                          \
  }
#define COLUMN_WHO                                                                                     \
  {                                                                                                    \
    NC_ ("column", "WHO"), N_ ("the agent, else the command, else the user"), AGL_CUT_END, FALSE, WHO, \
        cell_who                                                                                       \
  }

const AglColumn agl_lock_columns[] = {
  { NC_ ("column", "ID"), N_ ("number of the lock"), AGL_CUT_NEVER, TRUE, ID, cell_id },
  { NC_ ("column", "PID"), N_ ("the process that holds it; none holds a manual lock"), AGL_CUT_NEVER, TRUE,
    PID, cell_pid },
  { NC_ ("column", "USER"), N_ ("whose it is"), AGL_CUT_NEVER, FALSE, USER, cell_user },
  COLUMN_WHO,
  { NC_ ("column", "MODE"), N_ ("exclusive or shared; /** with everything below"), AGL_CUT_NEVER, FALSE, MODE,
    cell_mode, colour_mode },
  { NC_ ("column", "SINCE"), N_ ("when it was acquired"), AGL_CUT_NEVER, FALSE, SINCE, cell_since },
  { NC_ ("column", "CWD"), N_ ("whether its holder works inside; “ignored” where that does not matter"),
    AGL_CUT_NEVER, FALSE, CWD, cell_cwd_state, colour_cwd_state },
  COLUMN_WAIT,
  COLUMN_DIRECTORY,
  { NC_ ("column", "REASON"), N_ ("what it was acquired for"), AGL_CUT_END, FALSE, REASON, cell_reason },
  { NC_ ("column", "KIND"), N_ ("process or manual"), AGL_CUT_NEVER, FALSE, EXTRA, cell_kind },
  COLUMN_SHARED,
  COLUMN_SUBTREE,
  { NC_ ("column", "UID"), N_ ("whose it is, as a number"), AGL_CUT_NEVER, TRUE, EXTRA, cell_uid },
  { NC_ ("column", "COMMAND"), N_ ("the command's name"), AGL_CUT_END, FALSE, EXTRA, cell_command },
  { NC_ ("column", "AGENT"), N_ ("the agent, as its holder says"), AGL_CUT_END, FALSE, EXTRA, cell_agent },
  { NC_ ("column", "SESSION"), N_ ("the session, as its holder says"), AGL_CUT_END, FALSE, EXTRA,
    cell_session },
  COLUMN_ACQUIRED,
  COLUMN_EXPIRES,
  COLUMN_FOLLOW,
  COLUMN_BY,
  { NULL },
};

const AglColumn agl_blocker_columns[] = {
  { NC_ ("column", "ID"), N_ ("number of the lock; an unregistered agent has none"), AGL_CUT_NEVER, TRUE, ID,
    cell_id },
  { NC_ ("column", "PID"), N_ ("the process"), AGL_CUT_NEVER, TRUE, PID, cell_pid },
  { NC_ ("column", "USER"), N_ ("whose it is"), AGL_CUT_NEVER, FALSE, USER, cell_user },
  COLUMN_WHO,
  { NC_ ("column", "MODE"), N_ ("exclusive or shared; /** with everything below; or unregistered"),
    AGL_CUT_NEVER, FALSE, MODE, cell_mode, colour_mode },
  { NC_ ("column", "SINCE"), N_ ("when it was acquired"), AGL_CUT_NEVER, FALSE, SINCE, cell_since },
  COLUMN_WAIT,
  COLUMN_DIRECTORY,
  { NC_ ("column", "REASON"), N_ ("what it was acquired for"), AGL_CUT_END, FALSE, REASON, cell_reason },
  { NC_ ("column", "KIND"), N_ ("process or manual; or unregistered"), AGL_CUT_NEVER, FALSE, EXTRA,
    cell_kind },
  COLUMN_SHARED,
  COLUMN_SUBTREE,
  { NC_ ("column", "CWD"), N_ ("whether its holder works inside; “ignored” where that does not matter"),
    AGL_CUT_NEVER, FALSE, EXTRA, cell_cwd_state, colour_cwd_state },
  { NC_ ("column", "UID"), N_ ("whose it is, as a number"), AGL_CUT_NEVER, TRUE, EXTRA, cell_uid },
  { NC_ ("column", "COMMAND"), N_ ("the command's name"), AGL_CUT_END, FALSE, EXTRA, cell_command },
  { NC_ ("column", "AGENT"), N_ ("the agent, as its holder or the catalogue says"), AGL_CUT_END, FALSE, EXTRA,
    cell_agent },
  { NC_ ("column", "SESSION"), N_ ("the session, as its holder says"), AGL_CUT_END, FALSE, EXTRA,
    cell_session },
  COLUMN_ACQUIRED,
  COLUMN_EXPIRES,
  COLUMN_FOLLOW,
  COLUMN_BY,
  { NULL },
};

const AglColumn agl_occupant_columns[] = {
  { NC_ ("column", "PID"), N_ ("the process"), AGL_CUT_NEVER, TRUE, PID, cell_pid },
  { NC_ ("column", "USER"), N_ ("whose it is"), AGL_CUT_NEVER, FALSE, USER, cell_user },
  { NC_ ("column", "COMMAND"), N_ ("the command's name"), AGL_CUT_END, FALSE, MODE, cell_command },
  { NC_ ("column", "AGENT"), N_ ("which known agent it is"), AGL_CUT_END, FALSE, WHO, cell_agent },
  { NC_ ("column", "LOCK"), N_ ("number of the lock that it holds there"), AGL_CUT_NEVER, TRUE, ID,
    cell_lock },
  { NC_ ("column", "CWD"), N_ ("its working directory"), AGL_CUT_START, FALSE, DIRECTORY, cell_cwd },
  { NC_ ("column", "UID"), N_ ("whose it is, as a number"), AGL_CUT_NEVER, TRUE, EXTRA, cell_uid },
  { NULL },
};
