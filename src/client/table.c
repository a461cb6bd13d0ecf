/* SPDX-License-Identifier: MIT */
#include "client/table.h"

#include <glib/gi18n.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "client/exit-status.h"
#include "common/text.h"

#define ELLIPSIS "…"

/* A column that is cut keeps at least so much that it still says something. */
#define MIN_CUT_WIDTH 8

/* Of the heading row; systemd's tables look the same. */
#define UNDERLINE "\033[4m"
#define NORMAL    "\033[0m"

#define ZERO_WIDTH_JOINER 0x200d

static gsize
char_width (gunichar c)
{
  if (g_unichar_iszerowidth (c))
    return 0;
  return g_unichar_iswide (c) ? 2 : 1;
}

/* Of the bytes before @end, or of all. */
static gsize
width_until (const char *text, const char *end)
{
  gsize width = 0;

  for (; *text != '\0' && text != end; text = g_utf8_next_char (text))
    width += char_width (g_utf8_get_char (text));
  return width;
}

gsize
agl_text_width (const char *text)
{
  return width_until (text, NULL);
}

static gboolean
is_regional_indicator (gunichar c)
{
  return c >= 0x1f1e6 && c <= 0x1f1ff;
}

/* What changes the character before it rather than being one: accents, vowel signs, skin tones, the joiner.
 */
static gboolean
is_extending (gunichar c)
{
  return g_unichar_iszerowidth (c) || g_unichar_type (c) == G_UNICODE_SPACING_MARK
         || (c >= 0x1f3fb && c <= 0x1f3ff);
}

/* Behind what a reader takes for one character at @text, which is not empty: the grapheme clusters of UAX #29
 * as far as they matter on a terminal. Half of a flag is a letter, and half of a family somebody else. */
static const char *
cluster_end (const char *text)
{
  gunichar before = g_utf8_get_char (text);
  gboolean may_pair = is_regional_indicator (before);

  for (text = g_utf8_next_char (text); *text != '\0'; text = g_utf8_next_char (text))
    {
      gunichar c = g_utf8_get_char (text);
      gboolean is_pair = may_pair && is_regional_indicator (c);

      if (!is_extending (c) && before != ZERO_WIDTH_JOINER && !is_pair)
        break;
      may_pair = may_pair && !is_pair;
      before = c;
    }
  return text;
}

static char *
cut_end (const char *text, gsize room)
{
  const char *end = text;

  while (*end != '\0')
    {
      const char *next = cluster_end (end);
      gsize width = width_until (end, next);

      if (width > room)
        break;
      room -= width;
      end = next;
    }
  return g_strdup_printf ("%.*s" ELLIPSIS, (int)(end - text), text);
}

static char *
cut_start (const char *text, gsize room)
{
  gsize width = agl_text_width (text);

  while (*text != '\0' && width > room)
    {
      const char *next = cluster_end (text);

      width -= width_until (text, next);
      text = next;
    }
  return g_strconcat (ELLIPSIS, text, NULL);
}

char *
agl_text_cut (const char *text, gsize width, AglCut cut)
{
  if (agl_text_width (text) <= width || width == 0)
    return g_strdup (text);
  switch (cut)
    {
    case AGL_CUT_NEVER:
      return g_strdup (text);
    case AGL_CUT_END:
      return cut_end (text, width - 1);
    case AGL_CUT_START:
      return cut_start (text, width - 1);
    }
  g_return_val_if_reached (NULL);
}

void
agl_table_fit (gsize *widths, const AglCut *cuts, gsize n, gsize min, gsize room)
{
  gsize sum = 0;

  for (gsize i = 0; i < n; i++)
    sum += widths[i];
  while (sum > room)
    {
      gsize widest = n;

      for (gsize i = 0; i < n; i++)
        if (cuts[i] != AGL_CUT_NEVER && widths[i] > min && (widest == n || widths[i] > widths[widest]))
          widest = i;
      if (widest == n)
        return;
      widths[widest]--;
      sum--;
    }
}

AglScreen
agl_screen_of_stdout (void)
{
  AglScreen screen = { .now_usec = g_get_real_time () };
  const char *no_colour = g_getenv ("NO_COLOR");
  const char *columns = g_getenv ("COLUMNS");
  struct winsize size = { 0 };
  guint64 width;

  if (isatty (STDOUT_FILENO) == 0)
    return screen;
  screen.is_terminal = TRUE;
  screen.has_colour = (no_colour == NULL || *no_colour == '\0') && g_strcmp0 (g_getenv ("TERM"), "dumb") != 0;
  screen.home = g_get_home_dir ();
  if (columns != NULL && g_ascii_string_to_unsigned (columns, 10, 1, G_MAXUSHORT, &width, NULL))
    screen.width = (gsize)width;
  else if (ioctl (STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
    screen.width = size.ws_col;
  return screen;
}

AglScreen
agl_screen_of_options (const AglOptions *options)
{
  AglScreen screen = agl_screen_of_stdout ();

  screen.keeps_columns = options->output != NULL;
  return screen;
}

static const AglColumn *
find_column (const AglColumn *columns, const char *name)
{
  for (; columns->name != NULL; columns++)
    if (g_ascii_strcasecmp (columns->name, name) == 0
        || (columns->key != NULL && g_ascii_strcasecmp (columns->key, name) == 0))
      return columns;
  return NULL;
}

GPtrArray *
agl_columns_choose (const AglColumn *columns, const char *names, GError **error)
{
  g_autoptr (GPtrArray) chosen = g_ptr_array_new ();
  g_auto (GStrv) parts = NULL;

  if (names == NULL || *names == '+')
    for (const AglColumn *column = columns; column->name != NULL; column++)
      if (column->usual > 0)
        g_ptr_array_add (chosen, (gpointer)column);
  if (names == NULL)
    return g_steal_pointer (&chosen);

  parts = g_strsplit (names + (*names == '+' ? 1 : 0), ",", -1);
  for (char **part = parts; *part != NULL; part++)
    {
      const AglColumn *column = find_column (columns, *part);

      if (column == NULL)
        {
          g_autofree char *shown = agl_text_escape (*part, -1);

          g_set_error (error, AGL_EXIT_ERROR, AGL_EXIT_USAGE,
                       _ ("there is no column “%s”; --output=help lists them"), shown);
          return NULL;
        }
      g_ptr_array_add (chosen, (gpointer)column);
    }
  if (chosen->len > 0)
    return g_steal_pointer (&chosen);
  g_set_error_literal (error, AGL_EXIT_ERROR, AGL_EXIT_USAGE, _ ("which columns? --output=help lists them"));
  return NULL;
}

GPtrArray *
agl_columns_of_options (const AglColumn *columns, const AglOptions *options, GError **error)
{
  g_autofree char *help = NULL;

  if (g_strcmp0 (options->output, "help") != 0)
    return agl_columns_choose (columns, options->output, error);
  help = agl_columns_help (columns);
  g_print ("%s", help);
  return NULL;
}

char *
agl_columns_help (const AglColumn *columns)
{
  GString *out = g_string_new (NULL);
  gsize width = 0;

  for (const AglColumn *column = columns; column->name != NULL; column++)
    width = MAX (width, strlen (column->name));
  for (const AglColumn *column = columns; column->name != NULL; column++)
    g_string_append_printf (out, "%c %-*s  %s\n", column->usual > 0 ? '*' : ' ', (int)width, column->name,
                            _ (column->help));
  g_string_append (out, _ ("Columns marked * are the usual ones.\n"));
  return g_string_free (out, FALSE);
}

static void
append_text (GString *out, const char *text, const char *colour)
{
  if (colour == NULL)
    g_string_append (out, text);
  else
    g_string_append_printf (out, "%s%s" NORMAL, colour, text);
}

/* @row: for colours; NULL: in none. */
static void
append_row (
    GString *out, GPtrArray *chosen, char **cells, const gsize *widths, gboolean is_heading, GVariant *row)
{
  for (guint i = 0; i < chosen->len; i++)
    {
      const AglColumn *column = g_ptr_array_index (chosen, i);
      g_autofree char *text = agl_text_cut (
          cells[i], widths[i], is_heading && column->cut != AGL_CUT_NEVER ? AGL_CUT_END : column->cut);
      const char *colour = row != NULL && column->colour != NULL ? column->colour (row) : NULL;
      gsize width = agl_text_width (text);
      int padding = (int)(widths[i] > width ? widths[i] - width : 0);

      if (i > 0)
        g_string_append_c (out, ' ');
      if (column->is_number)
        g_string_append_printf (out, "%*s", padding, "");
      append_text (out, text, colour);
      if (!column->is_number && i + 1 < chosen->len)
        g_string_append_printf (out, "%*s", padding, "");
    }
}

/* For a person in his language; elsewhere the name, which a script may look for. */
static const char *
heading_of (const AglColumn *column, const AglScreen *screen)
{
  return screen->is_terminal ? g_dpgettext2 (NULL, "column", column->name) : column->name;
}

static char **
make_cells (GPtrArray *chosen, GVariant *row, const AglScreen *screen)
{
  char **cells = g_new0 (char *, chosen->len + 1);

  for (guint i = 0; i < chosen->len; i++)
    {
      const AglColumn *column = g_ptr_array_index (chosen, i);

      cells[i] = row == NULL ? g_strdup (heading_of (column, screen)) : column->text (row, screen);
      if (cells[i] == NULL || *cells[i] == '\0')
        {
          g_free (cells[i]);
          cells[i] = g_strdup ("-");
        }
    }
  return cells;
}

/* How wide each column is when nothing is cut. Caller frees. */
static gsize *
measure (GPtrArray *chosen, GPtrArray *lines)
{
  gsize *widths = g_new0 (gsize, chosen->len);

  for (guint i = 0; i < chosen->len; i++)
    for (guint j = 0; j < lines->len; j++)
      {
        char **cells = g_ptr_array_index (lines, j);

        widths[i] = MAX (widths[i], agl_text_width (cells[i]));
      }
  return widths;
}

/* What a column cannot do without. */
static gsize
least_width (const AglColumn *column, gsize width)
{
  return column->cut == AGL_CUT_NEVER ? width : MIN (width, MIN_CUT_WIDTH);
}

static gboolean
fits (GPtrArray *chosen, const gsize *widths, gsize room)
{
  gsize sum = 0;

  for (guint i = 0; i < chosen->len; i++)
    sum += least_width (g_ptr_array_index (chosen, i), widths[i]) + (i > 0 ? 1 : 0);
  return sum <= room;
}

/* Leaves out the column that matters least; FALSE: each that is left does. */
static gboolean
leave_one_out (GPtrArray *chosen, GPtrArray *lines, gsize *widths)
{
  guint least = 0;

  for (guint i = 1; i < chosen->len; i++)
    if (((const AglColumn *)g_ptr_array_index (chosen, i))->usual
        > ((const AglColumn *)g_ptr_array_index (chosen, least))->usual)
      least = i;
  if (((const AglColumn *)g_ptr_array_index (chosen, least))->usual <= 1)
    return FALSE;
  for (guint j = 0; j < lines->len; j++)
    {
      char **cells = g_ptr_array_index (lines, j);

      g_free (cells[least]);
      memmove (cells + least, cells + least + 1, (chosen->len - least) * sizeof *cells);
    }
  memmove (widths + least, widths + least + 1, (chosen->len - least - 1) * sizeof *widths);
  g_ptr_array_remove_index (chosen, least);
  return TRUE;
}

static void
fit (GPtrArray *chosen, GPtrArray *lines, gsize *widths, const AglScreen *screen)
{
  g_autofree AglCut *cuts = g_new0 (AglCut, chosen->len);

  if (screen->width == 0)
    return;
  while (!screen->keeps_columns && !fits (chosen, widths, screen->width)
         && leave_one_out (chosen, lines, widths))
    ;
  for (guint i = 0; i < chosen->len; i++)
    cuts[i] = ((const AglColumn *)g_ptr_array_index (chosen, i))->cut;
  agl_table_fit (widths, cuts, chosen->len, MIN_CUT_WIDTH,
                 screen->width - MIN (screen->width, chosen->len - 1));
}

char *
agl_table_format (GPtrArray *columns, GVariant *rows, gboolean headings, const AglScreen *screen)
{
  g_autoptr (GPtrArray) chosen = g_ptr_array_copy (columns, NULL, NULL);
  g_autoptr (GPtrArray) lines = g_ptr_array_new_with_free_func ((GDestroyNotify)g_strfreev);
  g_autofree gsize *widths = NULL;
  GString *out = g_string_new (NULL);

  if (g_variant_n_children (rows) == 0)
    return g_string_free (out, FALSE);
  if (headings)
    g_ptr_array_add (lines, make_cells (chosen, NULL, screen));
  for (gsize i = 0; i < g_variant_n_children (rows); i++)
    {
      g_autoptr (GVariant) row = g_variant_get_child_value (rows, i);

      g_ptr_array_add (lines, make_cells (chosen, row, screen));
    }
  widths = measure (chosen, lines);
  fit (chosen, lines, widths, screen);
  for (guint i = 0; i < lines->len; i++)
    {
      gboolean is_heading = i == 0 && headings;
      g_autoptr (GVariant) row = NULL;

      if (screen->has_colour && !is_heading)
        row = g_variant_get_child_value (rows, headings ? i - 1 : i);
      g_string_append (out, is_heading && screen->has_colour ? UNDERLINE : "");
      append_row (out, chosen, g_ptr_array_index (lines, i), widths, is_heading, row);
      g_string_append (out, is_heading && screen->has_colour ? NORMAL "\n" : "\n");
    }
  return g_string_free (out, FALSE);
}
