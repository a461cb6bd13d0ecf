/* SPDX-License-Identifier: MIT */
#pragma once
#include <gio/gio.h>

/* The one line that a status bar shows: how many locks are held, whether somebody waits. */

typedef enum
{
  AGL_STATUS_WAYBAR, /* an object of waybar-custom(5): text, tooltip, class, alt */
  AGL_STATUS_TMUX,   /* for #(…) in tmux(1)'s status line */
  AGL_STATUS_PLAIN   /* a template of the user's */
} AglStatusKind;

typedef struct
{
  AglStatusKind kind;
  char *template; /* NULL but for plain */
} AglStatusFormat;

/* @text: "waybar", "tmux", "plain" or "plain:TEMPLATE". In a template {locks}, {waiters}, {process},
 * {manual}, {state}, {who} and {directories} stand for what they name, {{ and }} for a brace. Errors:
 * AGL_EXIT_ERROR with AGL_EXIT_USAGE. *@format is to be cleared in either case. */
gboolean agl_status_format_parse (const char *text, AglStatusFormat *format, GError **error);
void agl_status_format_clear (AglStatusFormat *format);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (AglStatusFormat, agl_status_format_clear)

/* What is known. */
typedef struct
{
  GVariant *locks;    /* aa{sv}, as List gives them; NULL: nothing is known yet */
  guint n_waiters;    /* requests that wait */
  gboolean is_online; /* FALSE: the service is away, and this was its last word */
  const char *home;   /* shortened to ~; NULL: not */
} AglStatus;

/* "free", "held", "waiting" (held, and somebody wants it) or "offline". Static. */
const char *agl_status_state (const AglStatus *status);

/* Without the final newline; in one line whatever names are in it. Caller frees. */
char *agl_status_line (const AglStatus *status, const AglStatusFormat *format);
