/* SPDX-License-Identifier: MIT */
#include "client/options.h"

#include <gio/gio.h>
#include <glib/gi18n.h>
#include <string.h>

#include "client/duration.h"
#include "client/exit-status.h"
#include "common/text.h"
#include "config.h"

static gboolean
usage_error (GError **error, const char *format, const char *name, const char *value)
{
  g_autofree char *shown = agl_text_escape (value, -1);

  g_set_error (error, AGL_EXIT_ERROR, AGL_EXIT_USAGE, format, name, shown);
  return FALSE;
}

static gboolean
parse_wait (const char *name, const char *value, gpointer data, GError **error)
{
  AglOptions *self = data;

  self->wait = TRUE;
  self->wait_msec = -1;
  if (value == NULL || *value == '\0' || agl_duration_parse_msec (value, &self->wait_msec))
    return TRUE;
  /* Translators: first the option, then what was given */
  return usage_error (error, _ ("%s takes seconds, such as 2 or 0.5, not “%s”"), name, value);
}

static gboolean
parse_ttl (const char *name, const char *value, gpointer data, GError **error)
{
  AglOptions *self = data;

  if (agl_duration_parse_sec (value, &self->ttl_sec))
    return TRUE;
  /* Translators: an option, what was typed */
  return usage_error (error, _ ("%s takes a length of time, such as 90, 15m, 2h or 1d, not “%s”"), name,
                      value);
}

static gboolean
parse_number (const char *name, const char *value, guint64 min, guint64 max, guint64 *number, GError **error)
{
  if (g_ascii_string_to_unsigned (value, 10, min, max, number, NULL))
    return TRUE;
  /* Translators: an option, what was typed */
  return usage_error (error, _ ("%s does not take “%s”"), name, value);
}

static gboolean
parse_id (const char *name, const char *value, gpointer data, GError **error)
{
  AglOptions *self = data;

  return parse_number (name, value, 1, G_MAXUINT64, &self->id, error);
}

static gboolean
parse_pid (const char *name, const char *value, gpointer data, GError **error)
{
  AglOptions *self = data;
  guint64 number;

  if (!parse_number (name, value, 1, G_MAXINT, &number, error))
    return FALSE;
  self->pid = (pid_t)number;
  return TRUE;
}

static gboolean
parse_uid (const char *name, const char *value, gpointer data, GError **error)
{
  AglOptions *self = data;
  guint64 number;

  if (!parse_number (name, value, 0, G_MAXUINT32 - 1, &number, error))
    return FALSE;
  self->uid = (gint64)number;
  return TRUE;
}

static gboolean
parse_status (const char *name, const char *value, gpointer data, GError **error)
{
  AglOptions *self = data;
  guint64 number;

  if (!parse_number (name, value, 0, 255, &number, error))
    return FALSE;
  self->conflict_status = (int)number;
  return TRUE;
}

typedef struct
{
  AglOptionGroups group;
  GOptionEntry entry; /* arg_data: a parser for G_OPTION_ARG_CALLBACK, else taken from @offset */
  gsize offset;
} Spec;

#define FLAG(group, name, letter, member, help)                                                           \
  {                                                                                                       \
    group, { name, letter, 0, G_OPTION_ARG_NONE, NULL, help, NULL }, G_STRUCT_OFFSET (AglOptions, member) \
  }
/* G_OPTION_ARG_FILENAME: the bytes as they are, whatever the locale. */
#define TEXT(group, name, letter, member, help, value)                    \
  {                                                                       \
    group, { name, letter, 0, G_OPTION_ARG_FILENAME, NULL, help, value }, \
        G_STRUCT_OFFSET (AglOptions, member)                              \
  }
#define PARSED(group, name, letter, flags, parser, help, value)                             \
  {                                                                                         \
    group, { name, letter, flags, G_OPTION_ARG_CALLBACK, (gpointer)parser, help, value }, 0 \
  }

static const Spec specs[] = {
  FLAG (AGL_OPTIONS_CONFLICT, "nonblock", 'n', nonblock, N_ ("Fail at once when it is held (the default)")),
  PARSED (AGL_OPTIONS_WAIT,
          "wait",
          'w',
          G_OPTION_FLAG_OPTIONAL_ARG,
          parse_wait,
          N_ ("Wait until it is free, for at most SECONDS if given"),
          N_ ("[SECONDS]")),
  FLAG (AGL_OPTIONS_CONFLICT, "join", 0, join, N_ ("Hold it beside those who hold it now")),
  FLAG (AGL_OPTIONS_CONFLICT, "steal", 0, steal, N_ ("Take it from those who hold it now; they are told")),
  PARSED (AGL_OPTIONS_STATUS,
          "conflict-exit-code",
          'E',
          0,
          parse_status,
          N_ ("Exit with N in place of 75 when it is held or the time ran out"),
          N_ ("N")),
  FLAG (AGL_OPTIONS_MODE, "shared", 0, shared, N_ ("Share it with others who do the same")),
  FLAG (AGL_OPTIONS_MODE, "subtree", 0, subtree, N_ ("Cover everything below the directory too")),
  FLAG (AGL_OPTIONS_STAY,
        "no-follow-cwd",
        0,
        no_follow_cwd,
        N_ ("Keep it until the process ends, wherever it goes")),
  FLAG (AGL_OPTIONS_FOLLOW,
        "follow-cwd",
        0,
        follow_cwd,
        N_ ("Keep it only while the process works in the directory")),
  PARSED (AGL_OPTIONS_ID, "id", 0, 0, parse_id, N_ ("The lock with this number"), N_ ("ID")),
  PARSED (AGL_OPTIONS_PID,
          "pid",
          0,
          0,
          parse_pid,
          N_ ("The process that holds it, or is to hold it"),
          N_ ("PID")),
  FLAG (AGL_OPTIONS_AGENT,
        "for-agent",
        0,
        for_agent,
        N_ ("For the agent that started this: the nearest ancestor that is a known one")),
  PARSED (AGL_OPTIONS_TTL,
          "ttl",
          0,
          0,
          parse_ttl,
          N_ ("Let it expire after this time: seconds, or 15m, 2h, 1d"),
          N_ ("TIME")),
  FLAG (AGL_OPTIONS_FORCE, "force", 0, force, N_ ("Do it although the holder lives and is someone else")),
  TEXT (AGL_OPTIONS_TEXTS, "agent", 0, agent, N_ ("Tell others which agent this is"), N_ ("NAME")),
  TEXT (AGL_OPTIONS_TEXTS, "session", 0, session, N_ ("Tell others which session this is"), N_ ("NAME")),
  TEXT (AGL_OPTIONS_TEXTS, "reason", 0, reason, N_ ("Tell others why"), N_ ("TEXT")),
  TEXT (AGL_OPTIONS_FILTER, "directory", 0, directory, N_ ("Only locks on this directory"), N_ ("DIR")),
  TEXT (AGL_OPTIONS_FILTER, "under", 0, under, N_ ("Only locks on this directory and below"), N_ ("DIR")),
  PARSED (AGL_OPTIONS_FILTER, "uid", 0, 0, parse_uid, N_ ("Only locks of this user"), N_ ("UID")),
  TEXT (AGL_OPTIONS_FILTER, "kind", 0, kind, N_ ("Only locks of this kind: process or manual"), N_ ("KIND")),
  TEXT (AGL_OPTIONS_FORMAT,
        "format",
        0,
        format,
        N_ ("Feed a status bar: waybar, tmux, plain or plain:TEMPLATE"),
        N_ ("FORMAT")),
  FLAG (AGL_OPTIONS_JSON, "json", 'j', json, N_ ("Print JSON")),
  TEXT (AGL_OPTIONS_TABLE,
        "output",
        'o',
        output,
        N_ ("Print these columns (“help” lists them, a leading + adds to the usual ones)"),
        N_ ("COLUMNS")),
  FLAG (AGL_OPTIONS_TABLE, "no-legend", 0, no_legend, N_ ("Print neither headings nor a summary")),
  FLAG (AGL_OPTIONS_QUIET, "quiet", 'q', quiet, N_ ("Print nothing but errors")),
  FLAG (AGL_OPTIONS_WHERE, "system", 0, where.system, N_ ("Talk to the service of the whole machine")),
  FLAG (AGL_OPTIONS_WHERE, "user", 0, where.user, N_ ("Talk to the service of this user")),
  TEXT (AGL_OPTIONS_WHERE,
        "address",
        0,
        where.address,
        N_ ("Talk to the service at this D-Bus address"),
        N_ ("ADDRESS")),
};

/* The entries of @groups, with a terminating empty one. */
static GOptionEntry *
make_entries (AglOptions *self, AglOptionGroups groups)
{
  GOptionEntry *entries = g_new0 (GOptionEntry, G_N_ELEMENTS (specs) + 2);
  gsize n = 0;

  for (gsize i = 0; i < G_N_ELEMENTS (specs); i++)
    if ((specs[i].group & groups) != 0)
      {
        entries[n] = specs[i].entry;
        if (entries[n].arg != G_OPTION_ARG_CALLBACK)
          entries[n].arg_data = (char *)self + specs[i].offset;
        n++;
      }
  entries[n].long_name = G_OPTION_REMAINING;
  entries[n].arg = G_OPTION_ARG_FILENAME_ARRAY;
  entries[n].arg_data = &self->arguments;
  return entries;
}

gboolean
agl_options_takes_next (const char *arg)
{
  for (gsize i = 0; i < G_N_ELEMENTS (specs); i++)
    {
      const GOptionEntry *entry = &specs[i].entry;
      const char letter[] = { '-', entry->short_name, '\0' };

      if (entry->arg == G_OPTION_ARG_NONE || (entry->flags & G_OPTION_FLAG_OPTIONAL_ARG) != 0)
        continue;
      if ((g_str_has_prefix (arg, "--") && g_str_equal (arg + 2, entry->long_name))
          || (entry->short_name != 0 && g_str_equal (arg, letter)))
        return TRUE;
    }
  return FALSE;
}

static gboolean
check_text (const char *name, char **text, GError **error)
{
  char *utf8;

  if (*text == NULL || agl_text_is_acceptable (*text))
    return TRUE;
  utf8 = g_utf8_validate (*text, -1, NULL) ? NULL : g_locale_to_utf8 (*text, -1, NULL, NULL, NULL);
  if (utf8 == NULL || !agl_text_is_acceptable (utf8))
    {
      g_free (utf8);
      g_set_error (error, AGL_EXIT_ERROR, AGL_EXIT_USAGE,
                   /* Translators: %s is an option */
                   _ ("the text for --%s is no text or longer than 1024 bytes"), name);
      return FALSE;
    }
  g_free (*text);
  *text = utf8;
  return TRUE;
}

/* Options that exclude each other. */
static gboolean
check_together (const AglOptions *self, GError **error)
{
  const struct
  {
    gboolean a, b;
    const char *names;
  } pairs[] = {
    { self->wait, self->nonblock && !self->join && !self->steal, "--wait --nonblock" },
    { self->wait, self->join, "--wait --join" },
    { self->wait, self->steal, "--wait --steal" },
    { self->join, self->steal, "--join --steal" },
    { self->where.system, self->where.user, "--system --user" },
    { self->where.system, self->where.address != NULL, "--system --address" },
    { self->where.user, self->where.address != NULL, "--user --address" },
    { self->json, self->output != NULL, "--json --output" },
    { self->json, self->quiet, "--json --quiet" },
    { self->json, self->format != NULL, "--json --format" },
    { self->follow_cwd, self->no_follow_cwd, "--follow-cwd --no-follow-cwd" },
    { self->for_agent, self->pid != 0, "--for-agent --pid" },
    { self->directory != NULL, self->under != NULL, "--directory --under" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (pairs); i++)
    if (pairs[i].a && pairs[i].b)
      {
        g_set_error (error, AGL_EXIT_ERROR, AGL_EXIT_USAGE,
                     /* Translators: %s is two options */
                     _ ("these options exclude each other: %s"), pairs[i].names);
        return FALSE;
      }
  return check_text ("agent", (char **)&self->agent, error)
         && check_text ("session", (char **)&self->session, error)
         && check_text ("reason", (char **)&self->reason, error);
}

static gboolean
check_arguments (const AglOptions *self, const AglUsage *usage, GError **error)
{
  guint n = self->arguments == NULL ? 0 : g_strv_length (self->arguments);

  if (usage->takes_command_line && self->trailing == NULL)
    {
      g_set_error (error, AGL_EXIT_ERROR, AGL_EXIT_USAGE,
                   /* Translators: a command of agentctl-locks, how the rest of its line looks */
                   _ ("which command? Write it behind “--”, as in: agentctl-locks %s %s"), usage->name,
                   _ (usage->synopsis));
      return FALSE;
    }
  if (usage->takes_command_line && self->trailing[0] == NULL)
    {
      g_set_error_literal (error, AGL_EXIT_ERROR, AGL_EXIT_USAGE, _ ("there is no command behind “--”"));
      return FALSE;
    }
  if (n > usage->max_arguments)
    /* Translators: a command of agentctl-locks, what was typed */
    return usage_error (error, _ ("“%s” does not take “%s”"), usage->name,
                        self->arguments[usage->max_arguments]);
  return TRUE;
}

static GOptionContext *
make_context (AglOptions *self, const AglUsage *usage, const GOptionEntry *entries)
{
  GOptionContext *context = g_option_context_new (usage->synopsis);
  GOptionGroup *group = g_option_group_new (NULL, NULL, NULL, self, NULL);

  g_option_group_set_translation_domain (group, GETTEXT_PACKAGE);
  g_option_group_add_entries (group, entries);
  g_option_context_set_main_group (context, group);
  g_option_context_set_translation_domain (context, GETTEXT_PACKAGE);
  g_option_context_set_summary (context, usage->summary);
  g_option_context_set_description (context, usage->description);
  return context;
}

/* GOption passes over the value of an option that takes none, so that "--steal=no" would steal. @args:
 * expanded.
 */
static gboolean
check_flags (char *const *args, const GOptionEntry *entries, GError **error)
{
  for (; *args != NULL && !g_str_equal (*args, "--"); args++)
    {
      const char *value = g_str_has_prefix (*args, "--") ? strchr (*args, '=') : NULL;
      g_autofree char *name = value == NULL ? NULL : g_strndup (*args, value - *args);

      if (value == NULL && agl_options_takes_next (*args) && args[1] != NULL)
        args++;
      for (const GOptionEntry *entry = entries; name != NULL && entry->long_name != NULL; entry++)
        if (entry->arg == G_OPTION_ARG_NONE && g_str_equal (entry->long_name, name + 2))
          /* Translators: an option, what was typed */
          return usage_error (error, _ ("%s does not take “%s”"), name, value + 1);
    }
  return TRUE;
}

gboolean
agl_options_parse (AglOptions *self, const AglUsage *usage, const char *const *args, GError **error)
{
  g_autofree GOptionEntry *entries = NULL;
  g_autoptr (GOptionContext) context = NULL;
  g_autoptr (GError) local = NULL;
  g_autofree char *prgname = g_strdup (g_get_prgname ());
  g_autofree char *full_name = g_strconcat ("agentctl-locks ", usage->name, NULL);
  g_auto (GStrv) expanded = NULL;
  g_autoptr (GPtrArray) argv = g_ptr_array_new_with_free_func (g_free);
  g_auto (GStrv) strv = NULL;
  gboolean parsed;

  *self = (AglOptions){ .wait_msec = -1, .conflict_status = AGL_EXIT_CONFLICT, .uid = -1 };
  entries = make_entries (self, usage->groups);
  expanded = agl_options_expand (args, entries);
  if (!check_flags (expanded, entries, error))
    return FALSE;
  g_ptr_array_add (argv, g_strdup (full_name));
  for (char **arg = expanded; *arg != NULL; arg++)
    {
      if (usage->takes_command_line && g_str_equal (*arg, "--"))
        {
          self->trailing = g_strdupv (arg + 1);
          break;
        }
      g_ptr_array_add (argv, g_strdup (*arg));
    }
  g_ptr_array_add (argv, NULL);
  strv = (GStrv)g_ptr_array_free (g_steal_pointer (&argv), FALSE);

  context = make_context (self, usage, entries);
  g_set_prgname (full_name); /* --help prints it */
  parsed = g_option_context_parse_strv (context, &strv, &local);
  g_set_prgname (prgname);
  if (!parsed && local->domain != AGL_EXIT_ERROR)
    {
      g_set_error_literal (error, AGL_EXIT_ERROR, AGL_EXIT_USAGE, local->message);
      return FALSE;
    }
  if (!parsed)
    {
      g_propagate_error (error, g_steal_pointer (&local));
      return FALSE;
    }
  return check_together (self, error) && check_arguments (self, usage, error);
}

void
agl_options_clear (AglOptions *self)
{
  g_free (self->where.address);
  g_free (self->output);
  g_free (self->agent);
  g_free (self->session);
  g_free (self->reason);
  g_free (self->directory);
  g_free (self->under);
  g_free (self->kind);
  g_free (self->format);
  g_strfreev (self->arguments);
  g_strfreev (self->trailing);
  *self = (AglOptions){ 0 };
}
