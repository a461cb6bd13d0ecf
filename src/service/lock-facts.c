/* SPDX-License-Identifier: MIT */
#include "service/lock-facts.h"

#include "common/text.h"

#include <string.h>

char *
agl_path_to_display (const char *path)
{
  return g_utf8_validate (path, -1, NULL) ? g_strdup (path) : agl_text_escape (path, -1);
}

/* A dictionary is made for each event and each line of a list, and has thirteen entries or more: what they
 * all share (keys, whole entries with one of few values) is made once. Ten thousand at a time, these are two
 * thirds of what it would cost to have g_variant_builder_add() make them anew. */
typedef enum
{
  KEY_ID,
  KEY_DIRECTORY,
  KEY_DIRECTORY_BYTES,
  KEY_KIND,
  KEY_PID,
  KEY_UID,
  KEY_COMMAND,
  KEY_SHARED,
  KEY_SUBTREE,
  KEY_FOLLOW_CWD,
  KEY_CWD,
  KEY_WAITERS,
  KEY_AGENT,
  KEY_SESSION,
  KEY_REASON,
  KEY_ACQUIRED_AT,
  KEY_ACQUIRED_BY,
  KEY_EXPIRES_AT,
  KEY_LOCK,
  N_KEYS
} Key;

static const char *const key_names[N_KEYS] = {
  [KEY_ID] = "id",
  [KEY_DIRECTORY] = "directory",
  [KEY_DIRECTORY_BYTES] = "directory-bytes",
  [KEY_KIND] = "kind",
  [KEY_PID] = "pid",
  [KEY_UID] = "uid",
  [KEY_COMMAND] = "command",
  [KEY_SHARED] = "shared",
  [KEY_SUBTREE] = "subtree",
  [KEY_FOLLOW_CWD] = "follow-cwd",
  [KEY_CWD] = "cwd",
  [KEY_WAITERS] = "waiters",
  [KEY_AGENT] = "agent",
  [KEY_SESSION] = "session",
  [KEY_REASON] = "reason",
  [KEY_ACQUIRED_AT] = "acquired-at",
  [KEY_ACQUIRED_BY] = "acquired-by",
  [KEY_EXPIRES_AT] = "expires-at",
  [KEY_LOCK] = "lock",
};

/* The entries of one dictionary, each key once. */
typedef struct
{
  GVariant *entries[N_KEYS]; /* floating, or kept for ever */
  gsize n_entries;
} Facts;

static GVariant *
new_entry (Key key, GVariant *value)
{
  static GVariant *keys[N_KEYS];

  if (keys[key] == NULL)
    keys[key] = g_variant_ref_sink (g_variant_new_string (key_names[key]));
  return g_variant_new_dict_entry (keys[key], g_variant_new_variant (value));
}

static void
add (Facts *facts, Key key, GVariant *value)
{
  facts->entries[facts->n_entries++] = new_entry (key, value);
}

/* @value: static, one of few. */
static void
add_word (Facts *facts, Key key, const char *value, GVariant **kept)
{
  if (*kept == NULL)
    *kept = g_variant_ref_sink (new_entry (key, g_variant_new_string (value)));
  facts->entries[facts->n_entries++] = *kept;
}

static void
add_boolean (Facts *facts, Key key, gboolean value)
{
  static GVariant *kept[N_KEYS][2];
  GVariant **entry = &kept[key][value ? 1 : 0];

  if (*entry == NULL)
    *entry = g_variant_ref_sink (new_entry (key, g_variant_new_boolean (value)));
  facts->entries[facts->n_entries++] = *entry;
}

static GVariant *
finish (const Facts *facts)
{
  return g_variant_new_array (G_VARIANT_TYPE ("{sv}"), facts->entries, facts->n_entries);
}

static void
add_path (Facts *facts, const char *path)
{
  add (facts, KEY_DIRECTORY, g_variant_new_take_string (agl_path_to_display (path)));
}

/* @length 0: there is nothing that "directory" does not say. */
static void
add_path_bytes (Facts *facts, const char *path, gsize length)
{
  add (facts, KEY_DIRECTORY_BYTES, g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, path, length, 1));
}

static void
add_directory (Facts *facts, const AglDirectory *directory)
{
  const char *path = agl_directory_get_path (directory);

  add_path (facts, path);
  if (!g_utf8_validate (path, -1, NULL))
    add_path_bytes (facts, path, strlen (path));
}

static void
add_text (Facts *facts, Key key, const char *text)
{
  if (text != NULL)
    add (facts, key, g_variant_new_string (text));
}

static void
add_kind (Facts *facts, gboolean is_manual)
{
  static GVariant *manual, *process;

  if (is_manual)
    add_word (facts, KEY_KIND, "manual", &manual);
  else
    add_word (facts, KEY_KIND, "process", &process);
}

static void
add_cwd (Facts *facts, AglCwd cwd)
{
  static GVariant *kept[AGL_CWD_IGNORED + 1];

  add_word (facts, KEY_CWD, agl_cwd_to_string (cwd), &kept[cwd]);
}

static void
add_holder (Facts *facts, const AglLock *lock, AglChange what)
{
  if ((what & AGL_CHANGED_KIND) != 0)
    add_kind (facts, lock->manual);
  if ((what & AGL_CHANGED_PID) != 0)
    add (facts, KEY_PID, g_variant_new_uint32 ((guint32)lock->token.pid));
  if ((what & AGL_CHANGED_UID) != 0)
    add (facts, KEY_UID, g_variant_new_uint32 (lock->uid));
  if ((what & AGL_CHANGED_COMMAND) != 0)
    add (facts, KEY_COMMAND, g_variant_new_string (lock->command));
}

static void
add_rest (Facts *facts, const AglLock *lock, AglChange what)
{
  if ((what & AGL_CHANGED_SHARED) != 0)
    add_boolean (facts, KEY_SHARED, (lock->mode & AGL_MODE_SHARED) != 0);
  if ((what & AGL_CHANGED_SUBTREE) != 0)
    add_boolean (facts, KEY_SUBTREE, (lock->mode & AGL_MODE_SUBTREE) != 0);
  if ((what & AGL_CHANGED_FOLLOW) != 0)
    add_boolean (facts, KEY_FOLLOW_CWD, lock->follow_cwd);
  if ((what & AGL_CHANGED_CWD) != 0)
    add_cwd (facts, lock->cwd);
  if ((what & AGL_CHANGED_WAITERS) != 0)
    add (facts, KEY_WAITERS, g_variant_new_uint32 (lock->n_waiters));
  if ((what & AGL_CHANGED_AGENT) != 0)
    add_text (facts, KEY_AGENT, lock->texts.agent);
  if ((what & AGL_CHANGED_SESSION) != 0)
    add_text (facts, KEY_SESSION, lock->texts.session);
  if ((what & AGL_CHANGED_REASON) != 0)
    add_text (facts, KEY_REASON, lock->texts.reason);
}

static void
add_expiry (Facts *facts, const AglLock *lock)
{
  add (facts, KEY_EXPIRES_AT, g_variant_new_uint64 ((guint64)lock->expires_at_usec));
}

/* Those of the facts that not everybody may read. */
static AglChange
without_texts (AglChange what, gboolean with_texts)
{
  return with_texts ? what : what & ~AGL_CHANGED_TEXTS;
}

GVariant *
agl_lock_facts (const AglLock *lock, gboolean with_texts)
{
  const AglChange all = without_texts (~0, with_texts);
  Facts facts = { 0 };

  add (&facts, KEY_ID, g_variant_new_uint64 (lock->id));
  add_directory (&facts, lock->directory);
  add_holder (&facts, lock, all);
  add_rest (&facts, lock, all);
  add (&facts, KEY_ACQUIRED_AT, g_variant_new_uint64 ((guint64)lock->acquired_at_usec));
  add (&facts, KEY_ACQUIRED_BY, g_variant_new_uint32 ((guint32)lock->acquirer.pid));
  if (lock->expires_at_usec != 0)
    add_expiry (&facts, lock);
  return finish (&facts);
}

GVariant *
agl_lock_changed_facts (const AglLock *lock, AglChange what, gboolean with_texts)
{
  const char *path = agl_directory_get_path (lock->directory);
  Facts facts = { 0 };

  what = without_texts (what, with_texts);
  if (what == 0)
    return NULL;
  if ((what & AGL_CHANGED_DIRECTORY) != 0)
    add_path (&facts, path);
  if ((what & AGL_CHANGED_DIRECTORY_BYTES) != 0)
    add_path_bytes (&facts, path, g_utf8_validate (path, -1, NULL) ? 0 : strlen (path));
  add_holder (&facts, lock, what);
  add_rest (&facts, lock, what);
  if ((what & AGL_CHANGED_EXPIRY) != 0)
    add_expiry (&facts, lock);
  return finish (&facts);
}

GVariant *
agl_outsider_facts (const AglOutsider *outsider, const AglDirectory *directory)
{
  static GVariant *unregistered;
  Facts facts = { 0 };

  add_word (&facts, KEY_KIND, "unregistered", &unregistered);
  add (&facts, KEY_PID, g_variant_new_uint32 ((guint32)agl_process_get_pid (outsider->process)));
  add (&facts, KEY_UID, g_variant_new_uint32 (outsider->uid));
  add (&facts, KEY_COMMAND, g_variant_new_string (outsider->command));
  add (&facts, KEY_AGENT, g_variant_new_string (outsider->agent));
  add_directory (&facts, directory);
  return finish (&facts);
}

GVariant *
agl_occupant_facts (const AglOccupant *occupant, const char *cwd, guint64 lock)
{
  Facts facts = { 0 };

  add (&facts, KEY_PID, g_variant_new_uint32 ((guint32)occupant->pid));
  add (&facts, KEY_UID, g_variant_new_uint32 (occupant->uid));
  add (&facts, KEY_COMMAND, g_variant_new_string (occupant->command));
  add (&facts, KEY_CWD, g_variant_new_take_string (agl_path_to_display (cwd)));
  add (&facts, KEY_AGENT, g_variant_new_string (occupant->agent != NULL ? occupant->agent : ""));
  add (&facts, KEY_LOCK, g_variant_new_uint64 (lock));
  return finish (&facts);
}
