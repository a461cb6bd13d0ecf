/* SPDX-License-Identifier: MIT */
#include "core/request.h"

AglRequest *
agl_request_new (void)
{
  AglRequest *self = g_rc_box_new0 (AglRequest);

  self->follow_cwd = TRUE;
  self->timeout_msec = -1;
  self->cwd = AGL_CWD_IGNORED;
  return self;
}

AglRequest *
agl_request_ref (AglRequest *self)
{
  return g_rc_box_acquire (self);
}

static void
request_clear (gpointer data)
{
  AglRequest *self = data;

  g_clear_pointer (&self->asker.process, agl_process_unref);
  g_clear_pointer (&self->directory, agl_directory_unref);
  g_clear_pointer (&self->holder, agl_process_unref);
  g_clear_pointer (&self->ticket, g_free);
  agl_texts_clear (&self->texts);
}

void
agl_request_unref (AglRequest *self)
{
  g_rc_box_release_full (self, request_clear);
}

AglLock *
agl_request_draft (const AglRequest *self)
{
  AglLock *draft = agl_lock_new ();

  draft->directory = agl_directory_ref (self->directory);
  if (self->holder != NULL)
    {
      draft->holder = agl_process_ref (self->holder);
      draft->token = *agl_process_get_token (self->holder);
    }
  if (self->asker.process != NULL)
    draft->acquirer = *agl_process_get_token (self->asker.process);
  draft->uid = self->uid;
  draft->mode = self->mode;
  draft->manual = self->holder == NULL;
  draft->follow_cwd = self->holder != NULL && self->follow_cwd;
  draft->cwd = draft->follow_cwd ? self->cwd : AGL_CWD_IGNORED;
  agl_texts_copy (&draft->texts, &self->texts);
  return draft;
}
