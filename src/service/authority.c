/* SPDX-License-Identifier: MIT */
#include "service/authority.h"

#include "config.h"

#if AGL_HAVE_POLKIT
#define POLKIT_AGENT_I_KNOW_API_IS_SUBJECT_TO_CHANGE
#include <polkit/polkit.h>
#endif

struct _AglAuthority
{
  AglScope scope;
  GCancellable *cancellable;
};

AglAuthority *
agl_authority_new (AglScope scope)
{
  AglAuthority *self = g_new0 (AglAuthority, 1);

  self->scope = scope;
  self->cancellable = g_cancellable_new ();
  return self;
}

void
agl_authority_free (AglAuthority *self)
{
  g_cancellable_cancel (self->cancellable);
  g_object_unref (self->cancellable);
  g_free (self);
}

#if AGL_HAVE_POLKIT
typedef struct
{
  AglAuthorityFunc func;
  gpointer user_data;
  char *name;
  gboolean interactive;
  GCancellable *cancellable;
} Question;

static void
answer (Question *question, gboolean allowed)
{
  question->func (allowed, question->user_data);
  g_object_unref (question->cancellable);
  g_free (question->name);
  g_free (question);
}

static void
on_checked (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (PolkitAuthorizationResult) authorization =
      polkit_authority_check_authorization_finish (POLKIT_AUTHORITY (source), result, &error);

  if (authorization == NULL)
    g_message ("polkit did not answer, so the override is refused: %s", error->message);
  answer (user_data, authorization != NULL && polkit_authorization_result_get_is_authorized (authorization));
}

static void
on_authority (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Question *question = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (PolkitAuthority) authority = polkit_authority_get_finish (result, &error);
  g_autoptr (PolkitSubject) subject = NULL;

  if (authority == NULL)
    {
      g_message ("polkit cannot be asked, so the override is refused: %s", error->message);
      answer (question, FALSE);
      return;
    }
  subject = polkit_system_bus_name_new (question->name);
  polkit_authority_check_authorization (authority, subject, AGL_ACTION_OVERRIDE, NULL,
                                        question->interactive
                                            ? POLKIT_CHECK_AUTHORIZATION_FLAGS_ALLOW_USER_INTERACTION
                                            : POLKIT_CHECK_AUTHORIZATION_FLAGS_NONE,
                                        question->cancellable, on_checked, question);
}
#endif

void
agl_authority_check (
    AglAuthority *self, AglCaller *caller, gboolean interactive, AglAuthorityFunc func, gpointer user_data)
{
  if (caller->asker.privileged || caller->name == NULL || self->scope != AGL_SCOPE_SYSTEM)
    {
      func (caller->asker.privileged, user_data);
      return;
    }
#if AGL_HAVE_POLKIT
  {
    Question *question = g_new0 (Question, 1);

    question->func = func;
    question->user_data = user_data;
    question->name = g_strdup (caller->name);
    question->interactive = interactive;
    question->cancellable = g_object_ref (self->cancellable);
    polkit_authority_get_async (self->cancellable, on_authority, question);
  }
#else
  func (FALSE, user_data);
#endif
}
