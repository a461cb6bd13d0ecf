/* SPDX-License-Identifier: MIT */

/* The format, version 1. Private to this service: other programs ask the service. One object on one line, in
 * ASCII; a member that says nothing is left out where it is marked with a question mark.
 *
 *   version       1; a file of a higher version is of a later service and is left to it
 *   id            integer, as in the file's name
 *   world         agl_process_world() within which the tokens below mean something
 *   directory     object: path        text (for display where path-bytes is there)
 *                         path-bytes? the path as hexadecimal digits, when it is not UTF-8
 *                         dev, ino    decimal digits as text: 64 bits do not fit into JSON's numbers
 *                         handle?     file handle, hexadecimal digits
 *                         foreign     the path is of another mount view
 *                         ancestors   array of "DEV:INO", nearest first
 *   holder?       object: pid integer, token text; exactly when it is not manual
 *   acquirer      object: pid integer, token? text
 *   uid           integer
 *   shared, subtree, manual, follow-cwd      booleans
 *   acquired-at   integer, microseconds since the epoch
 *   expires-at?   the same
 *   command       text, escaped for display
 *   agent?, session?, reason?   texts
 *   supersedes?   array of ids: locks that ended as stolen with the rename that put this file in its place
 *
 * Further members are passed over, so that a later service may add some that an earlier one can do without.
 *
 * What changes all the time and is looked at anew after a restart (where the holder is, who waits) is not
 * saved. */
#include "core/lock-file.h"

#include <string.h>

#include "common/error.h"
#include "common/names.h"
#include "common/text.h"
#include "core/saved-directory.h"
#include "core/strict-json.h"

#define VERSION 1

#define MAX_SUPERSEDES  16384
#define MAX_WORLD_BYTES 128
#define MAX_UID         (G_MAXUINT32 - 1) /* (uid_t) -1 is "no user" to the kernel */

void
agl_saved_lock_free (AglSavedLock *saved)
{
  g_clear_pointer (&saved->lock, agl_lock_unref);
  g_clear_pointer (&saved->supersedes, g_array_unref);
  g_free (saved->world);
  g_free (saved);
}

static gboolean
invalid (GError **error, const char *what)
{
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, what);
  return FALSE;
}

/* Writing. */

static gboolean
is_text (const char *text)
{
  return text == NULL || agl_text_is_acceptable (text);
}

/* What keeps @lock from being read back; NULL: nothing. The counterpart of what the readers below refuse. */
static const char *
find_fault (const AglLock *lock, const char *world, const GArray *supersedes)
{
  const char *fault = agl_saved_directory_find_fault (lock->directory);

  if (fault != NULL)
    return fault;
  if (lock->id == 0 || lock->id > AGL_MAX_LOCK_ID)
    return "its id is out of range";
  if (lock->manual != (lock->token.kind == AGL_TOKEN_NONE))
    return "its holder is not known";
  if ((!lock->manual && lock->token.pid <= 0) || lock->acquirer.pid < 0)
    return "a pid is out of range";
  if (lock->uid > MAX_UID)
    return "its user is out of range";
  if (lock->acquired_at_usec < 0 || lock->expires_at_usec < 0)
    return "its time is out of range";
  if (!is_text (lock->command) || !is_text (lock->texts.agent) || !is_text (lock->texts.session)
      || !is_text (lock->texts.reason))
    return "a text is too long or not UTF-8";
  if (strlen (world) > MAX_WORLD_BYTES || (supersedes != NULL && supersedes->len > MAX_SUPERSEDES))
    return "it supersedes too many";
  return NULL;
}

static void
add_string (JsonObject *object, const char *key, const char *text)
{
  if (text != NULL)
    json_object_set_string_member (object, key, text);
}

static void
add_process (JsonObject *object, const char *key, const AglProcessToken *token)
{
  JsonObject *process = json_object_new ();

  json_object_set_int_member (process, "pid", token->pid);
  if (token->kind != AGL_TOKEN_NONE)
    {
      g_autofree char *text = agl_process_token_to_string (token);

      add_string (process, "token", text);
    }
  json_object_set_object_member (object, key, process);
}

static void
add_supersedes (JsonObject *object, const GArray *supersedes)
{
  JsonArray *ids;

  if (supersedes == NULL || supersedes->len == 0)
    return;
  ids = json_array_sized_new (supersedes->len);
  for (guint i = 0; i < supersedes->len; i++)
    json_array_add_int_element (ids, g_array_index (supersedes, guint64, i));
  json_object_set_array_member (object, "supersedes", ids);
}

char *
agl_lock_file_format (const AglLock *lock, const char *world, const GArray *supersedes, GError **error)
{
  const char *fault = find_fault (lock, world, supersedes);
  JsonObject *object;
  g_autoptr (JsonNode) node = NULL;

  if (fault != NULL)
    {
      g_set_error (error, AGL_ERROR, AGL_ERROR_UNAVAILABLE, "Lock %" G_GUINT64_FORMAT " cannot be saved: %s",
                   lock->id, fault);
      return NULL;
    }

  object = json_object_new ();
  json_object_set_int_member (object, "version", VERSION);
  json_object_set_int_member (object, "id", lock->id);
  add_string (object, "world", world);
  json_object_set_object_member (object, "directory", agl_saved_directory_to_json (lock->directory));
  if (!lock->manual)
    add_process (object, "holder", &lock->token);
  add_process (object, "acquirer", &lock->acquirer);
  json_object_set_int_member (object, "uid", lock->uid);
  json_object_set_boolean_member (object, "shared", (lock->mode & AGL_MODE_SHARED) != 0);
  json_object_set_boolean_member (object, "subtree", (lock->mode & AGL_MODE_SUBTREE) != 0);
  json_object_set_boolean_member (object, "manual", lock->manual);
  json_object_set_boolean_member (object, "follow-cwd", lock->follow_cwd);
  json_object_set_int_member (object, "acquired-at", lock->acquired_at_usec);
  if (lock->expires_at_usec != 0)
    json_object_set_int_member (object, "expires-at", lock->expires_at_usec);
  add_string (object, "command", lock->command != NULL ? lock->command : "");
  add_string (object, "agent", lock->texts.agent);
  add_string (object, "session", lock->texts.session);
  add_string (object, "reason", lock->texts.reason);
  add_supersedes (object, supersedes);

  node = json_node_init_object (json_node_alloc (), object);
  json_object_unref (object);
  return agl_strict_json_to_string (node);
}

/* Reading. */

/* @text: (inout) stays NULL when there is no such member. */
static gboolean
read_text (JsonObject *object, const char *key, char **text, GError **error)
{
  const char *found;

  if (!json_object_has_member (object, key))
    return TRUE;
  found = agl_strict_json_get_string (object, key, error);
  if (found == NULL)
    return FALSE;
  if (!agl_text_is_acceptable (found))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "\"%s\" is too long or not UTF-8", key);
      return FALSE;
    }
  *text = g_strdup (found);
  return TRUE;
}

static gboolean
read_process (
    JsonObject *object, const char *key, gboolean need_token, AglProcessToken *token, GError **error)
{
  JsonObject *process = agl_strict_json_get_object (object, key, error);
  const char *text;
  gint64 pid;

  if (process == NULL
      || !agl_strict_json_get_int (process, "pid", need_token ? 1 : 0, G_MAXINT32, &pid, error))
    return FALSE;
  token->pid = pid;
  if (!need_token && !json_object_has_member (process, "token"))
    return TRUE;
  text = agl_strict_json_get_string (process, "token", error);
  if (text == NULL)
    return FALSE;
  if (!agl_process_token_parse (text, pid, token) || token->kind == AGL_TOKEN_NONE)
    return invalid (error, "\"token\" is not of the form of one");
  return TRUE;
}

static gboolean
read_mode (JsonObject *object, AglLock *lock, GError **error)
{
  gboolean shared, subtree, manual, follow_cwd;

  if (!agl_strict_json_get_boolean (object, "shared", &shared, error)
      || !agl_strict_json_get_boolean (object, "subtree", &subtree, error)
      || !agl_strict_json_get_boolean (object, "manual", &manual, error)
      || !agl_strict_json_get_boolean (object, "follow-cwd", &follow_cwd, error))
    return FALSE;
  lock->manual = manual != FALSE;
  lock->follow_cwd = follow_cwd != FALSE;
  lock->mode = (shared ? AGL_MODE_SHARED : 0) | (subtree ? AGL_MODE_SUBTREE : 0);
  lock->cwd = lock->follow_cwd && !lock->manual ? AGL_CWD_UNKNOWN : AGL_CWD_IGNORED;
  return TRUE;
}

static gboolean
read_times (JsonObject *object, AglLock *lock, GError **error)
{
  if (!agl_strict_json_get_int (object, "acquired-at", 0, G_MAXINT64, &lock->acquired_at_usec, error))
    return FALSE;
  if (!json_object_has_member (object, "expires-at"))
    return TRUE;
  return agl_strict_json_get_int (object, "expires-at", 1, G_MAXINT64, &lock->expires_at_usec, error);
}

static gboolean
read_texts (JsonObject *object, AglLock *lock, GError **error)
{
  if (!json_object_has_member (object, "command"))
    return invalid (error, "\"command\" is missing");
  return read_text (object, "command", &lock->command, error)
         && read_text (object, "agent", &lock->texts.agent, error)
         && read_text (object, "session", &lock->texts.session, error)
         && read_text (object, "reason", &lock->texts.reason, error);
}

static gboolean
read_supersedes (JsonObject *object, AglSavedLock *saved, GError **error)
{
  JsonArray *array;

  if (!json_object_has_member (object, "supersedes"))
    return TRUE;
  array = agl_strict_json_get_array (object, "supersedes", MAX_SUPERSEDES, error);
  if (array == NULL)
    return FALSE;
  for (guint i = 0; i < json_array_get_length (array); i++)
    {
      JsonNode *node = json_array_get_element (array, i);
      guint64 id;

      if (!JSON_NODE_HOLDS_VALUE (node) || json_node_get_value_type (node) != G_TYPE_INT64)
        return invalid (error, "\"supersedes\" are not all ids");
      id = (guint64)json_node_get_int (node);
      if (id == 0 || id > AGL_MAX_LOCK_ID || id == saved->lock->id)
        return invalid (error, "\"supersedes\" are not all ids");
      g_array_append_val (saved->supersedes, id);
    }
  return TRUE;
}

static gboolean
read_world (JsonObject *object, AglSavedLock *saved, GError **error)
{
  const char *here = agl_process_world ();
  const char *world = agl_strict_json_get_string (object, "world", error);
  const char *slash;

  if (world == NULL)
    return FALSE;
  slash = strchr (world, '/');
  if (slash == NULL || slash == world || slash[1] == '\0' || strlen (world) > MAX_WORLD_BYTES)
    return invalid (error, "\"world\" is not of the form BOOT/NAMESPACE");
  saved->world = g_strdup (world);
  saved->same_world = strcmp (world, here) == 0;
  saved->same_boot = strncmp (world, here, slash + 1 - world) == 0;
  return TRUE;
}

static gboolean
read_lock (JsonObject *object, AglSavedLock *saved, GError **error)
{
  AglLock *lock = saved->lock;
  JsonObject *directory;
  gint64 number;

  if (!agl_strict_json_get_int (object, "version", 1, G_MAXINT64, &number, error))
    return FALSE;
  if (number > VERSION)
    return invalid (error, "written by a later version of this service");
  if (!agl_strict_json_get_int (object, "id", 1, AGL_MAX_LOCK_ID, &number, error))
    return FALSE;
  lock->id = number;
  if (!agl_strict_json_get_int (object, "uid", 0, MAX_UID, &number, error))
    return FALSE;
  lock->uid = number;

  directory = agl_strict_json_get_object (object, "directory", error);
  if (directory == NULL)
    return FALSE;
  lock->directory = agl_saved_directory_from_json (directory, error);
  if (lock->directory == NULL || !read_world (object, saved, error) || !read_mode (object, lock, error)
      || !read_times (object, lock, error) || !read_texts (object, lock, error))
    return FALSE;

  if (lock->manual && json_object_has_member (object, "holder"))
    return invalid (error, "a manual lock has no holder");
  if (!lock->manual && !read_process (object, "holder", TRUE, &lock->token, error))
    return FALSE;
  return read_process (object, "acquirer", FALSE, &lock->acquirer, error)
         && read_supersedes (object, saved, error);
}

AglSavedLock *
agl_saved_lock_parse_with (JsonParser *parser, const char *data, gsize n_bytes, GError **error)
{
  g_autoptr (AglSavedLock) saved = NULL;
  g_autoptr (GError) local = NULL;
  JsonNode *root;

  if (n_bytes > AGL_MAX_LOCK_FILE_BYTES)
    {
      invalid (error, "too long");
      return NULL;
    }
  if (!agl_strict_json_check (data, n_bytes, error))
    return NULL;
  if (!json_parser_load_from_data (parser, data, n_bytes, &local))
    {
      invalid (error, local->message);
      return NULL;
    }
  root = json_parser_get_root (parser);
  if (root == NULL || !JSON_NODE_HOLDS_OBJECT (root))
    {
      invalid (error, "no JSON object");
      return NULL;
    }

  saved = g_new0 (AglSavedLock, 1);
  saved->lock = agl_lock_new ();
  saved->supersedes = g_array_new (FALSE, FALSE, sizeof (guint64));
  return read_lock (json_node_get_object (root), saved, error) ? g_steal_pointer (&saved) : NULL;
}

AglSavedLock *
agl_saved_lock_parse (const char *data, gsize n_bytes, GError **error)
{
  g_autoptr (JsonParser) parser = json_parser_new ();

  return agl_saved_lock_parse_with (parser, data, n_bytes, error);
}
