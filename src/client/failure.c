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
      return N_ ("the directory is in use");
    case AGL_ERROR_TIMED_OUT:
      return N_ ("the directory is still in use; the time ran out");
    case AGL_ERROR_CANCELLED:
      return N_ ("the wait was cancelled");
    case AGL_ERROR_DEADLOCK:
      return N_ ("waiting would never end: those who wait hold what the others wait for");
    case AGL_ERROR_INVALID_DIRECTORY:
      return N_ ("this is no directory that can be locked");
    case AGL_ERROR_INVALID_OPTION:
      return N_ ("the service does not take these options");
    case AGL_ERROR_NO_SUCH_PROCESS:
      return N_ ("there is no such process");
    case AGL_ERROR_NOT_IN_DIRECTORY:
      return N_ ("the process does not work in the directory");
    case AGL_ERROR_NOT_FOUND:
      return N_ ("there is no such lock");
    case AGL_ERROR_AMBIGUOUS:
      return N_ ("there are several locks; say which with --id");
    case AGL_ERROR_HOLDER_ALIVE:
      return N_ ("its holder lives; --force releases it all the same");
    case AGL_ERROR_NOT_PERMITTED:
      return N_ ("this is not permitted");
    case AGL_ERROR_LIMIT_EXCEEDED:
      return N_ ("a limit is reached");
    case AGL_ERROR_UNAVAILABLE:
      return N_ ("the service cannot do it now; nothing was granted or changed");
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

void
agl_failure_print (const GError *error, const char *command)
{
  g_autofree char *harmless = make_harmless (error->message);
  g_autofree char *message =
      error->domain == AGL_ERROR ? agl_failure_respell (harmless) : g_strdup (harmless);
  const char *english = error->domain == AGL_ERROR ? headline (error->code) : NULL;

  if (english != NULL && _ (english) != english)
    g_printerr ("agentctl-locks: %s\n", _ (english));
  g_printerr ("agentctl-locks: %s\n", message);
  if (g_error_matches (error, AGL_EXIT_ERROR, AGL_EXIT_USAGE))
    /* Translators: %s is "" or a command with a space before it */
    g_printerr (_ ("Try “agentctl-locks%s%s --help”.\n"), command == NULL ? "" : " ",
                command == NULL ? "" : command);
}
