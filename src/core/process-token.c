/* SPDX-License-Identifier: MIT */
#include "core/process.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "core/proc-text.h"

gboolean
agl_process_token_equal (const AglProcessToken *a, const AglProcessToken *b)
{
  return a->kind != AGL_TOKEN_NONE && a->kind == b->kind && a->pid == b->pid && a->value == b->value;
}

char *
agl_process_token_to_string (const AglProcessToken *token)
{
  switch (token->kind)
    {
    case AGL_TOKEN_NONE:
      return g_strdup ("");
    case AGL_TOKEN_PIDFS:
      return g_strdup_printf ("pidfs:%" G_GUINT64_FORMAT, token->value);
    case AGL_TOKEN_START_TIME:
      return g_strdup_printf ("start:%" G_GUINT64_FORMAT, token->value);
    }
  g_return_val_if_reached (NULL);
}

gboolean
agl_process_token_parse (const char *text, pid_t pid, AglProcessToken *token)
{
  AglProcessToken parsed = { .kind = AGL_TOKEN_NONE, .pid = pid };
  const char *digits;

  if (g_str_has_prefix (text, "pidfs:"))
    parsed.kind = AGL_TOKEN_PIDFS;
  else if (g_str_has_prefix (text, "start:"))
    parsed.kind = AGL_TOKEN_START_TIME;
  else
    return FALSE;

  digits = text + strlen ("pidfs:");
  if (pid <= 0 || !g_ascii_string_to_unsigned (digits, 10, 0, G_MAXUINT64, &parsed.value, NULL))
    return FALSE;
  *token = parsed;
  return TRUE;
}

static char *
read_world (void)
{
  char text[AGL_PROC_TEXT_BYTES];
  gsize n_bytes = 0;
  struct stat st;

  if (!agl_proc_read_text ("/proc/sys/kernel/random/boot_id", text, &n_bytes))
    g_error ("Cannot read /proc/sys/kernel/random/boot_id, so no saved process can be told from another: %s",
             g_strerror (errno));
  if (stat ("/proc/self/ns/pid", &st) != 0)
    g_error ("Cannot read /proc/self/ns/pid, so no saved process can be told from another: %s",
             g_strerror (errno));
  g_strchomp (text);
  return g_strdup_printf ("%s/%" G_GUINT64_FORMAT, text, (guint64)st.st_ino);
}

const char *
agl_process_world (void)
{
  static char *world = NULL;

  if (g_once_init_enter (&world))
    g_once_init_leave (&world, read_world ());
  return world;
}

/* Skips one field and the space behind it. */
static const char *
next_field (const char *at, const char *end)
{
  const char *space = at < end ? memchr (at, ' ', (gsize)(end - at)) : NULL;

  return space != NULL ? space + 1 : NULL;
}

/* A run of digits that ends at a space, a newline or @end. */
static gboolean
parse_digits (const char *at, const char *end, guint64 *value)
{
  guint64 v = 0;
  const char *start = at;

  for (; at < end && g_ascii_isdigit (*at); at++)
    {
      guint digit = (guint)(*at - '0');

      if (v > (G_MAXUINT64 - digit) / 10)
        return FALSE;
      v = v * 10 + digit;
    }
  if (at == start || (at < end && *at != ' ' && *at != '\n'))
    return FALSE;
  *value = v;
  return TRUE;
}

gboolean
agl_process_parse_stat (const char *text, gsize n_bytes, pid_t *parent, guint64 *start_time)
{
  const char *end = text + n_bytes;
  const char *at = memrchr (text, ')', n_bytes);
  guint64 parent_number;
  guint64 ticks;

  if (at == NULL || end - at < 2 || at[1] != ' ')
    return FALSE;
  at = next_field (at + 2, end); /* over the state, field 3 */
  if (at == NULL || !parse_digits (at, end, &parent_number) || parent_number > G_MAXINT)
    return FALSE;
  for (guint field = 4; field < 22; field++)
    {
      at = next_field (at, end);
      if (at == NULL)
        return FALSE;
    }
  if (!parse_digits (at, end, &ticks))
    return FALSE;

  if (parent != NULL)
    *parent = (pid_t)parent_number;
  if (start_time != NULL)
    *start_time = ticks;
  return TRUE;
}
