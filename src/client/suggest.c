/* SPDX-License-Identifier: MIT */
#include "client/suggest.h"

#include <string.h>

/* More than this is no typing error but another word. */
#define MAX_DISTANCE 2
#define MAX_LENGTH   32

/* Edits between two words, a swap of neighbours counting as one (optimal string alignment). */
static gsize
distance (const char *a, const char *b)
{
  gsize rows[MAX_LENGTH + 1][MAX_LENGTH + 1];
  gsize n = strlen (a), m = strlen (b);

  if (n > MAX_LENGTH || m > MAX_LENGTH)
    return G_MAXSIZE;
  for (gsize i = 0; i <= n; i++)
    rows[i][0] = i;
  for (gsize j = 0; j <= m; j++)
    rows[0][j] = j;
  for (gsize i = 1; i <= n; i++)
    for (gsize j = 1; j <= m; j++)
      {
        gsize best = rows[i - 1][j - 1] + (a[i - 1] != b[j - 1]);

        best = MIN (best, MIN (rows[i - 1][j], rows[i][j - 1]) + 1);
        if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
          best = MIN (best, rows[i - 2][j - 2] + 1);
        rows[i][j] = best;
      }
  return rows[n][m];
}

const char *
agl_suggest (const char *typed, const char *const *names)
{
  const char *best = NULL;
  gsize best_distance = MAX_DISTANCE + 1;

  for (; *names != NULL; names++)
    {
      gsize d = *typed != '\0' && g_str_has_prefix (*names, typed) ? 1 : distance (typed, *names);

      /* "rn" is near to "run", but "x" is not near to "run" merely since both are short. */
      if (d < best_distance && d < strlen (*names))
        {
          best = *names;
          best_distance = d;
        }
    }
  return best;
}
