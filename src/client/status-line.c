/* SPDX-License-Identifier: MIT */
#include "client/status-line.h"

#include <glib/gi18n.h>
#include <string.h>

#include "client/exit-status.h"
#include "client/json.h"
#include "client/lock-columns.h"
#include "client/place.h"
#include "common/text.h"

/* A tooltip as high as a screen helps nobody. */
#define TOOLTIP_LOCKS 20

#define DEFAULT_TEMPLATE "{state} {locks}"

static const char *const fields[] = { "locks", "waiters", "process",     "manual",
                                      "state", "who",     "directories", NULL };

/* The end of the field that begins behind the brace at @p; NULL: no known field. @index: which one. */
static const char *
match_field (const char *p, gsize *index)
{
  for (gsize i = 0; fields[i] != NULL; i++)
    {
      gsize length = strlen (fields[i]);

      if (strncmp (p + 1, fields[i], length) == 0 && p[length + 1] == '}')
        {
          *index = i;
          return p + length + 2;
        }
    }
  return NULL;
}

static gboolean
check_template (const char *template, GError **error)
{
  gsize index;

  for (const char *p = template; *p != '\0';)
    {
      const char *next = p + 1;

      if ((p[0] == '{' || p[0] == '}') && p[1] == p[0])
        next = p + 2;
      else if (p[0] == '{')
        next = match_field (p, &index);
      if (next == NULL)
        {
          g_autofree char *shown = agl_text_escape (p, -1);
          g_autofree char *names = g_strjoinv ("}, {", (char **)fields);

          g_set_error (error, AGL_EXIT_ERROR, AGL_EXIT_USAGE,
                       /* Translators: the rest of a template, then the fields that there are */
                       _ ("the template has no field at “%s”; there are {%s}, and {{ for a brace"), shown,
                       names);
          return FALSE;
        }
      p = next;
    }
  return TRUE;
}

gboolean
agl_status_format_parse (const char *text, AglStatusFormat *format, GError **error)
{
  g_autofree char *shown = NULL;

  *format = (AglStatusFormat){ .kind = AGL_STATUS_PLAIN };
  if (g_str_equal (text, "waybar"))
    format->kind = AGL_STATUS_WAYBAR;
  else if (g_str_equal (text, "tmux"))
    format->kind = AGL_STATUS_TMUX;
  else if (g_str_equal (text, "plain"))
    format->template = g_strdup (DEFAULT_TEMPLATE);
  else if (g_str_has_prefix (text, "plain:") && g_utf8_validate (text, -1, NULL))
    {
      format->template = g_strdup (text + strlen ("plain:"));
      return check_template (format->template, error);
    }
  else
    {
      shown = agl_text_escape (text, -1);
      g_set_error (error, AGL_EXIT_ERROR, AGL_EXIT_USAGE,
                   _ ("there is no format “%s”; there are waybar, tmux, plain and plain:TEMPLATE"), shown);
      return FALSE;
    }
  return TRUE;
}

void
agl_status_format_clear (AglStatusFormat *format)
{
  g_clear_pointer (&format->template, g_free);
}

static guint
count_locks (const AglStatus *status)
{
  return status->locks == NULL ? 0 : (guint)g_variant_n_children (status->locks);
}

static gboolean
is_manual (GVariant *lock)
{
  const char *kind;

  return g_variant_lookup (lock, "kind", "&s", &kind) && g_str_equal (kind, "manual");
}

static guint
count_manual (const AglStatus *status)
{
  guint n = 0;

  for (guint i = 0; i < count_locks (status); i++)
    {
      g_autoptr (GVariant) lock = g_variant_get_child_value (status->locks, i);

      n += is_manual (lock) ? 1 : 0;
    }
  return n;
}

const char *
agl_status_state (const AglStatus *status)
{
  if (!status->is_online)
    return "offline";
  if (status->n_waiters > 0)
    return "waiting";
  return count_locks (status) > 0 ? "held" : "free";
}

/* Caller frees. */
static char *
lock_directory (GVariant *lock, const char *home)
{
  const char *directory = "";

  g_variant_lookup (lock, "directory", "&s", &directory);
  return agl_place_display (directory, home);
}

/* Every lock's @describe, once each, joined by ", ". Caller frees. */
static char *
join_locks (const AglStatus *status, char *(*describe) (GVariant *lock, const char *home))
{
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  GString *out = g_string_new (NULL);

  for (guint i = 0; i < count_locks (status); i++)
    {
      g_autoptr (GVariant) lock = g_variant_get_child_value (status->locks, i);
      char *text = describe (lock, status->home);

      if (!g_hash_table_contains (seen, text))
        g_string_append_printf (out, "%s%s", out->len == 0 ? "" : ", ", text);
      g_hash_table_add (seen, text);
    }
  return g_string_free (out, FALSE);
}

static char *
describe_who (GVariant *lock, const char *home)
{
  return agl_row_who (lock);
}

/* --- plain --- */

static char *
field_value (const AglStatus *status, gsize index)
{
  const char *name = fields[index];

  if (g_str_equal (name, "locks"))
    return g_strdup_printf ("%u", count_locks (status));
  if (g_str_equal (name, "waiters"))
    return g_strdup_printf ("%u", status->n_waiters);
  if (g_str_equal (name, "process"))
    return g_strdup_printf ("%u", count_locks (status) - count_manual (status));
  if (g_str_equal (name, "manual"))
    return g_strdup_printf ("%u", count_manual (status));
  if (g_str_equal (name, "state"))
    return g_strdup (agl_status_state (status));
  if (g_str_equal (name, "who"))
    return join_locks (status, describe_who);
  return join_locks (status, lock_directory);
}

static char *
fill_template (const AglStatus *status, const char *template)
{
  GString *out = g_string_new (NULL);
  gsize index;

  for (const char *p = template; *p != '\0';)
    {
      const char *end = *p == '{' ? match_field (p, &index) : NULL;

      if (end != NULL)
        {
          g_autofree char *value = field_value (status, index);

          g_string_append (out, value);
          p = end;
          continue;
        }
      g_string_append_c (out, *p);
      p += (p[0] == '{' || p[0] == '}') && p[1] == p[0] ? 2 : 1;
    }
  return g_string_free (out, FALSE);
}

/* --- the short text of bars: "2", "2 +1" with one who waits, "" when there is nothing to see --- */

static char *
short_text (const AglStatus *status)
{
  if (status->n_waiters > 0)
    return g_strdup_printf ("%u +%u", count_locks (status), status->n_waiters);
  return count_locks (status) == 0 ? g_strdup ("") : g_strdup_printf ("%u", count_locks (status));
}

/* --- tmux --- */

static char *
tmux_line (const AglStatus *status)
{
  g_autofree char *text = short_text (status);
  g_autofree char *label = NULL;
  const char *colour = !status->is_online ? "brightblack" : status->n_waiters > 0 ? "red" : "yellow";

  if (*text == '\0')
    return g_strdup ("");
  /* Translators: in a status bar; %s is how many locks there are, such as "2" */
  label = g_strdup_printf (C_ ("status bar", "locks %s"), text);
  return g_strdup_printf ("#[fg=%s]%s#[default]", colour, label);
}

/* --- waybar --- */

static char *
describe_for_tooltip (GVariant *lock, const char *home)
{
  g_autofree char *directory = lock_directory (lock, home);
  g_autofree char *who = agl_row_who (lock);
  guint64 pid = agl_row_number (lock, "pid", 0);

  if (pid == 0)
    return g_strdup_printf ("%s  %s", directory, who);
  return g_strdup_printf ("%s  %s [%" G_GUINT64_FORMAT "]", directory, who, pid);
}

static void
add_tooltip_line (GString *tooltip, const char *text)
{
  /* Waybar reads Pango markup. */
  g_autofree char *escaped = g_markup_escape_text (text, -1);

  g_string_append_printf (tooltip, "%s%s", tooltip->len == 0 ? "" : "\n", escaped);
}

static char *
make_tooltip (const AglStatus *status)
{
  GString *tooltip = g_string_new (NULL);
  guint n = count_locks (status);

  if (!status->is_online)
    add_tooltip_line (tooltip, _ ("The service is away; what it said last:"));
  if (n == 0)
    add_tooltip_line (tooltip, _ ("No directory is locked."));
  for (guint i = 0; i < MIN (n, TOOLTIP_LOCKS); i++)
    {
      g_autoptr (GVariant) lock = g_variant_get_child_value (status->locks, i);
      g_autofree char *line = describe_for_tooltip (lock, status->home);

      add_tooltip_line (tooltip, line);
    }
  if (n > TOOLTIP_LOCKS)
    {
      g_autofree char *rest =
          g_strdup_printf (ngettext ("and %u more", "and %u more", n - TOOLTIP_LOCKS), n - TOOLTIP_LOCKS);

      add_tooltip_line (tooltip, rest);
    }
  if (status->n_waiters > 0)
    {
      g_autofree char *waiting =
          g_strdup_printf (ngettext ("%u request is waiting", "%u requests are waiting", status->n_waiters),
                           status->n_waiters);

      add_tooltip_line (tooltip, waiting);
    }
  return g_string_free (tooltip, FALSE);
}

static char *
waybar_line (const AglStatus *status)
{
  g_autofree char *text = short_text (status);
  g_autofree char *tooltip = make_tooltip (status);
  const char *state = agl_status_state (status);
  g_autoptr (GVariant) object = g_variant_ref_sink (g_variant_new_parsed (
      "{'text': %s, 'tooltip': %s, 'class': %s, 'alt': %s}", text, tooltip, state, state));

  return agl_json_from_variant (object, FALSE);
}

char *
agl_status_line (const AglStatus *status, const AglStatusFormat *format)
{
  switch (format->kind)
    {
    case AGL_STATUS_WAYBAR:
      return waybar_line (status);
    case AGL_STATUS_TMUX:
      return tmux_line (status);
    case AGL_STATUS_PLAIN:
      return fill_template (status, format->template);
    }
  g_return_val_if_reached (NULL);
}
