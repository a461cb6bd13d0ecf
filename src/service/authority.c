/* SPDX-License-Identifier: MIT */
#include "service/authority.h"

#include "common/text.h"
#include "config.h"

/* org.freedesktop.PolicyKit1.Authority, which is spoken to without libpolkit: that one goes by a connection
 * and a proxy of its own, which end this process, or never work again, after the bus was restarted. Asked on
 * the very connection on which the caller has its name. */
#define POLKIT                  "org.freedesktop.PolicyKit1"
#define POLKIT_PATH             "/org/freedesktop/PolicyKit1/Authority"
#define POLKIT_INTERFACE        "org.freedesktop.PolicyKit1.Authority"
#define CHECK_ALLOW_INTERACTION 1u

/* Without a person to answer polkit does so at once; with one it takes as long as it takes. */
#define ANSWER_TIMEOUT_MSEC 25000

/* Of one user: so many questions may be open at once, so that no user can have polkit work for nobody else.
 * More are refused without being asked. */
#define MAX_QUESTIONS_PER_USER 32

struct _AglAuthority
{
  gatomicrefcount ref_count; /* a question keeps it */
  AglScope scope;
  GCancellable *cancellable;
  GHashTable *questions; /* uid → how many are open */
  GQueue open;           /* of Question */
  gboolean is_stopped;
  gboolean has_complained; /* since polkit answered last */
};

typedef struct
{
  AglAuthority *authority;
  AglCaller *caller;
  AglAuthorityFunc func; /* NULL once answered */
  gpointer user_data;
  GList link;
} Question;

AglAuthority *
agl_authority_new (AglScope scope)
{
  AglAuthority *self = g_new0 (AglAuthority, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->scope = scope;
  self->cancellable = g_cancellable_new ();
  self->questions = g_hash_table_new (NULL, NULL);
  return self;
}

static void
authority_unref (AglAuthority *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  g_object_unref (self->cancellable);
  g_hash_table_unref (self->questions);
  g_free (self);
}

void
agl_authority_stop (AglAuthority *self)
{
  GList *link;

  self->is_stopped = TRUE;
  while ((link = self->open.head) != NULL)
    {
      Question *question = link->data;
      AglAuthorityFunc func = g_steal_pointer (&question->func);

      g_queue_unlink (&self->open, link);
      func (FALSE, question->user_data);
    }
  g_cancellable_cancel (self->cancellable);
}

void
agl_authority_free (AglAuthority *self)
{
  g_cancellable_cancel (self->cancellable);
  authority_unref (self);
}

#if AGL_HAVE_POLKIT
static guint
count_questions (const AglAuthority *self, uid_t uid)
{
  return GPOINTER_TO_UINT (g_hash_table_lookup (self->questions, GUINT_TO_POINTER (uid)));
}

static void
set_questions (AglAuthority *self, uid_t uid, guint count)
{
  if (count == 0)
    g_hash_table_remove (self->questions, GUINT_TO_POINTER (uid));
  else
    g_hash_table_insert (self->questions, GUINT_TO_POINTER (uid), GUINT_TO_POINTER (count));
}

static gboolean
read_answer (AglAuthority *self, GDBusConnection *connection, GAsyncResult *result)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (connection, result, &error);
  g_autofree char *shown = NULL;
  gboolean allowed = FALSE;

  if (reply != NULL)
    {
      g_variant_get (reply, "((bba{ss}))", &allowed, NULL, NULL);
      self->has_complained = FALSE;
      return allowed;
    }
  /* Once: anybody can make this service ask as often as he likes. */
  if (!self->has_complained && !g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    {
      self->has_complained = TRUE;
      shown = agl_text_escape (error->message, -1);
      g_message ("polkit cannot be asked, so nobody but root may override: %s", shown);
    }
  return FALSE;
}

static void
on_checked (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Question *question = user_data;
  AglAuthority *self = question->authority;
  uid_t uid = question->caller->asker.uid;
  gboolean allowed = read_answer (self, G_DBUS_CONNECTION (source), result);

  set_questions (self, uid, count_questions (self, uid) - 1);
  if (question->func != NULL)
    {
      g_queue_unlink (&self->open, &question->link);
      question->func (allowed, question->user_data);
    }
  agl_caller_unref (question->caller);
  g_free (question);
  authority_unref (self);
}

static void
ask (AglAuthority *self, AglCaller *caller, gboolean interactive, AglAuthorityFunc func, gpointer user_data)
{
  Question *question = g_new0 (Question, 1);
  GVariantBuilder subject;

  question->authority = self;
  question->caller = agl_caller_ref (caller);
  question->func = func;
  question->user_data = user_data;
  question->link.data = question;
  g_queue_push_tail_link (&self->open, &question->link);
  g_atomic_ref_count_inc (&self->ref_count);
  set_questions (self, caller->asker.uid, count_questions (self, caller->asker.uid) + 1);

  g_variant_builder_init (&subject, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&subject, "{sv}", "name", g_variant_new_string (caller->name));
  g_dbus_connection_call (
      caller->connection, POLKIT, POLKIT_PATH, POLKIT_INTERFACE, "CheckAuthorization",
      g_variant_new ("((sa{sv})s@a{ss}us)", "system-bus-name", &subject, AGL_ACTION_OVERRIDE,
                     g_variant_new_array (G_VARIANT_TYPE ("{ss}"), NULL, 0),
                     interactive ? CHECK_ALLOW_INTERACTION : 0, ""),
      G_VARIANT_TYPE ("((bba{ss}))"), G_DBUS_CALL_FLAGS_NONE, interactive ? G_MAXINT : ANSWER_TIMEOUT_MSEC,
      self->cancellable, on_checked, question);
}
#endif

const char *
agl_authority_describe (const AglAuthority *self, const AglCaller *caller)
{
  if (self->scope == AGL_SCOPE_USER)
    return NULL;
#if AGL_HAVE_POLKIT
  return caller->name == NULL
             ? "on this socket root may, on the system bus also whom polkit allows " AGL_ACTION_OVERRIDE
             : "root may, and whom polkit allows " AGL_ACTION_OVERRIDE;
#else
  return "root may";
#endif
}

void
agl_authority_check (
    AglAuthority *self, AglCaller *caller, gboolean interactive, AglAuthorityFunc func, gpointer user_data)
{
#if AGL_HAVE_POLKIT
  if (!self->is_stopped && !caller->asker.privileged && caller->name != NULL
      && self->scope == AGL_SCOPE_SYSTEM
      && count_questions (self, caller->asker.uid) < MAX_QUESTIONS_PER_USER)
    {
      ask (self, caller, interactive, func, user_data);
      return;
    }
#endif
  func (caller->asker.privileged, user_data);
}
