/* SPDX-License-Identifier: MIT */
#include <glib/gi18n.h>

#include "client/census.h"
#include "client/command.h"
#include "client/json.h"
#include "client/known-agents.h"
#include "client/lock-columns.h"
#include "client/place.h"
#include "client/service.h"
#include "common/error.h"
#include "common/text.h"

/* Everything that is known of one process: for people and, as a dictionary, for programs. */

static gboolean
is_of_pid (GVariant *lock, pid_t pid)
{
  return pid > 0 && agl_row_number (lock, "pid", 0) == (guint64)pid;
}

static gboolean
is_of_one (GVariant *lock, gconstpointer one)
{
  return is_of_pid (lock, ((const AglInhabitant *)one)->pid);
}

/* Somebody else's, and it covers where @one works. */
static gboolean
covers_its_place (GVariant *lock, gconstpointer one)
{
  const char *directory;
  const char *cwd = ((const AglInhabitant *)one)->cwd;

  if (cwd == NULL || is_of_one (lock, one) || !g_variant_lookup (lock, "directory", "&s", &directory))
    return FALSE;
  return g_str_equal (cwd, directory)
         || (agl_row_flag (lock, "subtree") && agl_path_is_within (cwd, directory));
}

/* (transfer floating) aa{sv} */
static GVariant *
select_locks (GVariant *locks, gboolean (*wanted) (GVariant *lock, gconstpointer one), gconstpointer one)
{
  GVariantBuilder found;

  g_variant_builder_init (&found, G_VARIANT_TYPE ("aa{sv}"));
  for (gsize i = 0; i < g_variant_n_children (locks); i++)
    {
      g_autoptr (GVariant) lock = g_variant_get_child_value (locks, i);

      if (wanted (lock, one))
        g_variant_builder_add_value (&found, lock);
    }
  return g_variant_builder_end (&found);
}

/* As the service spells paths: as they are where that is text, else escaped. */
static GVariant *
path_fact (const char *path)
{
  return g_variant_new_take_string (g_utf8_validate (path, -1, NULL) ? g_strdup (path)
                                                                     : agl_text_escape (path, -1));
}

static void
add_identity (GVariantDict *facts, const AglInhabitant *one)
{
  g_variant_dict_insert (facts, "pid", "u", (guint32)one->pid);
  g_variant_dict_insert (facts, "uid", "u", (guint32)one->uid);
  g_variant_dict_insert (facts, "command", "s", one->command);
  g_variant_dict_insert (facts, "agent", "s", agl_inhabitant_is_agent (one) ? one->match.agent : "");
  if (one->cwd != NULL)
    g_variant_dict_insert_value (facts, "cwd", path_fact (one->cwd));
}

/* Of the family: who holds something or is an agent. */
static void
add_relative (GVariantBuilder *list, const AglInhabitant *one, GVariant *locks)
{
  g_autoptr (GVariant) held = g_variant_ref_sink (select_locks (locks, is_of_one, one));
  GVariantDict facts;

  if (g_variant_n_children (held) == 0 && !agl_inhabitant_is_agent (one))
    return;
  g_variant_dict_init (&facts, NULL);
  add_identity (&facts, one);
  g_variant_dict_insert_value (&facts, "locks", held);
  g_variant_builder_add_value (list, g_variant_dict_end (&facts));
}

static void
add_family (GVariantDict *facts, const AglCensus *census, const AglInhabitant *one, GVariant *locks)
{
  GVariantBuilder above, below;

  g_variant_builder_init (&above, G_VARIANT_TYPE ("aa{sv}"));
  g_variant_builder_init (&below, G_VARIANT_TYPE ("aa{sv}"));
  for (const AglInhabitant *up = agl_census_parent (census, one); up != NULL;
       up = agl_census_parent (census, up))
    add_relative (&above, up, locks);
  for (guint i = 0; i < agl_census_size (census); i++)
    if (agl_census_is_below (census, agl_census_get (census, i), one))
      add_relative (&below, agl_census_get (census, i), locks);
  g_variant_dict_insert_value (facts, "ancestors", g_variant_builder_end (&above));
  g_variant_dict_insert_value (facts, "descendants", g_variant_builder_end (&below));
}

/* (transfer floating) a{sv} */
static GVariant *
collect (const AglCensus *census, const AglInhabitant *one, GVariant *locks)
{
  GVariantDict facts;

  g_variant_dict_init (&facts, NULL);
  add_identity (&facts, one);
  g_variant_dict_insert (&facts, "parent", "u", (guint32)one->parent);
  if (one->is_known)
    {
      g_variant_dict_insert (&facts, one->match.excluded ? "helper-of" : "name", "s",
                             one->match.excluded ? one->match.agent : one->match.name);
      g_variant_dict_insert (&facts, "rule", "s", one->match.rule);
      g_variant_dict_insert_value (&facts, "rule-file", path_fact (one->match.file));
    }
  g_variant_dict_insert_value (&facts, "locks", select_locks (locks, is_of_one, one));
  g_variant_dict_insert_value (&facts, "beside", select_locks (locks, covers_its_place, one));
  add_family (&facts, census, one, locks);
  return g_variant_dict_end (&facts);
}

/* --- for people --- */

static void
print_what_it_is (const AglInhabitant *one)
{
  g_autofree char *rule = one->is_known ? agl_text_escape (one->match.rule, -1) : NULL;
  g_autofree char *file = one->is_known ? agl_text_escape (one->match.file, -1) : NULL;
  g_autofree char *name = one->is_known ? agl_text_escape (one->match.name, -1) : NULL;

  /* Translators: the number of a process, its name */
  g_print (_ ("Process %d, %s\n"), (int)one->pid, one->command);
  if (!one->is_known)
    g_print (_ ("  It is no known agent: no rule of the catalogue fits it.\n"));
  else if (one->match.is_spare)
    g_print (
        /* Translators: the name of an agent, a rule, a file */
        _ ("  It is a spare of the agent %s, which is in nobody's way until it asks for a lock: %s in %s\n"),
        name, rule, file);
  else if (one->match.excluded)
    /* Translators: the name of an agent, a rule, a file */
    g_print (_ ("  It is a helper of the agent %s, which is in nobody's way: %s in %s\n"), name, rule, file);
  else
    /* Translators: the name of an agent, its short name, a rule, a file */
    g_print (_ ("  It is the agent %s (%s): %s in %s\n"), name, one->match.agent, rule, file);
}

static void
print_place (const AglInhabitant *one, const char *home)
{
  g_autofree char *shown = one->cwd != NULL ? agl_place_display (one->cwd, home) : NULL;

  if (shown != NULL)
    g_print (_ ("  It works in %s\n"), shown);
  else
    g_print (_ ("  Where it works may not be read.\n"));
}

/* @format: of a lock's number, its directory and who holds it. */
static void
print_locks (GVariant *facts, const char *key, const char *format, const char *home)
{
  g_autoptr (GVariant) locks = g_variant_lookup_value (facts, key, G_VARIANT_TYPE ("aa{sv}"));

  for (gsize i = 0; i < g_variant_n_children (locks); i++)
    {
      g_autoptr (GVariant) lock = g_variant_get_child_value (locks, i);
      g_autofree char *number = g_strdup_printf ("%" G_GUINT64_FORMAT, agl_row_number (lock, "id", 0));
      g_autofree char *who = agl_row_who (lock);
      const char *directory = "";
      g_autofree char *shown = NULL;

      g_variant_lookup (lock, "directory", "&s", &directory);
      shown = agl_place_display (directory, home);
      g_print (format, number, shown, who, (int)agl_row_number (lock, "pid", 0));
    }
}

/* @format: of its number and its name. */
static void
print_family (GVariant *facts, const char *key, const char *format, const char *home)
{
  g_autoptr (GVariant) relatives = g_variant_lookup_value (facts, key, G_VARIANT_TYPE ("aa{sv}"));

  for (gsize i = 0; i < g_variant_n_children (relatives); i++)
    {
      g_autoptr (GVariant) relative = g_variant_get_child_value (relatives, i);
      g_autofree char *who = agl_row_who (relative);

      g_print (format, (int)agl_row_number (relative, "pid", 0), who);
      /* Translators: the number of a lock, its directory */
      print_locks (relative, "locks", _ ("    and holds lock %1$s on %2$s\n"), home);
    }
}

static void
print_facts (const AglInhabitant *one, GVariant *facts)
{
  const char *home = agl_screen_of_stdout ().home;
  g_autoptr (GVariant) held = g_variant_lookup_value (facts, "locks", G_VARIANT_TYPE ("aa{sv}"));

  print_what_it_is (one);
  print_place (one, home);
  if (g_variant_n_children (held) == 0)
    g_print (_ ("  It holds no lock.\n"));
  /* Translators: the number of a lock, its directory */
  print_locks (facts, "locks", _ ("  It holds lock %1$s on %2$s\n"), home);
  /* Translators: the number of a lock, its directory, who holds it, the number of that process */
  print_locks (facts, "beside", _ ("  Where it works there is lock %1$s on %2$s of %3$s (pid %4$d)\n"), home);
  /* Translators: the number of a process, its name */
  print_family (facts, "ancestors", _ ("  Above it is process %1$d, %2$s\n"), home);
  /* Translators: the number of a process, its name */
  print_family (facts, "descendants", _ ("  Below it is process %1$d, %2$s\n"), home);
}

static gboolean
parse_pid (const AglOptions *options, pid_t *pid, GError **error)
{
  guint64 number;

  if (options->arguments != NULL
      && g_ascii_string_to_unsigned (options->arguments[0], 10, 1, G_MAXINT, &number, NULL))
    {
      *pid = (pid_t)number;
      return TRUE;
    }
  g_set_error_literal (error, AGL_EXIT_ERROR, AGL_EXIT_USAGE,
                       _ ("which process? Give its number, as in: agentctl-locks explain 1234"));
  return FALSE;
}

static int
explain (const AglOptions *options, GError **error)
{
  g_autoptr (AglService) service = NULL;
  g_autoptr (AglAgentCatalog) catalog = NULL;
  g_autoptr (AglCensus) census = NULL;
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GVariant) locks = NULL;
  g_autoptr (GVariant) facts = NULL;
  const AglInhabitant *one;
  pid_t pid;

  if (!parse_pid (options, &pid, error))
    return 0;
  service = agl_service_find (&options->where, TRUE, error);
  reply = service == NULL ? NULL
                          : agl_service_call (service, "List", g_variant_new ("(a{sv})", NULL), NULL, error);
  if (reply == NULL)
    return 0;
  g_variant_get (reply, "(@aa{sv})", &locks);
  catalog = agl_known_agents_load (agl_service_get_scope (service));
  census = agl_census_take (catalog);
  one = agl_census_lookup (census, pid);
  if (one == NULL)
    {
      g_set_error (error, AGL_ERROR, AGL_ERROR_NO_SUCH_PROCESS, _ ("there is no process %d"), (int)pid);
      return 0;
    }
  facts = g_variant_ref_sink (collect (census, one, locks));
  if (options->json)
    agl_json_print (facts, TRUE);
  else
    print_facts (one, facts);
  return AGL_EXIT_OK;
}

const AglCommand agl_command_explain = {
  .usage = {
    .name = "explain",
    .synopsis = N_ ("PID"),
    .summary = N_ ("Tell what is made of a process, and why"),
    .description = N_ (
      "Whether it is an agent, by which rule of which file; where it works; what it holds; which locks of others are\n"
      "where it works; which processes above and below it are agents or hold something. With --json an object with\n"
      "the keys pid, parent, uid, command, cwd (where it may be read), agent (empty when it is none), name or\n"
      "helper-of, rule and rule-file (where a rule fits), locks, beside, ancestors and descendants.\n"
      "\n"
      "  agentctl-locks explain $$\n"
      "\n"
      "Exits 0, 64 wrong usage, 69 no service, 70 anything else: there is no such process, for instance."),
    .groups = AGL_OPTIONS_JSON | AGL_OPTIONS_WHERE,
    .max_arguments = 1,
  },
  .run = explain,
};
