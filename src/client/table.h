/* SPDX-License-Identifier: MIT */
#pragma once
#include <gio/gio.h>

/* Tables for people, in the manner of lslocks(8): columns by name, fitted to a terminal, plain elsewhere. */

/* Which end of a text is given up when there is no room. */
typedef enum
{
  AGL_CUT_NEVER,
  AGL_CUT_END,  /* "the reason is…" */
  AGL_CUT_START /* "…/agentctl/src": a path says most at its end */
} AglCut;

/* Where a table goes. */
typedef struct
{
  gboolean is_terminal;
  gboolean has_colour;
  gsize width;      /* columns; 0: as wide as it gets */
  const char *home; /* shortened to ~; NULL: not */
  gint64 now_usec;  /* since the epoch */
} AglScreen;

/* Of standard output. */
AglScreen agl_screen_of_stdout (void);

typedef struct
{
  const char *name; /* as headings and --output say it; the same in every language */
  const char *help; /* to be translated */
  AglCut cut;
  gboolean is_number; /* aligned to the right */
  gboolean is_usual;  /* shown unless --output says otherwise */
  /* The cell of @row, an a{sv}. NULL or "": nothing to say. Caller frees. */
  char *(*text) (GVariant *row, const AglScreen *screen);
  /* An escape sequence for what deserves a look, where there is colour; NULL: none. Static. */
  const char *(*colour) (GVariant *row);
  const char *key; /* what --json calls it, where that is another word: also understood; NULL: none */
} AglColumn;

#define AGL_COLOUR_NOTICE "\033[33m" /* yellow */
#define AGL_COLOUR_ALERT  "\033[31m" /* red */

/* The columns of @names ("ID,PID", case ignored, or as --json calls them, "+NAME" adds to the usual ones;
 * NULL: the usual ones) as pointers into @columns, which ends with a NULL name. Errors: AGL_EXIT_ERROR with
 * AGL_EXIT_USAGE. */
GPtrArray *agl_columns_choose (const AglColumn *columns, const char *names, GError **error);

/* What `--output=help` prints. Caller frees. */
char *agl_columns_help (const AglColumn *columns);

/* @rows: aa{sv}. The whole table with its final newline, "" when it has no rows. Caller frees. */
char *agl_table_format (GPtrArray *chosen, GVariant *rows, gboolean headings, const AglScreen *screen);

/* The steps of it. Widths are in terminal cells: a wide character takes two, a combining one none. */
gsize agl_text_width (const char *text);
char *agl_text_cut (const char *text, gsize width, AglCut cut);

/* Shrinks the @widths of columns that may be cut, the widest first, to at least @min each, until the sum is
 * at most @room or nothing is left to give. */
void agl_table_fit (gsize *widths, const AglCut *cuts, gsize n, gsize min, gsize room);
