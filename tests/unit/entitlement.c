/* SPDX-License-Identifier: MIT */
#include "core/entitlement.h"

#include "common/error.h"
#include "common/user.h"
#include "children.h"
#include "sample-lock.h"

/* Who asks, from the point of view of a lock of user 1000 whose holder is a real child of this process. */
typedef struct
{
  const char *who;
  AglAsker asker;
} Asker;

static AglProcess *holder, *acquirer, *stranger, *descendant;
static pid_t pids[4];

static AglLock *
make_lock (gboolean manual)
{
  AglLock *lock = manual ? sample_manual_lock_new (7, "/a") : sample_lock_new (7, "/a");

  lock->uid = 1000;
  if (!manual)
    {
      g_clear_pointer (&lock->holder, agl_process_unref);
      lock->holder = agl_process_ref (holder);
      lock->token = *agl_process_get_token (holder);
    }
  lock->acquirer = *agl_process_get_token (acquirer);
  return lock;
}

/* "released", "forced", or the nick of the error. */
static const char *
judge (gboolean manual, AglProcess *process, uid_t uid, gboolean privileged, gboolean force)
{
  g_autoptr (AglLock) lock = make_lock (manual);
  const AglAsker asker = { process, uid, privileged };
  g_autoptr (GError) error = NULL;
  AglReleaseReason reason;

  if (agl_entitlement_judge (lock, &asker, force, &reason, &error))
    return agl_release_reason_to_string (reason);
  g_assert_true (error->domain == AGL_ERROR);
  g_assert_nonnull (strstr (error->message, "\"/a\""));
  return agl_error_nick ((AglError)error->code);
}

static void
test_process_locks (void)
{
  /* process, uid, privileged, without force, with force */
  const struct
  {
    AglProcess *process;
    uid_t uid;
    gboolean privileged;
    const char *plain, *forced;
  } cases[] = {
    { holder, 1000, FALSE, "released", "released" },
    { descendant, 1000, FALSE, "released", "released" },
    { acquirer, 1000, FALSE, "released", "released" },
    { stranger, 1000, FALSE, "HolderAlive", "forced" },
    { NULL, 1000, FALSE, "HolderAlive", "forced" },
    { stranger, 1001, FALSE, "NotPermitted", "NotPermitted" },
    { descendant, 1001, FALSE, "NotPermitted", "NotPermitted" },
    { acquirer, 1001, FALSE, "NotPermitted", "NotPermitted" },
    { stranger, 0, TRUE, "HolderAlive", "forced" },
    { acquirer, 0, TRUE, "released", "released" },
    { stranger, 1001, TRUE, "HolderAlive", "forced" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_assert_cmpstr (judge (FALSE, cases[i].process, cases[i].uid, cases[i].privileged, FALSE), ==,
                       cases[i].plain);
      g_assert_cmpstr (judge (FALSE, cases[i].process, cases[i].uid, cases[i].privileged, TRUE), ==,
                       cases[i].forced);
    }
}

static void
test_manual_locks (void)
{
  g_assert_cmpstr (judge (TRUE, stranger, 1000, FALSE, FALSE), ==, "released");
  g_assert_cmpstr (judge (TRUE, NULL, 1000, FALSE, FALSE), ==, "released");
  g_assert_cmpstr (judge (TRUE, stranger, 1000, FALSE, TRUE), ==, "released");
  g_assert_cmpstr (judge (TRUE, stranger, 1001, FALSE, TRUE), ==, "NotPermitted");
  g_assert_cmpstr (judge (TRUE, stranger, 0, TRUE, FALSE), ==, "forced");
}

/* The same judgement for a release and a transfer. */
static void
test_words_for_a_stranger (void)
{
  g_autoptr (AglLock) lock = make_lock (TRUE);
  const AglAsker asker = { stranger, 1001, FALSE };
  g_autofree char *user = agl_user_dup_name (1000);
  g_autofree char *words =
      g_strdup_printf (" is of user %s; only a privileged user may release or transfer ", user);
  g_autoptr (GError) error = NULL;
  AglReleaseReason reason;

  g_assert_false (agl_entitlement_judge (lock, &asker, TRUE, &reason, &error));
  g_assert_nonnull (strstr (error->message, words));
}

/* A saved holder that cannot be told is nobody's ancestor and nobody's self. */
static void
test_an_unproven_holder (void)
{
  g_autoptr (AglLock) lock = make_lock (FALSE);
  const AglAsker asker = { stranger, 1000, FALSE };
  g_autoptr (GError) error = NULL;
  AglReleaseReason reason;

  g_clear_pointer (&lock->holder, agl_process_unref);
  g_assert_false (agl_entitlement_judge (lock, &asker, FALSE, &reason, &error));
  g_assert_error (error, AGL_ERROR, AGL_ERROR_HOLDER_ALIVE);
  g_assert_null (strstr (error->message, "is alive"));
  g_assert_true (agl_entitlement_judge (lock, &asker, TRUE, &reason, NULL));
  g_assert_cmpint (reason, ==, AGL_RELEASE_FORCED);
}

static void
parent_of_another (int tell_fd)
{
  pid_t child = fork ();

  if (child == 0)
    {
      prctl (PR_SET_PDEATHSIG, SIGKILL);
      sleep_for_ever ();
    }
  tell (tell_fd, child);
}

int
main (int argc, char **argv)
{
  gint32 child;
  int status;

  g_test_init (&argc, &argv, NULL);
  pids[0] = start_child (parent_of_another, &child);
  pids[1] = start_child (idle_child, NULL);
  pids[2] = start_child (idle_child, NULL);
  holder = agl_process_open (pids[0], NULL);
  descendant = agl_process_open (child, NULL);
  acquirer = agl_process_open (pids[1], NULL);
  stranger = agl_process_open (pids[2], NULL);
  g_test_add_func ("/entitlement/process-locks", test_process_locks);
  g_test_add_func ("/entitlement/manual-locks", test_manual_locks);
  g_test_add_func ("/entitlement/words-for-a-stranger", test_words_for_a_stranger);
  g_test_add_func ("/entitlement/an-unproven-holder", test_an_unproven_holder);
  status = g_test_run ();
  agl_process_unref (holder);
  agl_process_unref (descendant);
  agl_process_unref (acquirer);
  agl_process_unref (stranger);
  for (guint i = 0; i < 3; i++)
    kill_and_reap (pids[i]);
  return status;
}
