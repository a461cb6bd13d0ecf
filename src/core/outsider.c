/* SPDX-License-Identifier: MIT */
#include "core/outsider.h"

AglOutsider *
agl_outsider_new (AglProcess *process, uid_t uid, const char *command, const char *agent)
{
  AglOutsider *self = g_rc_box_new0 (AglOutsider);

  self->process = agl_process_ref (process);
  self->uid = uid;
  self->command = g_strdup (command);
  self->agent = g_strdup (agent);
  return self;
}

AglOutsider *
agl_outsider_ref (AglOutsider *self)
{
  return g_rc_box_acquire (self);
}

static void
outsider_clear (gpointer data)
{
  AglOutsider *self = data;

  g_clear_pointer (&self->process, agl_process_unref);
  g_clear_pointer (&self->command, g_free);
  g_clear_pointer (&self->agent, g_free);
}

void
agl_outsider_unref (AglOutsider *self)
{
  g_rc_box_release_full (self, outsider_clear);
}
