/* SPDX-License-Identifier: MIT */
#include "core/held.h"

#include "common/error.h"
#include "common/text.h"
#include "common/user.h"

static char *
dup_duration (gint64 usec)
{
  gint64 sec = MAX (usec, 0) / G_USEC_PER_SEC;

  if (sec < 60)
    return g_strdup_printf ("%d s", (int)sec);
  if (sec < 3600)
    return g_strdup_printf ("%d min %d s", (int)(sec / 60), (int)(sec % 60));
  if (sec < 86400)
    return g_strdup_printf ("%d h %d min", (int)(sec / 3600), (int)(sec % 3600 / 60));
  return g_strdup_printf ("%" G_GINT64_FORMAT " d %d h", sec / 86400, (int)(sec % 86400 / 3600));
}

static char *
dup_time (gint64 usec)
{
  g_autoptr (GDateTime) time = g_date_time_new_from_unix_local (usec / G_USEC_PER_SEC);

  return time == NULL ? g_strdup ("an unknown time") : g_date_time_format (time, "%Y-%m-%d %H:%M:%S");
}

static void
append_path (GString *text, const AglDirectory *directory)
{
  g_autofree char *path = agl_text_escape (agl_directory_get_path (directory), -1);

  g_string_append_printf (text, "\"%s\"", path);
}

/* "claude (pid 4242, user u)"; @command: escaped, may be empty or NULL. */
static void
append_process (GString *text, const char *command, pid_t pid, uid_t uid)
{
  g_autofree char *user = agl_user_dup_name (uid);

  g_string_append_printf (text, "%s (pid %d, user %s)",
                          command == NULL || *command == '\0' ? "a process" : command, (int)pid, user);
}

static void
append_holder (GString *text, const AglLock *lock)
{
  g_autofree char *user = NULL;

  if (lock->manual)
    {
      user = agl_user_dup_name (lock->uid);
      g_string_append_printf (text, "a manual lock of user %s", user);
    }
  else
    {
      g_autofree char *command = agl_lock_dup_command (lock);

      append_process (text, command, lock->token.pid, lock->uid);
    }
}

static void
append_mode (GString *text, const AglLock *lock)
{
  gboolean shared = (lock->mode & AGL_MODE_SHARED) != 0, subtree = (lock->mode & AGL_MODE_SUBTREE) != 0;

  if (shared || subtree)
    g_string_append_printf (text, " (%s%s%s)", shared ? "shared" : "", shared && subtree ? ", " : "",
                            subtree ? "with everything below" : "");
}

static void
append_lock (GString *text, const AglRequest *request, const AglLock *lock)
{
  g_autofree char *since = dup_time (lock->acquired_at_usec);
  g_autofree char *duration = dup_duration (g_get_real_time () - lock->acquired_at_usec);

  append_path (text, lock->directory);
  g_string_append (text, " is held by ");
  append_holder (text, lock);
  append_mode (text, lock);
  g_string_append_printf (text, " since %s, for %s", since, duration);
  if (lock->expires_at_usec != 0)
    {
      g_autofree char *until = dup_time (lock->expires_at_usec);

      g_string_append_printf (text, ", until %s", until);
    }
  if (lock->texts.reason != NULL && *lock->texts.reason != '\0'
      && (lock->uid == request->asker.uid || request->asker.privileged))
    {
      g_autofree char *reason = agl_text_escape (lock->texts.reason, -1);

      g_string_append_printf (text, ", reason \"%s\"", reason);
    }
}

static void
append_waiter (GString *text, const AglWaiter *waiter)
{
  const AglRequest *first = agl_waiter_get_request (waiter);

  append_path (text, first->directory);
  if (first->holder != NULL)
    {
      g_autofree char *command = agl_process_dup_command (first->holder);

      g_string_append (text, " is waited for by ");
      append_process (text, command, agl_process_get_pid (first->holder), first->uid);
    }
  else
    {
      g_autofree char *user = agl_user_dup_name (first->uid);

      g_string_append_printf (text, " is waited for by a manual claim of user %s", user);
    }
  g_string_append (text, ", who came first");
}

static void
append_outsider (GString *text, const AglRequest *request, const AglOutsider *outsider)
{
  g_autofree char *agent = agl_text_escape (outsider->agent == NULL ? "" : outsider->agent, -1);

  append_path (text, request->directory);
  g_string_append (text, " is in use by the unregistered agent ");
  if (*agent != '\0' && g_strcmp0 (agent, outsider->command) != 0)
    g_string_append_printf (text, "%s, ", agent);
  append_process (text, outsider->command, agl_process_get_pid (outsider->process), outsider->uid);
}

/* As agl_rules_judge() decides: to hold it beside others takes the same user, or privilege. An unregistered
 * agent, which holds nothing, is whose it is. */
static gboolean
may_join (const AglRequest *request, const AglBlockers *blockers)
{
  if (request->asker.privileged)
    return TRUE;
  for (guint i = 0; i < blockers->locks->len; i++)
    {
      const AglLock *lock = g_ptr_array_index (blockers->locks, i);

      if (lock->uid != request->asker.uid)
        return FALSE;
    }
  for (guint i = 0; i < blockers->waiters->len; i++)
    {
      const AglWaiter *waiter = g_ptr_array_index (blockers->waiters, i);

      if (agl_waiter_get_request (waiter)->uid != request->asker.uid)
        return FALSE;
    }
  return TRUE;
}

/* What to do next; nothing that would only be refused. */
static void
append_steps (GString *text, const AglRequest *request, const AglBlockers *blockers)
{
  g_autofree char *word = NULL;

  /* Whose wait ran out has heard of waiting. */
  g_string_append (text,
                   request->conflict == AGL_CONFLICT_WAIT ? "; wait longer" : "; wait with conflict=wait");
  if (may_join (request, blockers))
    g_string_append (text, ", work beside it with conflict=join");
  if (blockers->outsiders->len == 0)
    {
      g_string_append (text, ", or see agentctl-locks list");
      return;
    }
  /* Of an agent without a lock a list of locks tells nothing. */
  word = agl_text_shell_word (agl_directory_get_path (request->directory));
  g_string_append_printf (text, ", or see agentctl-locks check %s", word != NULL ? word : "DIR");
}

void
agl_set_held_error (GError **error, const AglRequest *request, const AglBlockers *blockers)
{
  g_autoptr (GString) text = g_string_new (NULL);
  guint n_blockers = blockers->locks->len + blockers->waiters->len + blockers->outsiders->len;

  if (n_blockers == 0) /* whoever it was went in this moment */
    {
      append_path (text, request->directory);
      g_string_append (text, " is not yet given on");
    }
  else if (blockers->locks->len > 0)
    append_lock (text, request, g_ptr_array_index (blockers->locks, 0));
  else if (blockers->waiters->len > 0)
    append_waiter (text, g_ptr_array_index (blockers->waiters, 0));
  else
    append_outsider (text, request, g_ptr_array_index (blockers->outsiders, 0));
  if (n_blockers > 1)
    g_string_append_printf (text, ", and %u more %s in the way", n_blockers - 1,
                            n_blockers == 2 ? "is" : "are");
  append_steps (text, request, blockers);
  g_set_error_literal (error, AGL_ERROR, AGL_ERROR_HELD, text->str);
}

void
agl_set_not_yours_error (GError **error, const AglRequest *request, const AglLock *lock)
{
  g_autoptr (GString) text = g_string_new (NULL);

  append_lock (text, request, lock);
  g_set_error (error, AGL_ERROR, AGL_ERROR_NOT_PERMITTED,
               "%s; conflict=%s needs the same user or privilege: wait with conflict=wait, or ask that user",
               text->str, request->conflict == AGL_CONFLICT_STEAL ? "steal" : "join");
}

void
agl_set_transfer_held_error (GError **error, const AglLock *lock, const AglLock *other)
{
  g_autoptr (GString) text = g_string_new (NULL);

  append_path (text, other->directory);
  g_string_append (text, " is held by ");
  append_holder (text, other);
  append_mode (text, other);
  g_set_error (error, AGL_ERROR, AGL_ERROR_HELD,
               "%s as lock %" G_GUINT64_FORMAT ", in the way of handing lock %" G_GUINT64_FORMAT
               " over to pid %d; release that one first",
               text->str, other->id, lock->id, (int)lock->token.pid);
}
