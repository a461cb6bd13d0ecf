/* SPDX-License-Identifier: MIT */
#include "client/agentctl-file.h"

#include <json-glib/json-glib.h>
#include <string.h>

#include "common/names.h"

/* An entry is a flat object of some 200 bytes. json-glib 1.6 overflows the stack on deep nesting. */
#define MAX_ENTRY_BYTES (64 * 1024)
#define MAX_DEPTH       16

static void
entry_free (gpointer data)
{
  AglAgentctlEntry *entry = data;

  g_free (entry->directory);
  g_free (entry->session);
  g_free (entry->by);
  g_free (entry->why);
  g_free (entry);
}

/* Behind the object that begins at @start; NULL: it has no end, or not within what an entry may take. A raw
 * newline ends a string, since JSON has none in it: a quote that is missing then costs one entry. */
static const char *
find_end (const char *start, const char *end)
{
  gboolean in_string = FALSE;
  guint depth = 0;

  end = MIN (end, start + MAX_ENTRY_BYTES);
  for (const char *p = start; p < end; p++)
    {
      if (in_string && *p == '\\' && p + 1 < end)
        p++;
      else if (*p == '"' || (in_string && *p == '\n'))
        in_string = !in_string;
      else if (in_string)
        continue;
      else if (*p == '{' || *p == '[')
        depth++;
      else if (*p == '}' || *p == ']')
        depth--;
      if (depth == 0)
        return p + 1;
      if (depth > MAX_DEPTH)
        return NULL;
    }
  return NULL;
}

/* A member that is text and not empty; NULL: none. Cut to @max_bytes, at a character. Caller frees. */
static char *
dup_text (JsonObject *object, const char *key, gsize max_bytes)
{
  JsonNode *node = json_object_get_member (object, key);
  const char *text, *end;

  if (node == NULL || !JSON_NODE_HOLDS_VALUE (node) || json_node_get_value_type (node) != G_TYPE_STRING)
    return NULL;
  text = json_node_get_string (node);
  if (*text == '\0')
    return NULL;
  if (strlen (text) <= max_bytes)
    return g_strdup (text);
  end = g_utf8_find_prev_char (text, text + max_bytes + 1);
  return g_strndup (text, (gsize)(end - text));
}

/* 0: none, or no number of a process. */
static int
get_pid (JsonObject *object)
{
  JsonNode *node = json_object_get_member (object, "pid");
  gint64 pid;

  if (node == NULL || !JSON_NODE_HOLDS_VALUE (node) || json_node_get_value_type (node) != G_TYPE_INT64)
    return 0;
  pid = json_node_get_int (node);
  return pid > 0 && pid <= G_MAXINT ? (int)pid : 0;
}

static gint64
get_time (JsonObject *object)
{
  g_autofree char *text = dup_text (object, "lockedAt", 64);
  g_autoptr (GDateTime) time = text == NULL ? NULL : g_date_time_new_from_iso8601 (text, NULL);

  return time == NULL ? -1 : g_date_time_to_unix (time) * G_USEC_PER_SEC + g_date_time_get_microsecond (time);
}

static AglAgentctlKind
kind_of (JsonObject *object, const AglAgentctlEntry *entry)
{
  g_autofree char *type = dup_text (object, "type", 16);

  if (entry->directory == NULL || *entry->directory != '/')
    return AGL_AGENTCTL_UNREADABLE;
  if (g_strcmp0 (type, "manual") == 0)
    return AGL_AGENTCTL_MANUAL;
  if (g_strcmp0 (type, "auto") == 0)
    return entry->pid != 0 ? AGL_AGENTCTL_AUTO : AGL_AGENTCTL_SESSION;
  if (type != NULL || json_object_has_member (object, "type"))
    return AGL_AGENTCTL_UNREADABLE;
  /* Before there were types every lock was somebody's. */
  return entry->by != NULL || entry->why != NULL ? AGL_AGENTCTL_MANUAL : AGL_AGENTCTL_SESSION;
}

/* FALSE: that is no JSON. */
static gboolean
read_entry (const char *text, gsize length, AglAgentctlEntry *entry)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  JsonNode *root;
  JsonObject *object;

  /* No zero byte in it either. */
  if (!g_utf8_validate (text, (gssize)length, NULL)
      || !json_parser_load_from_data (parser, text, (gssize)length, NULL))
    return FALSE;
  root = json_parser_get_root (parser);
  if (root == NULL || !JSON_NODE_HOLDS_OBJECT (root))
    return FALSE;
  object = json_node_get_object (root);
  entry->directory = dup_text (object, "directory", MAX_ENTRY_BYTES);
  entry->pid = get_pid (object);
  entry->session = dup_text (object, "sessionId", AGL_MAX_TEXT_BYTES);
  entry->by = dup_text (object, "lockedBy", AGL_MAX_TEXT_BYTES);
  if (entry->by == NULL)
    entry->by = dup_text (object, "by", AGL_MAX_TEXT_BYTES);
  entry->why = dup_text (object, "reason", AGL_MAX_TEXT_BYTES);
  entry->locked_at_usec = get_time (object);
  entry->kind = kind_of (object, entry);
  return TRUE;
}

static const char *
skip_space (const char *p, const char *end)
{
  while (p < end && g_ascii_isspace (*p))
    p++;
  return p;
}

/* Behind the "[" with which the list begins: alone, or as "locks" of an object. NULL: there is none. */
static const char *
find_list (const char *data, const char *end)
{
  const char *p = skip_space (data, end);

  if (p < end && *p == '[')
    return p + 1;
  if (p == end || *p != '{')
    return NULL;
  while ((p = g_strstr_len (p, end - p, "\"locks\"")) != NULL)
    {
      p = skip_space (p + strlen ("\"locks\""), end);
      if (p == end || *p != ':')
        continue;
      p = skip_space (p + 1, end);
      if (p < end && *p == '[')
        return p + 1;
    }
  return NULL;
}

static guint
count_lines (const char *from, const char *to)
{
  guint n = 0;

  for (; from < to; from++)
    n += *from == '\n' ? 1 : 0;
  return n;
}

GPtrArray *
agl_agentctl_file_parse (const char *data, gsize n_bytes, gboolean *is_whole)
{
  const char *end = data + n_bytes;
  const char *p = find_list (data, end);
  const char *counted = data;
  g_autoptr (GPtrArray) entries = NULL;
  guint line = 1;

  *is_whole = FALSE;
  if (p == NULL)
    return NULL;
  entries = g_ptr_array_new_with_free_func (entry_free);
  while (p < end && *p != ']')
    {
      AglAgentctlEntry *entry;
      const char *after;

      if (*p != '{')
        {
          p++;
          continue;
        }
      entry = g_new0 (AglAgentctlEntry, 1);
      entry->kind = AGL_AGENTCTL_UNREADABLE;
      entry->locked_at_usec = -1;
      line += count_lines (counted, p);
      counted = p;
      entry->line = line;
      after = find_end (p, end);
      /* What begins inside of a damaged one may be whole. */
      p = after != NULL && read_entry (p, (gsize)(after - p), entry) ? after : p + 1;
      g_ptr_array_add (entries, entry);
    }
  *is_whole = p < end;
  return g_steal_pointer (&entries);
}
