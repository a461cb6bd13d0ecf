/* SPDX-License-Identifier: MIT */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/doctor.h"
#include "client/lock-columns.h"

static const char *
lock_directory (GVariant *lock)
{
  const char *directory = "";

  g_variant_lookup (lock, "directory", "&s", &directory);
  return directory;
}

static const AglInhabitant *
lock_holder (const AglDoctor *self, GVariant *lock)
{
  guint64 pid = agl_row_number (lock, "pid", 0);

  return pid == 0 ? NULL : agl_census_lookup (self->census, (pid_t)pid);
}

static gboolean
is_family (const AglDoctor *self, const AglInhabitant *a, const AglInhabitant *b)
{
  return a == b || agl_census_is_below (self->census, a, b) || agl_census_is_below (self->census, b, a);
}

static gboolean
is_same_place (const AglInhabitant *a, const AglInhabitant *b)
{
  return a->ino != 0 && a->ino == b->ino && a->dev == b->dev;
}

/* An agent of that kind or another that started this one there speaks for both. */
static gboolean
is_started_by_agent_there (const AglDoctor *self, const AglInhabitant *one)
{
  const AglInhabitant *up = one;

  while ((up = agl_census_parent (self->census, up)) != NULL)
    if (agl_inhabitant_is_agent (up) && is_same_place (up, one))
      return TRUE;
  return FALSE;
}

/* (transfer container) (element-type AglInhabitant): agents that nobody there started. */
static GPtrArray *
list_agents (const AglDoctor *self)
{
  GPtrArray *agents = g_ptr_array_new ();

  for (guint i = 0; i < agl_census_size (self->census); i++)
    {
      const AglInhabitant *one = agl_census_get (self->census, i);

      if (agl_inhabitant_is_agent (one) && one->cwd != NULL && agl_doctor_is_concerned (self, one)
          && !is_started_by_agent_there (self, one))
        g_ptr_array_add (agents, (gpointer)one);
    }
  return agents;
}

/* A lock of its own, of whom it was started by or of whom it started. NULL: none. Caller unrefs. */
static GVariant *
find_lock (const AglDoctor *self, const AglInhabitant *one)
{
  for (gsize i = 0; i < g_variant_n_children (self->locks); i++)
    {
      g_autoptr (GVariant) lock = g_variant_get_child_value (self->locks, i);
      const AglInhabitant *holder = lock_holder (self, lock);

      if (holder != NULL && is_family (self, holder, one)
          && agl_path_is_within (one->cwd, lock_directory (lock)))
        return g_steal_pointer (&lock);
    }
  return NULL;
}

/* Nobody can lock it any more, and nobody is in anybody's way there. */
static gboolean
is_removed (const AglInhabitant *one)
{
  return one->ino != 0 && g_str_has_suffix (one->cwd, " (deleted)") && access (one->cwd, F_OK) != 0;
}

/* The directory where @one works as a shell's word; NULL where its path is of another mount namespace, or no
 * text: it would name another directory, or none. Caller frees. */
static char *
quote_place (const AglInhabitant *one)
{
  struct stat st;

  if (!g_utf8_validate (one->cwd, -1, NULL) || stat (one->cwd, &st) < 0 || st.st_ino != one->ino
      || st.st_dev != one->dev)
    return NULL;
  return g_shell_quote (one->cwd);
}

/* Somebody else is in the way of @one where it works: then it can only join. */
static gboolean
is_contested (const AglDoctor *self, GPtrArray *agents, const AglInhabitant *one)
{
  for (guint i = 0; i < agents->len; i++)
    {
      const AglInhabitant *other = g_ptr_array_index (agents, i);

      if (other != one && is_same_place (one, other))
        return TRUE;
    }
  for (gsize i = 0; i < g_variant_n_children (self->locks); i++)
    {
      g_autoptr (GVariant) lock = g_variant_get_child_value (self->locks, i);
      const char *directory = lock_directory (lock);

      if (g_str_equal (directory, one->cwd)
          || (agl_row_flag (lock, "subtree") && agl_path_is_within (one->cwd, directory)))
        return TRUE;
    }
  return FALSE;
}

static void
note_agent_without_lock (AglDoctor *self, GPtrArray *agents, const AglInhabitant *one)
{
  g_autoptr (GVariant) lock = find_lock (self, one);
  g_autofree char *quoted = quote_place (one);
  GVariantDict facts;

  if (lock != NULL || is_removed (one))
    return;
  agl_doctor_begin (&facts, "agent-without-lock");
  g_variant_dict_insert (&facts, "pid", "u", (guint32)one->pid);
  g_variant_dict_insert (&facts, "uid", "u", (guint32)one->uid);
  g_variant_dict_insert (&facts, "command", "s", one->command);
  g_variant_dict_insert (&facts, "agent", "s", one->match.agent);
  g_variant_dict_insert_value (&facts, "directory", agl_doctor_path (one->cwd));
  if (quoted == NULL)
    agl_doctor_note (self, &facts, "agentctl-locks explain%s %d", self->where, (int)one->pid);
  else
    agl_doctor_note (self, &facts, "%sagentctl-locks acquire%s%s --pid=%d %s", agl_doctor_sudo (one->uid),
                     self->where, is_contested (self, agents, one) ? " --join" : "", (int)one->pid, quoted);
}

/* Who shares a directory says so by a shared lock. */
static gboolean
is_sharing (const AglDoctor *self, const AglInhabitant *one)
{
  g_autoptr (GVariant) lock = find_lock (self, one);

  return lock != NULL && agl_row_flag (lock, "shared");
}

static void
note_two_agents (AglDoctor *self, GPtrArray *agents, guint first)
{
  const AglInhabitant *one = g_ptr_array_index (agents, first);
  g_autofree char *quoted = quote_place (one);
  GVariantBuilder pids;
  guint n = 0, n_sharing = 0;
  GVariantDict facts;

  g_variant_builder_init (&pids, G_VARIANT_TYPE ("au"));
  for (guint i = 0; i < agents->len; i++)
    {
      const AglInhabitant *other = g_ptr_array_index (agents, i);

      if (other != one && !is_same_place (one, other))
        continue;
      if (i < first) /* it has been told of */
        {
          g_variant_builder_clear (&pids);
          return;
        }
      n++;
      n_sharing += is_sharing (self, other) ? 1 : 0;
      g_variant_builder_add (&pids, "u", (guint32)other->pid);
    }
  if (n < 2 || n == n_sharing)
    {
      g_variant_builder_clear (&pids);
      return;
    }
  agl_doctor_begin (&facts, "two-agents");
  g_variant_dict_insert_value (&facts, "directory", agl_doctor_path (one->cwd));
  g_variant_dict_insert_value (&facts, "pids", g_variant_builder_end (&pids));
  if (quoted == NULL)
    agl_doctor_note (self, &facts, "agentctl-locks explain%s %d", self->where, (int)one->pid);
  else
    agl_doctor_note (self, &facts, "agentctl-locks occupants%s %s", self->where, quoted);
}

/* --- what is left of somebody dead --- */

/* Who works at @place now may have started it by way of a shell that has ended: older than all of them, it is
 * nobody's who lives. */
static gboolean
is_older_than_all_there (const AglDoctor *self, const AglInhabitant *one, const char *place)
{
  for (guint i = 0; i < agl_census_size (self->census); i++)
    {
      const AglInhabitant *other = agl_census_get (self->census, i);

      if (agl_inhabitant_is_agent (other) && other->cwd != NULL && agl_path_is_within (other->cwd, place)
          && other->started <= one->started)
        return FALSE;
    }
  for (gsize i = 0; i < g_variant_n_children (self->locks); i++)
    {
      g_autoptr (GVariant) lock = g_variant_get_child_value (self->locks, i);
      const AglInhabitant *holder = lock_holder (self, lock);

      if (holder != NULL && agl_path_is_within (lock_directory (lock), place)
          && holder->started <= one->started)
        return FALSE;
    }
  return TRUE;
}

static gboolean
holds_something (const AglDoctor *self, const AglInhabitant *one)
{
  for (gsize i = 0; i < g_variant_n_children (self->locks); i++)
    {
      g_autoptr (GVariant) lock = g_variant_get_child_value (self->locks, i);

      if (lock_holder (self, lock) == one)
        return TRUE;
    }
  return FALSE;
}

static void
note_leftover (AglDoctor *self, const AglInhabitant *one, GPtrArray *places)
{
  GVariantDict facts;

  if (one->is_known || one->cwd == NULL || !agl_doctor_is_concerned (self, one)
      || !agl_census_is_orphan (self->census, one) || holds_something (self, one))
    return;
  for (guint i = 0; i < places->len; i++)
    {
      const char *place = g_ptr_array_index (places, i);

      if (!agl_path_is_within (one->cwd, place) || !is_older_than_all_there (self, one, place))
        continue;
      agl_doctor_begin (&facts, "leftover-process");
      g_variant_dict_insert (&facts, "pid", "u", (guint32)one->pid);
      g_variant_dict_insert (&facts, "uid", "u", (guint32)one->uid);
      g_variant_dict_insert (&facts, "command", "s", one->command);
      g_variant_dict_insert_value (&facts, "directory", agl_doctor_path (place));
      agl_doctor_note (self, &facts, "%skill %d", agl_doctor_sudo (one->uid), (int)one->pid);
      return;
    }
}

void
agl_doctor_check_agents (AglDoctor *self)
{
  g_autoptr (GPtrArray) agents = list_agents (self);
  g_autoptr (GPtrArray) places = agl_doctor_list_places (self);

  for (guint i = 0; i < agents->len; i++)
    note_agent_without_lock (self, agents, g_ptr_array_index (agents, i));
  for (guint i = 0; i < agents->len; i++)
    note_two_agents (self, agents, i);
  for (guint i = 0; i < agl_census_size (self->census); i++)
    note_leftover (self, agl_census_get (self->census, i), places);
}

/* --- locks that do not fit --- */

static void
add_lock (GVariantDict *facts, GVariant *lock)
{
  static const char *const keys[] = { "id", "pid", "uid", "command", "directory", "follow-cwd" };

  for (gsize i = 0; i < G_N_ELEMENTS (keys); i++)
    {
      g_autoptr (GVariant) value = g_variant_lookup_value (lock, keys[i], NULL);

      if (value != NULL)
        g_variant_dict_insert_value (facts, keys[i], value);
    }
}

static gboolean
is_outside (const AglDoctor *self, GVariant *lock, const char *state)
{
  const AglInhabitant *holder = lock_holder (self, lock);

  if (g_str_equal (state, "outside"))
    return TRUE;
  return g_str_equal (state, "ignored") && holder != NULL && holder->cwd != NULL
         && !agl_path_is_within (holder->cwd, lock_directory (lock));
}

static void
note_release (AglDoctor *self, GVariantDict *facts, GVariant *lock)
{
  agl_doctor_note (self, facts, "%sagentctl-locks release%s --id=%" G_GUINT64_FORMAT " --force",
                   agl_doctor_sudo ((uid_t)agl_row_number (lock, "uid", 0)), self->where,
                   agl_row_number (lock, "id", 0));
}

static void
check_holder (AglDoctor *self, GVariant *lock)
{
  const AglInhabitant *holder = lock_holder (self, lock);
  const char *state = "";
  GVariantDict facts;

  g_variant_lookup (lock, "cwd", "&s", &state);
  if (g_str_equal (state, "unknown"))
    {
      agl_doctor_begin (&facts, "lock-unknown");
      add_lock (&facts, lock);
      note_release (self, &facts, lock);
    }
  else if (is_outside (self, lock, state))
    {
      agl_doctor_begin (&facts, "holder-outside");
      add_lock (&facts, lock);
      if (holder != NULL && holder->cwd != NULL)
        g_variant_dict_insert_value (&facts, "cwd", agl_doctor_path (holder->cwd));
      note_release (self, &facts, lock);
    }
}

void
agl_doctor_check_holders (AglDoctor *self)
{
  for (gsize i = 0; i < g_variant_n_children (self->locks); i++)
    {
      g_autoptr (GVariant) lock = g_variant_get_child_value (self->locks, i);

      check_holder (self, lock);
    }
}
