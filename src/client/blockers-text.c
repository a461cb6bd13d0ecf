/* SPDX-License-Identifier: MIT */
#include "client/blockers-text.h"

#include <glib/gi18n.h>

#include "client/duration.h"
#include "client/lock-columns.h"
#include "client/place.h"
#include "common/text.h"

static gboolean
is_unregistered (GVariant *blocker)
{
  const char *kind;

  return g_variant_lookup (blocker, "kind", "&s", &kind) && g_str_equal (kind, "unregistered");
}

static char *
describe_blocker (GVariant *blocker)
{
  g_autofree char *who = agl_row_who (blocker);
  guint pid = (guint)agl_row_number (blocker, "pid", 0);

  if (pid == 0)
    /* Translators: a manual lock of the user %s */
    return g_strdup_printf (_ ("a claim of %s"), who);
  if (is_unregistered (blocker))
    /* Translators: the name of an agent that runs there without a lock, the number of its process */
    return g_strdup_printf (_ ("%s (pid %u, unregistered)"), who, pid);
  /* Translators: the name of an agent or a command, the number of its process */
  return g_strdup_printf (_ ("%s (pid %u)"), who, pid);
}

static void
add_fact (GString *facts, char *fact)
{
  if (facts->len > 0)
    /* Translators: between the items of a list */
    g_string_append (facts, C_ ("list", ", "));
  g_string_append (facts, fact);
  g_free (fact);
}

/* What is known of the first of them, and how many there are. "" when that is nothing. Caller frees. */
static char *
describe_facts (GVariant *blockers, gint64 now_usec, gboolean with_waiters)
{
  gsize n = g_variant_n_children (blockers);
  g_autoptr (GVariant) first = g_variant_get_child_value (blockers, 0);
  guint64 since = agl_row_number (first, "acquired-at", 0);
  guint waiters = (guint)agl_row_number (first, "waiters", 0);
  g_autofree char *reason = agl_row_text (first, "reason");
  GString *facts = g_string_new (NULL);

  if (since != 0)
    {
      g_autofree char *length = agl_duration_to_string (now_usec - (gint64)since);

      /* Translators: how long a directory has been in use; %s is a length of time such as "3min" */
      add_fact (facts, g_strdup_printf (_ ("there for %s"), length));
    }
  if (reason != NULL && *reason != '\0')
    /* Translators: %s is why a directory is locked, in the words of whoever locked it */
    add_fact (facts, g_strdup_printf (_ ("reason “%s”"), reason));
  if (n > 1)
    /* Translators: %u is how many more locks or agents are in the way than the one that was named */
    add_fact (facts, g_strdup_printf (ngettext ("%u other in the way", "%u others in the way", n - 1),
                                      (guint)(n - 1)));
  if (with_waiters && waiters > 1)
    /* Translators: %u is how many wait, this one included */
    add_fact (facts, g_strdup_printf (ngettext ("%u in line", "%u in line", waiters), waiters));
  return g_string_free (facts, FALSE);
}

static char *
describe_first (GVariant *blockers)
{
  g_autoptr (GVariant) first = g_variant_get_child_value (blockers, 0);

  return describe_blocker (first);
}

char *
agl_blockers_describe_wait (
    GVariant *blockers, gboolean others_first, const char *directory, const char *home, gint64 now_usec)
{
  g_autofree char *shown = agl_place_display (directory, home);
  g_autofree char *who = NULL;
  g_autofree char *facts = NULL;

  if (g_variant_n_children (blockers) == 0 && others_first)
    /* Translators: %s is a directory; the others wait too */
    return g_strdup_printf (_ ("waiting for my turn: %s (others came first)"), shown);
  if (g_variant_n_children (blockers) == 0)
    /* Translators: %s is a directory */
    return g_strdup_printf (_ ("waiting for my turn: %s"), shown);
  who = describe_first (blockers);
  facts = describe_facts (blockers, now_usec, TRUE);
  if (*facts == '\0')
    /* Translators: who is in the way, a directory */
    return g_strdup_printf (_ ("waiting for %s: %s"), who, shown);
  /* Translators: who is in the way, a directory, a list such as "there for 3min, 2 in line" */
  return g_strdup_printf (_ ("waiting for %s: %s (%s)"), who, shown, facts);
}

/* As the service judges: to hold it beside others takes the same user, or privilege. An unregistered agent
 * has nothing to be held beside. */
static gboolean
may_join (GVariant *blockers, uid_t asker)
{
  for (gsize i = 0; asker != 0 && i < g_variant_n_children (blockers); i++)
    {
      g_autoptr (GVariant) blocker = g_variant_get_child_value (blockers, i);

      if (!is_unregistered (blocker) && agl_row_number (blocker, "uid", asker) != asker)
        return FALSE;
    }
  return TRUE;
}

/* Where there is more to see. Caller frees. */
static char *
next_command (GVariant *blockers, const char *directory)
{
  g_autoptr (GVariant) first = g_variant_get_child_value (blockers, 0);
  g_autofree char *word = NULL;

  /* Of an agent without a lock a list of locks tells nothing. */
  if (!is_unregistered (first))
    return g_strdup ("agentctl-locks list");
  word = agl_text_shell_word (directory);
  return g_strdup_printf ("agentctl-locks check %s", word != NULL ? word : "DIR");
}

char *
agl_blockers_describe_refusal (GVariant *blockers,
                               const char *directory,
                               const char *home,
                               gint64 now_usec,
                               uid_t asker,
                               gboolean timed_out)
{
  g_autofree char *shown = agl_place_display (directory, home);
  g_autofree char *who = NULL;
  g_autofree char *facts = NULL;
  g_autofree char *command = NULL;

  if (g_variant_n_children (blockers) == 0)
    return NULL;
  who = describe_first (blockers);
  facts = describe_facts (blockers, now_usec, FALSE);
  if (timed_out && *facts == '\0')
    /* Translators: a directory, who is in the way */
    return g_strdup_printf (_ ("the time ran out, and %s is still in use by %s"), shown, who);
  if (timed_out)
    /* Translators: a directory, who is in the way, a list such as "there for 3min, 2 others in the way" */
    return g_strdup_printf (_ ("the time ran out, and %s is still in use by %s: %s"), shown, who, facts);
  command = next_command (blockers, directory);
  if (!may_join (blockers, asker) && *facts == '\0')
    /* Translators: a directory, who is in the way, a command line */
    return g_strdup_printf (_ ("%s is in use by %s; wait with --wait, or see %s"), shown, who, command);
  if (!may_join (blockers, asker))
    /* Translators: a directory, who is in the way, a list such as "there for 3min", a command line */
    return g_strdup_printf (_ ("%s is in use by %s: %s; wait with --wait, or see %s"), shown, who, facts,
                            command);
  if (*facts == '\0')
    /* Translators: a directory, who is in the way, a command line */
    return g_strdup_printf (_ ("%s is in use by %s; wait with --wait, work beside it with --join, or see %s"),
                            shown, who, command);
  return g_strdup_printf (
      /* Translators: a directory, who is in the way, a list such as "there for 3min", a command line */
      _ ("%s is in use by %s: %s; wait with --wait, work beside it with --join, or see %s"), shown, who,
      facts, command);
}
