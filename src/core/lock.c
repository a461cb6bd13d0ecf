/* SPDX-License-Identifier: MIT */
#include "core/lock.h"

void
agl_texts_clear (AglTexts *texts)
{
  g_clear_pointer (&texts->agent, g_free);
  g_clear_pointer (&texts->session, g_free);
  g_clear_pointer (&texts->reason, g_free);
}

void
agl_texts_copy (AglTexts *to, const AglTexts *from)
{
  to->agent = g_strdup (from->agent);
  to->session = g_strdup (from->session);
  to->reason = g_strdup (from->reason);
}

static void
update_text (char **to, const char *from)
{
  if (from == NULL)
    return;
  g_free (*to);
  *to = g_strdup (from);
}

void
agl_texts_update (AglTexts *to, const AglTexts *from)
{
  update_text (&to->agent, from->agent);
  update_text (&to->session, from->session);
  update_text (&to->reason, from->reason);
}

const char *
agl_release_reason_to_string (AglReleaseReason reason)
{
  switch (reason)
    {
    case AGL_RELEASE_RELEASED:
      return "released";
    case AGL_RELEASE_EXITED:
      return "exited";
    case AGL_RELEASE_LEFT:
      return "left";
    case AGL_RELEASE_REMOVED:
      return "removed";
    case AGL_RELEASE_EXPIRED:
      return "expired";
    case AGL_RELEASE_FORCED:
      return "forced";
    case AGL_RELEASE_STOLEN:
      return "stolen";
    case AGL_N_RELEASE_REASONS:
      break;
    }
  g_return_val_if_reached (NULL);
}

AglLock *
agl_lock_new (void)
{
  AglLock *self = g_new0 (AglLock, 1);

  self->ref_count = 1;
  self->cwd = AGL_CWD_IGNORED;
  return self;
}

AglLock *
agl_lock_ref (AglLock *self)
{
  self->ref_count++;
  return self;
}

static void
clear_facts (AglLock *self)
{
  g_clear_pointer (&self->directory, agl_directory_unref);
  g_clear_pointer (&self->holder, agl_process_unref);
  g_clear_pointer (&self->command, g_free);
  agl_texts_clear (&self->texts);
  agl_sighting_clear (&self->sighting);
}

void
agl_lock_unref (AglLock *self)
{
  if (--self->ref_count > 0)
    return;
  clear_facts (self);
  g_free (self);
}

char *
agl_lock_dup_command (const AglLock *self)
{
  g_autofree char *command = self->holder != NULL ? agl_process_dup_command (self->holder) : NULL;

  return command != NULL && *command != '\0' ? g_steal_pointer (&command) : g_strdup (self->command);
}

void
agl_lock_assign (AglLock *self, const AglLock *other)
{
  guint n_waiters = self->n_waiters;
  guint ref_count = self->ref_count;
  AglProcess *watched = self->watched;
  AglDirectory *removal = self->removal;

  g_return_if_fail (self != other);

  clear_facts (self);
  *self = *other;
  self->n_waiters = n_waiters;
  self->ref_count = ref_count;
  self->watched = watched;
  self->removal = removal;
  if (other->directory != NULL)
    self->directory = agl_directory_ref (other->directory);
  if (other->holder != NULL)
    self->holder = agl_process_ref (other->holder);
  self->command = g_strdup (other->command);
  agl_texts_copy (&self->texts, &other->texts);
  self->sighting.text = g_strdup (other->sighting.text);
  self->sighting.moved_to = g_strdup (other->sighting.moved_to);
  self->prev_there = self->next_there = NULL;
  self->prev_own = self->next_own = NULL;
  self->waiter = NULL;
}

AglLock *
agl_lock_dup (const AglLock *self)
{
  AglLock *copy = agl_lock_new ();

  agl_lock_assign (copy, self);
  return copy;
}

static AglChange
text_diff (const char *before, const char *after, AglChange which)
{
  return g_strcmp0 (before, after) != 0 ? which : 0;
}

static AglChange
holder_diff (const AglLock *before, const AglLock *after)
{
  AglChange what = text_diff (before->command, after->command, AGL_CHANGED_COMMAND);

  if (before->manual != after->manual)
    what |= AGL_CHANGED_KIND;
  /* Nobody's token equals nobody's. */
  if ((!before->manual || !after->manual) && !agl_process_token_equal (&before->token, &after->token))
    what |= AGL_CHANGED_PID;
  if (before->uid != after->uid)
    what |= AGL_CHANGED_UID;
  if (before->expires_at_usec != after->expires_at_usec)
    what |= AGL_CHANGED_EXPIRY;
  return what;
}

static AglChange
directory_diff (const AglLock *before, const AglLock *after)
{
  const char *old = agl_directory_get_path (before->directory);
  const char *new = agl_directory_get_path (after->directory);

  if (g_str_equal (old, new))
    return 0;
  if (g_utf8_validate (old, -1, NULL) && g_utf8_validate (new, -1, NULL))
    return AGL_CHANGED_DIRECTORY;
  return AGL_CHANGED_DIRECTORY | AGL_CHANGED_DIRECTORY_BYTES;
}

AglChange
agl_lock_diff (const AglLock *before, const AglLock *after)
{
  AglMode mode = before->mode ^ after->mode;
  AglChange what = holder_diff (before, after) | directory_diff (before, after);

  if ((mode & AGL_MODE_SHARED) != 0)
    what |= AGL_CHANGED_SHARED;
  if ((mode & AGL_MODE_SUBTREE) != 0)
    what |= AGL_CHANGED_SUBTREE;
  if (before->follow_cwd != after->follow_cwd)
    what |= AGL_CHANGED_FOLLOW;
  if (before->cwd != after->cwd)
    what |= AGL_CHANGED_CWD;
  what |= text_diff (before->texts.agent, after->texts.agent, AGL_CHANGED_AGENT);
  what |= text_diff (before->texts.session, after->texts.session, AGL_CHANGED_SESSION);
  what |= text_diff (before->texts.reason, after->texts.reason, AGL_CHANGED_REASON);
  return what;
}

gboolean
agl_lock_is_held_by (const AglLock *self, const AglProcess *process)
{
  return self->holder != NULL && process != NULL && agl_process_equal (self->holder, process);
}

int
agl_lock_compare_ids (gconstpointer a, gconstpointer b)
{
  const AglLock *left = *(const AglLock *const *)a, *right = *(const AglLock *const *)b;

  return left->id < right->id ? -1 : left->id > right->id;
}

void
agl_lock_set_directory (AglLock *self, AglDirectory *directory)
{
  agl_directory_ref (directory);
  self->sighting.at_path = FALSE; /* it was the former path that was read */
  agl_directory_unref (self->directory);
  self->directory = directory;
}
