/* SPDX-License-Identifier: MIT */
#include "core/proc-text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

gboolean
agl_proc_read_text (const char *path, char text[AGL_PROC_TEXT_BYTES], gsize *n_bytes)
{
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
  ssize_t n;
  int saved_errno;

  if (fd < 0)
    return FALSE;
  do
    n = read (fd, text, AGL_PROC_TEXT_BYTES - 1);
  while (n < 0 && errno == EINTR);
  saved_errno = errno;
  close (fd);
  errno = saved_errno;
  if (n < 0)
    return FALSE;

  text[n] = '\0';
  *n_bytes = (gsize)n;
  return TRUE;
}

/* The number after "\n@label:" in the text of a status or fdinfo file. Names in it are escaped, so that no
 * process can forge a line. */
static const char *
find_line (const char *text, const char *label)
{
  gsize length = strlen (label);

  for (const char *line = text; line != NULL; line = strchr (line, '\n'))
    {
      if (*line == '\n')
        line++;
      if (strncmp (line, label, length) == 0 && line[length] == ':')
        return line + length + 1;
      if (*line == '\0')
        break;
    }
  return NULL;
}

gboolean
agl_proc_parse_line (const char *text, const char *label, gint64 *values, guint n_values)
{
  const char *at = find_line (text, label);

  if (at == NULL)
    return FALSE;
  for (guint i = 0; i < n_values; i++)
    {
      char *end;

      while (*at == ' ' || *at == '\t')
        at++;
      if (!g_ascii_isdigit (*at) && *at != '-')
        return FALSE;
      values[i] = g_ascii_strtoll (at, &end, 10);
      if (end == at)
        return FALSE;
      at = end;
    }
  return TRUE;
}
