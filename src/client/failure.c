/* SPDX-License-Identifier: MIT */
#include "client/failure.h"

#include <glib/gi18n.h>
#include <string.h>

#include "client/exit-status.h"
#include "common/error.h"
#include "common/text.h"

static const char *
headline (AglError code)
{
  switch (code)
    {
    case AGL_ERROR_HELD:
      return N_ ("the directory is in use; agentctl-locks check tells by whom");
    case AGL_ERROR_TIMED_OUT:
      return N_ ("the time ran out, and the directory is still in use");
    case AGL_ERROR_CANCELLED:
      return N_ ("the wait was cancelled");
    case AGL_ERROR_DEADLOCK:
      return N_ ("waiting would never end: each of those who wait holds what another one waits for");
    case AGL_ERROR_INVALID_DIRECTORY:
      return N_ ("this is no directory that can be locked; give one that exists and that you may enter");
    case AGL_ERROR_INVALID_OPTION:
      return N_ ("the service does not take these options; see agentctl-locks --help");
    case AGL_ERROR_NO_SUCH_PROCESS:
      return N_ ("there is no such process, or it has ended");
    case AGL_ERROR_NOT_IN_DIRECTORY:
      return N_ ("the process does not work in the directory; change there first, or say --no-follow-cwd");
    case AGL_ERROR_NOT_FOUND:
      return N_ ("there is no such lock; agentctl-locks list shows those that there are");
    case AGL_ERROR_AMBIGUOUS:
      return N_ ("there are several locks; say which with --id");
    case AGL_ERROR_HOLDER_ALIVE:
      return N_ ("its holder is alive; end that process, or say --force");
    case AGL_ERROR_NOT_PERMITTED:
      return N_ ("this is not permitted: the process, the lock or the directory is another user's");
    case AGL_ERROR_LIMIT_EXCEEDED:
      return N_ ("a limit is reached; release or finish something first");
    case AGL_ERROR_UNAVAILABLE:
      return N_ ("the service cannot do it now; nothing was granted or changed, so try again later");
    case AGL_N_ERRORS:
      return NULL;
    }
  return NULL;
}

/* What the service says is escaped for display already, backslashes included; what pretends to be is not
 * trusted to be. Newlines of our own messages stay. */
static char *
make_harmless (const char *message)
{
  g_auto (GStrv) parts = g_strsplit_set (message, "\\\n", -1);
  GString *out = g_string_new (NULL);

  for (char **part = parts; *part != NULL; part++)
    {
      g_autofree char *escaped = agl_text_escape (*part, -1);

      g_string_append (out, escaped);
      message += strlen (*part);
      if (*message != '\0')
        g_string_append_c (out, *message++);
    }
  return g_string_free (out, FALSE);
}

static const struct
{
  const char *on_the_bus, *here;
} spellings[] = {
  { "conflict=fail", "--nonblock" },
  { "conflict=wait", "--wait" },
  { "conflict=join", "--join" },
  { "conflict=steal", "--steal" },
  { "follow-cwd=false", "--no-follow-cwd" },
  { "follow-cwd=true", "--follow-cwd" },
  { "shared=true", "--shared" },
  { "subtree=true", "--subtree" },
  { "with force", "with --force" },
};

char *
agl_failure_respell (const char *message)
{
  GString *out = g_string_new (NULL);
  gboolean quoted = FALSE;

  while (*message != '\0')
    {
      gsize i = 0;

      quoted = quoted != (*message == '"');
      while (i < G_N_ELEMENTS (spellings) && (quoted || !g_str_has_prefix (message, spellings[i].on_the_bus)))
        i++;
      if (i < G_N_ELEMENTS (spellings))
        {
          g_string_append (out, spellings[i].here);
          message += strlen (spellings[i].on_the_bus);
        }
      else
        g_string_append_c (out, *message++);
    }
  return g_string_free (out, FALSE);
}

gboolean
agl_failure_speaks_english (void)
{
  /* The first words of every language's catalogue; without one gettext returns what it was given. */
  const char *english = headline (AGL_ERROR_HELD);

  return _ (english) == english;
}

static void
take_message (GError *error, char *message)
{
  g_free (error->message);
  error->message = message;
}

void
agl_failure_translate (GError *error)
{
  g_autofree char *english = agl_failure_respell (error->message);

  g_return_if_fail (error->domain == AGL_ERROR);
  if (agl_failure_speaks_english ())
    take_message (error, g_steal_pointer (&english));
  else
    take_message (error, g_strconcat (_ (headline (error->code)), "\n", english, NULL));
}

void
agl_failure_reword (GError *error, const char *words)
{
  const char *end = strchr (error->message, '\n');

  take_message (error, g_strconcat (words, "\n", end != NULL ? end + 1 : error->message, NULL));
}

char *
agl_failure_in_one_line (const GError *error)
{
  const char *end = strchr (error->message, '\n');
  g_autofree char *words = end == NULL ? NULL : g_strndup (error->message, (gsize)(end - error->message));

  if (error->domain != AGL_ERROR || words == NULL)
    return g_strdup (error->message);
  /* Translators: what went wrong, then the same in English and in full, as the service says it */
  return g_strdup_printf (_ ("%s (%s)"), words, end + 1);
}

void
agl_failure_print (const GError *error, const char *command)
{
  g_autofree char *harmless = make_harmless (error->message);
  g_auto (GStrv) lines = g_strsplit (harmless, "\n", -1);

  for (char **line = lines; *line != NULL; line++)
    g_printerr ("agentctl-locks: %s\n", *line);
  if (!g_error_matches (error, AGL_EXIT_ERROR, AGL_EXIT_USAGE))
    return;
  if (command == NULL)
    g_printerr (_ ("Try “agentctl-locks --help”.\n"));
  else
    /* Translators: %s is a command of agentctl-locks */
    g_printerr (_ ("Try “agentctl-locks %s --help”.\n"), command);
}
