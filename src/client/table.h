/* SPDX-License-Identifier: MIT */
#pragma once
#include <gio/gio.h>

#include "client/options.h"

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
  gsize width;            /* columns; 0: as wide as it gets */
  gboolean keeps_columns; /* also those for which there is no room: they were asked for */
  const char *home;       /* shortened to ~; NULL: not */
  gint64 now_usec;        /* since the epoch */
} AglScreen;

/* Of standard output; of a table, with the columns that @options name. */
AglScreen agl_screen_of_stdout (void);
AglScreen agl_screen_of_options (const AglOptions *options);

typedef struct
{
  /* As --output says it, the same in every language; also the heading, but on a terminal that is translated
   * (context "column"). */
  const char *name;
  const char *help; /* to be translated */
  AglCut cut;
  gboolean is_number; /* aligned to the right */
  guint usual;        /* 0: shown only where --output names it; else how soon it is left out where there is no
                         room for all, the largest first and 1 never */
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

/* Those that @options name. NULL without @error: the question was --output=help, and it is answered. */
GPtrArray *agl_columns_of_options (const AglColumn *columns, const AglOptions *options, GError **error);

/* What `--output=help` prints. Caller frees. */
char *agl_columns_help (const AglColumn *columns);

/* @rows: aa{sv}; @columns: of agl_columns_choose(). The whole table with its final newline, "" when it has no
 * rows. Caller frees. */
char *agl_table_format (GPtrArray *columns, GVariant *rows, gboolean headings, const AglScreen *screen);

/* The steps of it. Widths are in terminal cells: a wide character takes two, a combining one none.
 * Cut off are whole characters as a reader sees them, accents and all, and "…" stands in their place. */
gsize agl_text_width (const char *text);
char *agl_text_cut (const char *text, gsize width, AglCut cut);

/* Shrinks the @widths of columns that may be cut, the widest first, to at least @min each, until the sum is
 * at most @room or nothing is left to give. */
void agl_table_fit (gsize *widths, const AglCut *cuts, gsize n, gsize min, gsize room);
