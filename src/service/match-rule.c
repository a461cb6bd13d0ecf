/* SPDX-License-Identifier: MIT */
#include "service/match-rule.h"

#include <string.h>

#include "common/text.h"

/* D-Bus specification, "Match Rules": arg0 to arg63. */
#define MAX_ARG 63

typedef enum
{
  ARG_STRING,
  ARG_PATH,
  ARG_NAMESPACE
} ArgKind;

typedef struct
{
  guint index;
  ArgKind kind;
  char *value;
} Arg;

typedef enum
{
  FIELD_SENDER,
  FIELD_INTERFACE,
  FIELD_MEMBER,
  FIELD_PATH,
  FIELD_PATH_NAMESPACE,
  FIELD_DESTINATION,
  N_FIELDS
} Field;

struct _AglMatchRule
{
  GDBusMessageType type;  /* INVALID: any */
  char *fields[N_FIELDS]; /* NULL: any */
  GArray *args;           /* of Arg, by index and kind */
};

static gboolean
is_true_or_false (const char *value)
{
  return strcmp (value, "true") == 0 || strcmp (value, "false") == 0;
}

static gboolean
is_path (const char *value)
{
  return g_variant_is_object_path (value);
}

static gboolean
is_bus_name (const char *value)
{
  return g_dbus_is_name (value);
}

static gboolean
is_interface (const char *value)
{
  return g_dbus_is_interface_name (value);
}

static gboolean
is_member (const char *value)
{
  return g_dbus_is_member_name (value);
}

static const struct
{
  const char *key;
  gboolean (*is_valid) (const char *value);
} fields[N_FIELDS] = {
  [FIELD_SENDER] = { "sender", is_bus_name },
  [FIELD_INTERFACE] = { "interface", is_interface },
  [FIELD_MEMBER] = { "member", is_member },
  [FIELD_PATH] = { "path", is_path },
  [FIELD_PATH_NAMESPACE] = { "path_namespace", is_path },
  [FIELD_DESTINATION] = { "destination", is_bus_name },
};

static const struct
{
  const char *word;
  GDBusMessageType type;
} types[] = {
  { "signal", G_DBUS_MESSAGE_TYPE_SIGNAL },
  { "method_call", G_DBUS_MESSAGE_TYPE_METHOD_CALL },
  { "method_return", G_DBUS_MESSAGE_TYPE_METHOD_RETURN },
  { "error", G_DBUS_MESSAGE_TYPE_ERROR },
};

static void
arg_clear (gpointer data)
{
  Arg *arg = data;

  g_free (arg->value);
}

static int
arg_compare (gconstpointer a, gconstpointer b)
{
  const Arg *first = a, *second = b;

  if (first->index != second->index)
    return first->index < second->index ? -1 : 1;
  return (int)first->kind - (int)second->kind;
}

void
agl_match_rule_free (AglMatchRule *self)
{
  if (self == NULL)
    return;
  for (guint i = 0; i < N_FIELDS; i++)
    g_free (self->fields[i]);
  g_array_unref (self->args);
  g_free (self);
}

/* Parsing */

/* Quotes may stand anywhere in a value; a backslash counts only outside them, before a quote. NULL: a quote
 * is missing. */
static char *
take_value (const char **cursor)
{
  g_autoptr (GString) value = g_string_new (NULL);
  gboolean is_quoted = FALSE;
  const char *c = *cursor;

  for (; *c != '\0' && (is_quoted || *c != ','); c++)
    {
      if (*c == '\'')
        is_quoted = !is_quoted;
      else if (!is_quoted && c[0] == '\\' && c[1] == '\'')
        g_string_append_c (value, *++c);
      else
        g_string_append_c (value, *c);
    }
  *cursor = *c == ',' ? c + 1 : c;
  return is_quoted ? NULL : g_strdup (value->str);
}

static gboolean
set_type (AglMatchRule *self, const char *value)
{
  if (self->type != G_DBUS_MESSAGE_TYPE_INVALID)
    return FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS (types); i++)
    {
      if (strcmp (value, types[i].word) == 0)
        self->type = types[i].type;
    }
  return self->type != G_DBUS_MESSAGE_TYPE_INVALID;
}

static gboolean
parse_arg_key (const char *key, Arg *arg)
{
  const char *digits = key + strlen ("arg");
  gsize n_digits;

  if (!g_str_has_prefix (key, "arg"))
    return FALSE;
  n_digits = strspn (digits, "0123456789");
  if (n_digits == 0 || n_digits > 2)
    return FALSE;
  arg->index = (guint)g_ascii_strtoull (digits, NULL, 10);
  if (arg->index > MAX_ARG)
    return FALSE;

  if (digits[n_digits] == '\0')
    arg->kind = ARG_STRING;
  else if (strcmp (digits + n_digits, "path") == 0)
    arg->kind = ARG_PATH;
  else if (strcmp (key, "arg0namespace") == 0)
    arg->kind = ARG_NAMESPACE;
  else
    return FALSE;
  return TRUE;
}

/* A namespace is a name, or the first part of one: a single element has no dot. */
static gboolean
is_namespace (const char *value)
{
  g_autofree char *longer = g_strconcat (value, ".x", NULL);

  return value[0] != ':' && g_dbus_is_name (longer);
}

static gboolean
set_arg (AglMatchRule *self, const char *key, const char *value)
{
  Arg arg;

  if (!parse_arg_key (key, &arg) || (arg.kind == ARG_NAMESPACE && !is_namespace (value)))
    return FALSE;
  for (guint i = 0; i < self->args->len; i++)
    {
      if (g_array_index (self->args, Arg, i).index == arg.index)
        return FALSE;
    }
  arg.value = g_strdup (value);
  g_array_append_val (self->args, arg);
  return TRUE;
}

static gboolean
set_pair (AglMatchRule *self, const char *key, const char *value)
{
  if (strcmp (key, "type") == 0)
    return set_type (self, value);
  /* Monitors of old ask for it. There is nobody to eavesdrop on. */
  if (strcmp (key, "eavesdrop") == 0)
    return is_true_or_false (value);

  for (guint i = 0; i < N_FIELDS; i++)
    {
      if (strcmp (key, fields[i].key) != 0)
        continue;
      if (self->fields[i] != NULL || !fields[i].is_valid (value))
        return FALSE;
      self->fields[i] = g_strdup (value);
      return TRUE;
    }
  return set_arg (self, key, value);
}

static AglMatchRule *
fail (GError **error, const char *text, const char *what)
{
  g_autofree char *shown = agl_text_escape (text, -1);

  g_set_error (error, G_DBUS_ERROR, G_DBUS_ERROR_MATCH_RULE_INVALID, "%s in the match rule “%s”", what,
               shown);
  return NULL;
}

AglMatchRule *
agl_match_rule_parse (const char *text, GError **error)
{
  g_autoptr (AglMatchRule) self = g_new0 (AglMatchRule, 1);
  const char *cursor = text;

  self->args = g_array_new (FALSE, FALSE, sizeof (Arg));
  g_array_set_clear_func (self->args, arg_clear);
  for (;;)
    {
      g_autofree char *key = NULL;
      g_autofree char *value = NULL;
      gsize n_key;

      cursor += strspn (cursor, " \t\r\n");
      if (*cursor == '\0')
        break;
      n_key = strcspn (cursor, "=");
      if (cursor[n_key] == '\0')
        return fail (error, text, "“=” is missing");
      key = g_strndup (cursor, n_key);
      g_strchomp (key);
      cursor += n_key + 1;
      value = take_value (&cursor);
      if (value == NULL)
        return fail (error, text, "A quotation mark is missing");
      if (!set_pair (self, key, value))
        return fail (error, text, "There is an unknown or repeated key, or a value that its key cannot have");
    }
  if (self->fields[FIELD_PATH] != NULL && self->fields[FIELD_PATH_NAMESPACE] != NULL)
    return fail (error, text, "“path” and “path_namespace” exclude each other");

  g_array_sort (self->args, arg_compare);
  return g_steal_pointer (&self);
}

gboolean
agl_match_rule_equal (const AglMatchRule *a, const AglMatchRule *b)
{
  if (a->type != b->type || a->args->len != b->args->len)
    return FALSE;
  for (guint i = 0; i < N_FIELDS; i++)
    {
      if (g_strcmp0 (a->fields[i], b->fields[i]) != 0)
        return FALSE;
    }
  for (guint i = 0; i < a->args->len; i++)
    {
      const Arg *first = &g_array_index (a->args, Arg, i), *second = &g_array_index (b->args, Arg, i);

      if (arg_compare (first, second) != 0 || strcmp (first->value, second->value) != 0)
        return FALSE;
    }
  return TRUE;
}

/* Matching */

/* @text is @space or something below it; @separator: "." or "/". */
static gboolean
is_in_namespace (const char *text, const char *space, char separator)
{
  gsize length = strlen (space);

  if (strncmp (text, space, length) != 0)
    return FALSE;
  return text[length] == '\0' || text[length] == separator;
}

/* The same, or one is a folder (it ends in "/") that the other is in. */
static gboolean
paths_match (const char *a, const char *b)
{
  if (strcmp (a, b) == 0)
    return TRUE;
  return (g_str_has_suffix (a, "/") && g_str_has_prefix (b, a))
         || (g_str_has_suffix (b, "/") && g_str_has_prefix (a, b));
}

static gboolean
arg_matches (const Arg *arg, GVariant *body)
{
  g_autoptr (GVariant) child = NULL;
  const char *text;

  if (body == NULL || arg->index >= g_variant_n_children (body))
    return FALSE;
  child = g_variant_get_child_value (body, arg->index);
  if (!g_variant_is_of_type (child, G_VARIANT_TYPE_STRING)
      && !(arg->kind == ARG_PATH && g_variant_is_of_type (child, G_VARIANT_TYPE_OBJECT_PATH)))
    return FALSE;
  text = g_variant_get_string (child, NULL);
  switch (arg->kind)
    {
    case ARG_STRING:
      return strcmp (text, arg->value) == 0;
    case ARG_PATH:
      return paths_match (text, arg->value);
    case ARG_NAMESPACE:
      return is_in_namespace (text, arg->value, '.');
    }
  g_return_val_if_reached (FALSE);
}

static gboolean
field_matches (const char *wanted, const char *value)
{
  return wanted == NULL || g_strcmp0 (wanted, value) == 0;
}

static gboolean
path_matches (const AglMatchRule *self, const char *path)
{
  const char *space = self->fields[FIELD_PATH_NAMESPACE];

  if (!field_matches (self->fields[FIELD_PATH], path))
    return FALSE;
  if (space == NULL || strcmp (space, "/") == 0)
    return TRUE;
  return path != NULL && is_in_namespace (path, space, '/');
}

gboolean
agl_match_rule_matches (const AglMatchRule *self, GDBusMessage *message, const char *const *sender_names)
{
  if (self->type != G_DBUS_MESSAGE_TYPE_INVALID && self->type != g_dbus_message_get_message_type (message))
    return FALSE;
  if (!field_matches (self->fields[FIELD_INTERFACE], g_dbus_message_get_interface (message))
      || !field_matches (self->fields[FIELD_MEMBER], g_dbus_message_get_member (message))
      || !field_matches (self->fields[FIELD_DESTINATION], g_dbus_message_get_destination (message))
      || !path_matches (self, g_dbus_message_get_path (message)))
    return FALSE;
  if (self->fields[FIELD_SENDER] != NULL && !g_strv_contains (sender_names, self->fields[FIELD_SENDER]))
    return FALSE;
  for (guint i = 0; i < self->args->len; i++)
    {
      if (!arg_matches (&g_array_index (self->args, Arg, i), g_dbus_message_get_body (message)))
        return FALSE;
    }
  return TRUE;
}
