/* SPDX-License-Identifier: MIT */
#include <glib/gi18n.h>
#include <locale.h>
#include <unistd.h>

#include "client/command.h"
#include "client/doctor.h"
#include "client/json.h"
#include "client/known-agents.h"
#include "client/lock-columns.h"
#include "client/place.h"
#include "common/text.h"

/* --- shared by the checks (doctor.h) --- */

void
agl_doctor_begin (GVariantDict *facts, const char *kind)
{
  g_variant_dict_init (facts, NULL);
  g_variant_dict_insert (facts, "kind", "s", kind);
}

void
agl_doctor_note (AglDoctor *self, GVariantDict *facts, const char *next, ...)
{
  g_autofree char *command = NULL;
  va_list args;

  va_start (args, next);
  command = g_strdup_vprintf (next, args);
  va_end (args);
  g_variant_dict_insert_value (facts, "next", agl_doctor_path (command));
  g_ptr_array_add (self->findings, g_variant_ref_sink (g_variant_dict_end (facts)));
}

const char *
agl_doctor_sudo (uid_t uid)
{
  return geteuid () == 0 || uid == geteuid () ? "" : "sudo ";
}

GVariant *
agl_doctor_path (const char *path)
{
  return g_variant_new_take_string (g_utf8_validate (path, -1, NULL) ? g_strdup (path)
                                                                     : agl_text_escape (path, -1));
}

gboolean
agl_doctor_is_concerned (const AglDoctor *self, const AglInhabitant *one)
{
  return self->scope == AGL_SCOPE_SYSTEM || one->uid == geteuid ();
}

static void
add_place (GPtrArray *places, GHashTable *seen, const char *place)
{
  if (place != NULL && *place == '/' && g_hash_table_add (seen, (gpointer)place))
    g_ptr_array_add (places, g_strdup (place));
}

GPtrArray *
agl_doctor_list_places (const AglDoctor *self)
{
  GPtrArray *places = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);

  for (gsize i = 0; i < g_variant_n_children (self->locks); i++)
    {
      g_autoptr (GVariant) lock = g_variant_get_child_value (self->locks, i);
      const char *directory = NULL;

      g_variant_lookup (lock, "directory", "&s", &directory);
      add_place (places, seen, directory);
    }
  for (guint i = 0; i < agl_census_size (self->census); i++)
    {
      const AglInhabitant *one = agl_census_get (self->census, i);

      if (agl_inhabitant_is_agent (one) && agl_doctor_is_concerned (self, one))
        add_place (places, seen, one->cwd);
    }
  /* Not where a person is at home: there everything is below. */
  if (self->cwd != NULL && !g_str_equal (self->cwd, "/") && !g_str_equal (self->cwd, g_get_home_dir ()))
    add_place (places, seen, self->cwd);
  return places;
}

/* --- the findings, for people --- */

static char *
path_text (GVariant *finding, const char *key)
{
  const char *path = "";

  g_variant_lookup (finding, key, "&s", &path);
  return agl_place_display (path, agl_screen_of_stdout ().home);
}

static char *
describe_agent_without_lock (GVariant *finding)
{
  g_autofree char *who = agl_row_who (finding);
  g_autofree char *where = path_text (finding, "directory");

  /* Translators: an agent, the number of its process, a directory */
  return g_strdup_printf (_ ("The agent %s (pid %d) works in %s and has no lock."), who,
                          (int)agl_row_number (finding, "pid", 0), where);
}

static char *
describe_two_agents (GVariant *finding)
{
  g_autofree char *where = path_text (finding, "directory");
  g_autoptr (GVariant) pids = g_variant_lookup_value (finding, "pids", G_VARIANT_TYPE ("au"));
  g_autoptr (GString) list = g_string_new (NULL);

  for (gsize i = 0; i < g_variant_n_children (pids); i++)
    {
      guint32 pid;

      g_variant_get_child (pids, i, "u", &pid);
      g_string_append_printf (list, "%s%u", i > 0 ? ", " : "", pid);
    }
  /* Translators: a directory, numbers of processes */
  return g_strdup_printf (_ ("Several agents work in %s: pid %s."), where, list->str);
}

static char *
describe_leftover (GVariant *finding)
{
  g_autofree char *who = agl_row_who (finding);
  g_autofree char *where = path_text (finding, "directory");

  return g_strdup_printf (
      /* Translators: a command, the number of its process, a directory; a command line follows */
      _ ("%s (pid %d) is left over in %s: whoever started it is dead, and nobody who works there "
         "is older. When you do not need it:"),
      who, (int)agl_row_number (finding, "pid", 0), where);
}

static char *
describe_holder_outside (GVariant *finding)
{
  g_autofree char *number = g_strdup_printf ("%" G_GUINT64_FORMAT, agl_row_number (finding, "id", 0));
  g_autofree char *where = path_text (finding, "directory");
  g_autofree char *cwd = path_text (finding, "cwd");

  if (agl_row_flag (finding, "follow-cwd"))
    return g_strdup_printf (
        /* Translators: the number of a lock, a directory, the number of a process, a directory */
        _ ("The holder of lock %s on %s, pid %d, works in %s; the lock ends soon unless it comes "
           "back."),
        number, where, (int)agl_row_number (finding, "pid", 0), cwd);
  return g_strdup_printf (
      /* Translators: the number of a lock, a directory, the number of a process, a directory */
      _ ("The holder of lock %s on %s, pid %d, works in %s; the lock stays until it ends."), number, where,
      (int)agl_row_number (finding, "pid", 0), cwd);
}

static char *
describe_lock_unknown (GVariant *finding)
{
  g_autofree char *number = g_strdup_printf ("%" G_GUINT64_FORMAT, agl_row_number (finding, "id", 0));
  g_autofree char *where = path_text (finding, "directory");

  return g_strdup_printf (
      /* Translators: the number of a lock, a directory, the number of a process; a command line follows */
      _ ("Lock %s on %s is kept because it cannot be told whether pid %d still works there. When "
         "you know that it does not:"),
      number, where, (int)agl_row_number (finding, "pid", 0));
}

static char *
describe_instances (GVariant *finding)
{
  g_autoptr (GVariant) instances = g_variant_lookup_value (finding, "instances", G_VARIANT_TYPE ("aa{sv}"));
  g_autoptr (GString) list = g_string_new (NULL);

  for (gsize i = 0; i < g_variant_n_children (instances); i++)
    {
      g_autoptr (GVariant) instance = g_variant_get_child_value (instances, i);
      g_autofree char *where = path_text (instance, "runtime-dir");

      g_string_append_printf (list, "%s%d (%s)", i > 0 ? ", " : "", (int)agl_row_number (instance, "pid", 0),
                              where);
    }
  /* Translators: numbers of processes, with a directory each; a command line follows */
  return g_strdup_printf (_ ("Several services run, and none knows of the others' locks: pid %s. Keep one:"),
                          list->str);
}

static char *
describe_catalogue_file (GVariant *finding)
{
  g_autofree char *file = path_text (finding, "file");
  g_autofree char *problem = agl_row_text (finding, "problem");

  /* Translators: a file, what is wrong with it */
  return g_strdup_printf (_ ("%s is left out of the catalogue of agents: %s"), file, problem);
}

static char *
describe_set_aside (GVariant *finding)
{
  g_autofree char *file = path_text (finding, "file");

  return g_strdup_printf (
      /* Translators: %s is a file; a command line follows */
      _ ("%s was set aside: it is no lock that the service could read. The log says why. Once it "
         "is of no more use:"),
      file);
}

static char *
describe_worktree (GVariant *finding)
{
  g_autofree char *tree = path_text (finding, "directory");

  /* Translators: a directory, the number of a process */
  return g_strdup_printf (_ ("The git work tree %s is locked by pid %d, which is dead."), tree,
                          (int)agl_row_number (finding, "pid", 0));
}

static const struct
{
  const char *kind;
  char *(*describe) (GVariant *finding);
} kinds[] = {
  { "agent-without-lock", describe_agent_without_lock },
  { "two-agents", describe_two_agents },
  { "leftover-process", describe_leftover },
  { "holder-outside", describe_holder_outside },
  { "lock-unknown", describe_lock_unknown },
  { "several-instances", describe_instances },
  { "broken-catalogue-file", describe_catalogue_file },
  { "set-aside-file", describe_set_aside },
  { "worktree-lock", describe_worktree },
};

static void
print_finding (GVariant *finding)
{
  const char *kind = "";
  g_autofree char *next = agl_row_text (finding, "next");

  g_variant_lookup (finding, "kind", "&s", &kind);
  for (gsize i = 0; i < G_N_ELEMENTS (kinds); i++)
    if (g_str_equal (kinds[i].kind, kind))
      {
        g_autofree char *text = kinds[i].describe (finding);

        g_print ("%s\n  → %s\n", text, next);
      }
}

/* --- the command --- */

static void
doctor_clear (AglDoctor *self)
{
  g_clear_pointer (&self->service, agl_service_free);
  g_clear_pointer (&self->census, agl_census_free);
  g_clear_pointer (&self->locks, g_variant_unref);
  g_clear_pointer (&self->cwd, g_free);
  g_clear_pointer (&self->where, g_free);
  g_clear_pointer (&self->findings, g_ptr_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (AglDoctor, doctor_clear)

/* That no service runs is odd only where one was named. */
static gboolean
find_service (AglDoctor *self, const AglOptions *options, GError **error)
{
  const AglWhere *where = &options->where;
  g_autoptr (GError) local = NULL;
  g_autoptr (GVariant) reply = NULL;

  self->service = agl_service_find (where, FALSE, &local);
  if (self->service == NULL && g_error_matches (local, AGL_EXIT_ERROR, AGL_EXIT_NO_SERVICE) && !where->system
      && where->address == NULL)
    {
      self->locks = g_variant_ref_sink (g_variant_new ("aa{sv}", NULL));
      return TRUE;
    }
  if (self->service == NULL)
    {
      g_propagate_error (error, g_steal_pointer (&local));
      return FALSE;
    }
  reply = agl_service_call (self->service, "List", g_variant_new ("(a{sv})", NULL), NULL, error);
  if (reply == NULL)
    return FALSE;
  g_variant_get (reply, "(@aa{sv})", &self->locks);
  self->scope = agl_service_get_scope (self->service);
  return TRUE;
}

static void
print_findings (const AglDoctor *self)
{
  guint n = self->findings->len;

  for (guint i = 0; i < n; i++)
    print_finding (g_ptr_array_index (self->findings, i));
  if (n == 0)
    g_print (_ ("Nothing is odd here.\n"));
}

static GVariant *
findings_variant (const AglDoctor *self)
{
  return g_variant_new_array (G_VARIANT_TYPE_VARDICT, (GVariant *const *)self->findings->pdata,
                              self->findings->len);
}

/* What makes agentctl-locks talk to the same service again. */
static char *
where_options (const AglWhere *where)
{
  g_autofree char *quoted = where->address != NULL ? g_shell_quote (where->address) : NULL;

  if (quoted != NULL)
    return g_strconcat (" --address=", quoted, NULL);
  return g_strdup (where->system ? " --system" : where->user ? " --user" : "");
}

static int
doctor (const AglOptions *options, GError **error)
{
  g_auto (AglDoctor) self = { .scope = AGL_SCOPE_USER };
  g_autoptr (AglAgentCatalog) catalog = NULL;

  self.findings = g_ptr_array_new_with_free_func ((GDestroyNotify)g_variant_unref);
  self.cwd = agl_place_absolute (NULL, NULL);
  self.where = where_options (&options->where);
  if (!find_service (&self, options, error))
    return 0;
  /* What GLib and the C library say about a file is a fact of a finding: the same in every language. */
  if (options->json)
    setlocale (LC_MESSAGES, "C");
  catalog = agl_known_agents_load (self.scope);
  self.census = agl_census_take (catalog);
  agl_doctor_check_agents (&self);
  agl_doctor_check_holders (&self);
  agl_doctor_check_service (&self);
  agl_doctor_check_worktrees (&self);
  if (options->json)
    agl_json_print (findings_variant (&self), TRUE);
  else if (!options->quiet)
    print_findings (&self);
  return self.findings->len == 0 ? AGL_EXIT_OK : AGL_EXIT_FAILED;
}

const AglCommand agl_command_doctor = {
  .usage = {
    .name = "doctor",
    .synopsis = NULL,
    .summary = N_ ("Tell what is odd here, each with a next step"),
    .description = N_ (
      "Looked for are: an agent without a lock (agent-without-lock), several agents in one directory (two-agents),\n"
      "processes whose starter is dead where agents work, where locks are and here (leftover-process), a holder that\n"
      "works elsewhere (holder-outside), a lock that is kept because its holder cannot be seen (lock-unknown),\n"
      "several services (several-instances), files of the catalogue of agents that are left out\n"
      "(broken-catalogue-file), files of locks that were set aside (set-aside-file), and work trees that git keeps\n"
      "locked for a process that is dead (worktree-lock). Nothing is changed. With --json an array of objects with\n"
      "the keys kind, next (a command line) and what belongs to that kind.\n"
      "\n"
      "Exits 0 when nothing is odd, 70 when something is, 64 wrong usage, 69 no service at the address given."),
    .groups = AGL_OPTIONS_JSON | AGL_OPTIONS_QUIET | AGL_OPTIONS_WHERE,
  },
  .run = doctor,
};
