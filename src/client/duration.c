/* SPDX-License-Identifier: MIT */
#include "client/duration.h"

#include <glib/gi18n.h>
#include <math.h>

#define SEC_PER_MIN  60
#define SEC_PER_HOUR (60 * SEC_PER_MIN)
#define SEC_PER_DAY  (24 * SEC_PER_HOUR)

gboolean
agl_duration_parse_msec (const char *text, gint64 *msec)
{
  char *end = NULL;
  double seconds;

  /* strtod(3) takes signs, spaces, hexadecimals and names too. */
  if (text[0] == '\0' || strspn (text, "0123456789.") != strlen (text))
    return FALSE;
  seconds = g_ascii_strtod (text, &end);
  if (end == text || *end != '\0' || !isfinite (seconds) || seconds > G_MAXUINT32 / 1000.0)
    return FALSE;
  *msec = (gint64)ceil (seconds * 1000.0);
  return TRUE;
}

static guint64
unit_sec (char unit)
{
  switch (unit)
    {
    case 's':
      return 1;
    case 'm':
      return SEC_PER_MIN;
    case 'h':
      return SEC_PER_HOUR;
    case 'd':
      return SEC_PER_DAY;
    default: /* not an enum, but a character from outside */
      return 0;
    }
}

gboolean
agl_duration_parse_sec (const char *text, guint32 *sec)
{
  guint64 sum = 0;

  if (*text == '\0')
    return FALSE;
  while (*text != '\0')
    {
      char *end = NULL;
      guint64 number, unit;

      if (!g_ascii_isdigit (*text))
        return FALSE;
      number = g_ascii_strtoull (text, &end, 10);
      unit = *end == '\0' && sum == 0 ? 1 : unit_sec (*end);
      if (unit == 0 || number > G_MAXUINT32)
        return FALSE;
      sum += number * unit;
      if (sum > G_MAXUINT32)
        return FALSE;
      text = *end == '\0' ? end : end + 1;
    }
  *sec = (guint32)sum;
  return sum > 0;
}

char *
agl_duration_to_string (gint64 usec)
{
  guint64 sec = usec > 0 ? (guint64)usec / G_USEC_PER_SEC : 0;
  guint days = (guint)MIN (sec / SEC_PER_DAY, G_MAXUINT);
  guint hours = sec % SEC_PER_DAY / SEC_PER_HOUR;
  guint minutes = sec % SEC_PER_HOUR / SEC_PER_MIN;

  if (days > 0 && hours > 0)
    /* Translators: days and hours, abbreviated */
    return g_strdup_printf (_ ("%ud %uh"), days, hours);
  if (days > 0)
    /* Translators: days, abbreviated */
    return g_strdup_printf (_ ("%ud"), days);
  if (hours > 0 && minutes > 0)
    /* Translators: hours and minutes, abbreviated */
    return g_strdup_printf (_ ("%uh %umin"), hours, minutes);
  if (hours > 0)
    /* Translators: hours, abbreviated */
    return g_strdup_printf (_ ("%uh"), hours);
  if (minutes > 0)
    /* Translators: minutes, abbreviated */
    return g_strdup_printf (_ ("%umin"), minutes);
  /* Translators: seconds, abbreviated */
  return g_strdup_printf (_ ("%us"), (guint)sec);
}

char *
agl_duration_ago (gint64 usec)
{
  g_autofree char *length = agl_duration_to_string (usec);

  /* Translators: %s is a length of time such as "3min" */
  return g_strdup_printf (_ ("%s ago"), length);
}
