/* SPDX-License-Identifier: MIT */
#include "core/agent-entry.h"

#include <string.h>

#include "common/text.h"

#define GROUP  "Agent"
#define SUFFIX ".conf"

typedef enum
{
  RULE_COMMAND,
  RULE_TITLE,
  RULE_EXECUTABLE,
  RULE_SCRIPT,
  RULE_MODULE,
  RULE_EXCLUDE,
  RULE_SPARE,
  N_RULE_KINDS
} RuleKind;

static const char *const keys[N_RULE_KINDS] = { "Command",       "Title",  "Executable",
                                                "Script",        "Module", "ExcludeArguments",
                                                "SpareArguments" };

typedef struct
{
  RuleKind kind;
  char *value;
  char **words; /* of RULE_EXCLUDE and RULE_SPARE; else NULL */
  char *text;   /* "Command=claude" */
} Rule;

struct _AglAgentEntry
{
  char *id;
  char *name;
  char *file;
  GPtrArray *rules; /* Rule */
};

static void
rule_free (gpointer data)
{
  Rule *rule = data;

  g_free (rule->value);
  g_strfreev (rule->words);
  g_free (rule->text);
  g_free (rule);
}

void
agl_agent_entry_free (AglAgentEntry *self)
{
  if (self == NULL)
    return;
  g_free (self->id);
  g_free (self->name);
  g_free (self->file);
  g_ptr_array_unref (self->rules);
  g_free (self);
}

const char *
agl_agent_entry_get_id (const AglAgentEntry *self)
{
  return self->id;
}

/* `*` and `?` over bytes. Not GPatternSpec or fnmatch(3): both want text in UTF-8 or the locale's, and what
 * stands in /proc is any bytes. On a mismatch only the last `*` needs to take one more. */
static gboolean
matches_pattern (const char *pattern, const char *text)
{
  const char *star = NULL;
  const char *retry = NULL;

  while (*text != '\0')
    {
      if (*pattern == '*')
        {
          star = pattern++;
          retry = text;
        }
      else if (*pattern == '?' || *pattern == *text)
        {
          pattern++;
          text++;
        }
      else if (star != NULL)
        {
          pattern = star + 1;
          text = ++retry;
        }
      else
        return FALSE;
    }
  while (*pattern == '*')
    pattern++;
  return *pattern == '\0';
}

/* A path that was typed may be relative, so its first component counts as one that follows a slash. */
static gboolean
matches_path (const char *pattern, const char *path)
{
  if (strchr (pattern, '/') == NULL)
    return matches_pattern (pattern, agl_command_line_basename (path));
  if (matches_pattern (pattern, path))
    return TRUE;
  return path[0] != '/' && strncmp (pattern, "*/", 2) == 0 && matches_pattern (pattern + 2, path);
}

/* A title that was written over the arguments is a sentence, not a path: "sshd: ann@pts/claude". An
 * interpreter's own name says nothing, so that what it was called instead (exec -a) does. */
static gboolean
has_name (const AglCommandLine *line, gboolean is_interpreter, const char *name)
{
  if (strncmp (line->comm, name, AGL_COMM_BYTES) == 0)
    return TRUE;
  return (is_interpreter || agl_command_line_has_other_name (line)) && line->argv[0] != NULL
         && strpbrk (line->argv[0], " \t\n") == NULL
         && strcmp (agl_command_line_basename (line->argv[0]), name) == 0;
}

static gboolean
has_words (const char *const *arguments, char **words)
{
  for (; *arguments != NULL && strcmp (*arguments, "--") != 0; arguments++)
    {
      gsize i = 0;

      while (words[i] != NULL && arguments[i] != NULL && strcmp (words[i], arguments[i]) == 0)
        i++;
      if (words[i] == NULL)
        return TRUE;
    }
  return FALSE;
}

static gboolean
rule_matches (const Rule *rule, const AglCommandLine *line, const AglProgram *program)
{
  switch (rule->kind)
    {
    case RULE_COMMAND:
      return has_name (line, program != NULL, rule->value);
    case RULE_TITLE:
      return program != NULL && has_name (line, TRUE, rule->value);
    case RULE_EXECUTABLE:
      return line->exe != NULL && matches_path (rule->value, line->exe);
    case RULE_SCRIPT:
      return program != NULL && program->script != NULL && matches_path (rule->value, program->script);
    case RULE_MODULE:
      return program != NULL && g_strcmp0 (program->module, rule->value) == 0;
    case RULE_EXCLUDE:
    case RULE_SPARE:
    case N_RULE_KINDS:
      return FALSE;
    }
  g_return_val_if_reached (FALSE);
}

/* Those of ExcludeArguments come first: the host of a spare is no spare. */
static const Rule *
find_exclusion (const AglAgentEntry *self, const char *const *arguments)
{
  for (guint i = 0; i < self->rules->len; i++)
    {
      const Rule *rule = g_ptr_array_index (self->rules, i);

      if (rule->words != NULL && has_words (arguments, rule->words))
        return rule;
    }
  return NULL;
}

gboolean
agl_agent_entry_match (const AglAgentEntry *self,
                       const AglCommandLine *line,
                       const AglProgram *program,
                       AglAgentMatch *match)
{
  static const char *const none[] = { NULL };
  const char *const *arguments = line->argv[0] == NULL ? none : line->argv + 1;

  if (program != NULL)
    arguments = program->arguments;
  for (guint i = 0; i < self->rules->len; i++)
    {
      const Rule *rule = g_ptr_array_index (self->rules, i);
      const Rule *exclusion;

      if (!rule_matches (rule, line, program))
        continue;
      exclusion = find_exclusion (self, arguments);
      *match = (AglAgentMatch){ .agent = self->id,
                                .name = self->name,
                                .rule = exclusion != NULL ? exclusion->text : rule->text,
                                .file = self->file,
                                .excluded = exclusion != NULL,
                                .is_spare = exclusion != NULL && exclusion->kind == RULE_SPARE };
      return TRUE;
    }
  return FALSE;
}

/* GKeyFile tells no line numbers. @word: a key or "[group". 0 when it is not to be found. */
static guint
find_line (const char *data, const char *word)
{
  g_auto (GStrv) lines = g_strsplit (data, "\n", -1);

  for (guint i = 0; lines[i] != NULL; i++)
    if (g_str_has_prefix (g_strchug (lines[i]), word) && !g_ascii_isalnum (lines[i][strlen (word)]))
      return i + 1;
  return 0;
}

static void
set_error_at (GError **error, GKeyFileError code, const char *data, const char *word, const char *problem)
{
  g_autofree char *shown = agl_text_escape (word, -1);

  g_set_error (error, G_KEY_FILE_ERROR, code, "line %u: %s%s: %s", find_line (data, word), shown,
               word[0] == '[' ? "]" : "", problem);
}

static gboolean
is_known_key (const char *key)
{
  if (strcmp (key, "Name") == 0)
    return TRUE;
  for (guint i = 0; i < N_RULE_KINDS; i++)
    if (strcmp (key, keys[i]) == 0)
      return TRUE;
  return FALSE;
}

static gboolean
check_known (GKeyFile *file, const char *data, GError **error)
{
  g_auto (GStrv) groups = g_key_file_get_groups (file, NULL);
  g_auto (GStrv) found = NULL;

  for (guint i = 0; groups[i] != NULL; i++)
    if (strcmp (groups[i], GROUP) != 0)
      {
        g_autofree char *opening = g_strconcat ("[", groups[i], NULL);

        set_error_at (error, G_KEY_FILE_ERROR_GROUP_NOT_FOUND, data, opening,
                      "unknown group; there is only [" GROUP "]");
        return FALSE;
      }
  found = g_key_file_get_keys (file, GROUP, NULL, error);
  if (found == NULL)
    return FALSE;
  for (guint i = 0; found[i] != NULL; i++)
    if (!is_known_key (found[i]))
      {
        set_error_at (error, G_KEY_FILE_ERROR_KEY_NOT_FOUND, data, found[i], "unknown key");
        return FALSE;
      }
  return TRUE;
}

/* NULL: nothing is wrong with it. */
static const char *
find_problem (RuleKind kind, const char *value)
{
  if (*value == '\0')
    return "an empty value in the list";
  switch (kind)
    {
    case RULE_COMMAND:
    case RULE_TITLE:
      return strchr (value, '/') != NULL ? "a name has no slash; a path is for Executable or Script" : NULL;
    case RULE_EXECUTABLE:
    case RULE_SCRIPT:
      return strspn (value, "*?/") == strlen (value) ? "a pattern that every path fits" : NULL;
    case RULE_EXCLUDE:
    case RULE_SPARE:
      return strstr (value, "  ") != NULL ? "words stand one space apart" : NULL;
    case RULE_MODULE:
    case N_RULE_KINDS:
      return NULL;
    }
  g_return_val_if_reached (NULL);
}

static Rule *
rule_new (RuleKind kind, const char *value)
{
  Rule *rule = g_new0 (Rule, 1);

  rule->kind = kind;
  rule->value = g_strdup (value);
  rule->text = g_strconcat (keys[kind], "=", value, NULL);
  if (kind == RULE_EXCLUDE || kind == RULE_SPARE)
    rule->words = g_strsplit (value, " ", -1);
  return rule;
}

static gboolean
add_rules (AglAgentEntry *self, GKeyFile *file, RuleKind kind, const char *data, GError **error)
{
  g_auto (GStrv) values = NULL;

  if (!g_key_file_has_key (file, GROUP, keys[kind], NULL))
    return TRUE;
  values = g_key_file_get_string_list (file, GROUP, keys[kind], NULL, error);
  if (values == NULL)
    return FALSE;
  for (guint i = 0; values[i] != NULL; i++)
    {
      const char *problem = find_problem (kind, g_strstrip (values[i]));

      if (problem != NULL)
        {
          set_error_at (error, G_KEY_FILE_ERROR_INVALID_VALUE, data, keys[kind], problem);
          return FALSE;
        }
      g_ptr_array_add (self->rules, rule_new (kind, values[i]));
    }
  return TRUE;
}

static gboolean
read_name (AglAgentEntry *self, GKeyFile *file, const char *data, GError **error)
{
  if (!g_key_file_has_key (file, GROUP, "Name", NULL))
    {
      self->name = g_strdup (self->id);
      return TRUE;
    }
  self->name = g_key_file_get_string (file, GROUP, "Name", error);
  if (self->name == NULL)
    return FALSE;
  if (*self->name != '\0' && agl_text_is_acceptable (self->name))
    return TRUE;
  set_error_at (error, G_KEY_FILE_ERROR_INVALID_VALUE, data, "Name", "empty or too long");
  return FALSE;
}

/* What scripts compare and people type. */
static char *
read_id (const char *path, GError **error)
{
  const char *name = agl_command_line_basename (path);
  gsize length = strlen (name);
  g_autofree char *id = NULL;

  if (g_str_has_suffix (name, SUFFIX))
    length -= strlen (SUFFIX);
  id = g_strndup (name, length);
  if (length > 0 && strspn (id, G_CSET_a_2_z G_CSET_DIGITS "-_.") == length)
    return g_steal_pointer (&id);
  g_set_error_literal (error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_INVALID_VALUE,
                       "its name, which the agent is known by, may have a-z, 0-9, '-', '_' and '.' only");
  return NULL;
}

/* Blank lines and comments. */
static gboolean
is_empty (const char *data)
{
  g_auto (GStrv) lines = g_strsplit (data, "\n", -1);

  for (guint i = 0; lines[i] != NULL; i++)
    if (*g_strstrip (lines[i]) != '\0' && lines[i][0] != '#')
      return FALSE;
  return TRUE;
}

static gboolean
read_entry (AglAgentEntry *self, const char *data, GError **error)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();
  guint n_rules;

  if (!g_key_file_load_from_data (file, data, strlen (data), G_KEY_FILE_NONE, error)
      || !check_known (file, data, error) || !read_name (self, file, data, error))
    return FALSE;
  for (guint kind = 0; kind < RULE_EXCLUDE; kind++)
    if (!add_rules (self, file, kind, data, error))
      return FALSE;
  n_rules = self->rules->len;
  if (n_rules == 0)
    {
      g_set_error_literal (error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_KEY_NOT_FOUND,
                           "it names no program: give Command, Title, Executable, Script or Module");
      return FALSE;
    }
  return add_rules (self, file, RULE_EXCLUDE, data, error) && add_rules (self, file, RULE_SPARE, data, error);
}

AglAgentEntry *
agl_agent_entry_parse (const char *file, const char *data, gsize n_bytes, GError **error)
{
  g_autoptr (AglAgentEntry) self = g_new0 (AglAgentEntry, 1);
  g_autofree char *text = n_bytes == 0 ? g_strdup ("") : g_strndup (data, n_bytes);

  self->rules = g_ptr_array_new_with_free_func (rule_free);
  self->file = g_strdup (file);
  if (strlen (text) != n_bytes)
    {
      g_set_error_literal (error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_PARSE, "it contains a zero byte");
      return NULL;
    }
  self->id = read_id (file, error);
  if (self->id == NULL || is_empty (text) || !read_entry (self, text, error))
    return NULL;
  return g_steal_pointer (&self);
}
