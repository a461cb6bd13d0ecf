/* SPDX-License-Identifier: MIT */
#include "core/wait-graph.h"

#include "common/error.h"
#include "common/text.h"
#include "common/user.h"
#include "core/rules.h"

/* One step of a walk along those who wait: somebody, and through what one came to him. Somebody is a process,
 * or a manual claim that waits. */
typedef struct
{
  const AglProcess *process;     /* NULL: the claim of @claim */
  const AglWaiter *claim;        /* NULL: @process */
  const AglDirectory *directory; /* what he who came before wants */
  const char *command;           /* of @process; NULL when not known */
  guint from;                    /* index of the step before, or START */
} Step;
#define START G_MAXUINT

typedef struct
{
  const AglLedger *ledger;
  const AglProcess *process;  /* whom to come back to */
  const AglDirectory *wanted; /* what he asks for now; NULL: nothing more than he waits for */
  GArray *steps;              /* Step, breadth first, so that the circle named is a shortest one */
  GHashTable *processes;      /* seen */
  GHashTable *claims;         /* seen */
} Walk;

static void
walk_init (Walk *self, const AglLedger *ledger, const AglProcess *process, const AglDirectory *wanted)
{
  self->ledger = ledger;
  self->process = process;
  self->wanted = wanted;
  self->steps = g_array_new (FALSE, FALSE, sizeof (Step));
  self->processes = g_hash_table_new (agl_process_hash, agl_process_equal);
  self->claims = g_hash_table_new (g_direct_hash, g_direct_equal);
}

static void
walk_clear (Walk *self)
{
  g_clear_pointer (&self->steps, g_array_unref);
  g_clear_pointer (&self->processes, g_hash_table_unref);
  g_clear_pointer (&self->claims, g_hash_table_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Walk, walk_clear)

/* FALSE when that closes the circle: it is the last step then. */
static gboolean
add_step (Walk *self, Step step)
{
  gboolean is_new;

  if (step.process != NULL)
    is_new = g_hash_table_add (self->processes, (gpointer)step.process);
  else
    is_new = g_hash_table_add (self->claims, (gpointer)step.claim);
  if (!is_new)
    return TRUE;

  g_array_append_val (self->steps, step);
  return step.process == NULL || !agl_process_equal (step.process, self->process);
}

/* Who waits for the directory in which he was seen is an outsider there no more: he takes his turn. */
static gboolean
takes_his_turn (const Walk *self, const AglOutsider *outsider, const AglDirectory *directory)
{
  if (self->wanted != NULL && agl_process_equal (outsider->process, self->process)
      && agl_directory_equal (self->wanted, directory))
    return TRUE;
  return agl_lock_index_find_own (self->ledger->wanted, outsider->process, directory) != NULL;
}

static gboolean
add_blockers (Walk *self, const AglBlockers *blockers, const AglDirectory *directory, guint from)
{
  for (guint i = 0; i < blockers->locks->len; i++)
    {
      const AglLock *lock = g_ptr_array_index (blockers->locks, i);

      if (lock->holder != NULL
          && !add_step (self, (Step){ lock->holder, NULL, directory, lock->command, from }))
        return FALSE;
    }
  for (guint i = 0; i < blockers->waiters->len; i++)
    {
      const AglWaiter *waiter = g_ptr_array_index (blockers->waiters, i);
      const AglProcess *process = waiter->request->holder;

      if (!add_step (self, (Step){ process, process == NULL ? waiter : NULL, directory, NULL, from }))
        return FALSE;
    }
  for (guint i = 0; i < blockers->outsiders->len; i++)
    {
      const AglOutsider *outsider = g_ptr_array_index (blockers->outsiders, i);

      if (!takes_his_turn (self, outsider, directory)
          && !add_step (self, (Step){ outsider->process, NULL, directory, outsider->command, from }))
        return FALSE;
    }
  return TRUE;
}

/* On to those whom somebody waits for. */
static gboolean
follow (Walk *self, const AglProcess *process, const AglWaiter *claim, guint from)
{
  if (claim != NULL)
    return add_blockers (self, &claim->blockers, claim->request->directory, from);

  for (const AglLock *draft = agl_lock_index_first_own (self->ledger->wanted, process); draft != NULL;
       draft = draft->next_own)
    {
      if (!add_blockers (self, &draft->waiter->blockers, draft->directory, from))
        return FALSE;
    }
  return TRUE;
}

static void
append_step (const Walk *self, GString *text, const Step *step)
{
  g_autofree char *path = agl_text_escape (agl_directory_get_path (step->directory), -1);
  const AglLock *any = agl_lock_index_first_own (self->ledger->held, step->process);
  const char *command = step->command == NULL && any != NULL ? any->command : step->command;

  g_string_append_printf (text, " for \"%s\" on ", path);
  if (step->process == NULL)
    {
      g_autofree char *user = agl_user_dup_name (step->claim->request->uid);

      g_string_append_printf (text, "a manual claim of user %s", user);
    }
  else if (command != NULL && *command != '\0')
    g_string_append_printf (text, "%s (pid %d)", command, (int)agl_process_get_pid (step->process));
  else
    g_string_append_printf (text, "pid %d", (int)agl_process_get_pid (step->process));
}

static void
set_deadlock_error (const Walk *self, GError **error)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GArray) order = g_array_new (FALSE, FALSE, sizeof (guint));

  for (guint i = self->steps->len - 1; i != START; i = g_array_index (self->steps, Step, i).from)
    g_array_append_val (order, i);

  g_string_append_printf (text, "pid %d", (int)agl_process_get_pid (self->process));
  g_string_append (text, " would wait");
  for (guint k = order->len; k-- > 0;)
    {
      append_step (self, text, &g_array_index (self->steps, Step, g_array_index (order, guint, k)));
      if (k > 0)
        g_string_append (text, ", which waits");
    }
  g_set_error (error, AGL_ERROR, AGL_ERROR_DEADLOCK,
               "This would never end: %s; release what others wait for first, or ask with conflict=fail",
               text->str);
}

/* From every step on to the next ones. FALSE: the last one closes the circle. */
static gboolean
stays_open (Walk *self)
{
  for (guint i = 0; i < self->steps->len; i++)
    {
      Step step = g_array_index (self->steps, Step, i);

      if (!follow (self, step.process, step.claim, i))
        return FALSE;
    }
  return TRUE;
}

/* Most who come to wait hold nothing that anybody wants: that is told without a walk. */
static gboolean
is_waited_for (const AglLedger *ledger, const AglProcess *holder)
{
  return ledger->n_outsiders > 0 || agl_lock_index_first_own (ledger->wanted, holder) != NULL
         || agl_rules_is_awaited (ledger, holder);
}

gboolean
agl_wait_graph_allow_wait (const AglLedger *ledger,
                           const AglProcess *holder,
                           const AglDirectory *directory,
                           const AglBlockers *blockers,
                           GError **error)
{
  g_auto (Walk) walk = { 0 };

  if (holder == NULL)
    return TRUE; /* who stands behind a claim came later, and is found to close the circle in its stead */

  if (!is_waited_for (ledger, holder))
    return TRUE;

  walk_init (&walk, ledger, holder, directory);
  if (add_blockers (&walk, blockers, directory, START) && stays_open (&walk))
    return TRUE;
  set_deadlock_error (&walk, error);
  return FALSE;
}

gboolean
agl_wait_graph_check_holder (const AglLedger *ledger, const AglProcess *holder, GError **error)
{
  g_auto (Walk) walk = { 0 };

  if (agl_lock_index_first_own (ledger->wanted, holder) == NULL)
    return TRUE; /* who does not wait is in no circle */

  walk_init (&walk, ledger, holder, NULL);
  if (follow (&walk, holder, NULL, START) && stays_open (&walk))
    return TRUE;
  set_deadlock_error (&walk, error);
  return FALSE;
}

gboolean
agl_wait_graph_check_waiter (const AglLedger *ledger, const AglWaiter *waiter, GError **error)
{
  return agl_wait_graph_allow_wait (ledger, waiter->request->holder, waiter->request->directory,
                                    &waiter->blockers, error);
}
