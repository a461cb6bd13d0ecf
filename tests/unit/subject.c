/* SPDX-License-Identifier: MIT */
#include "core/subject.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <grp.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#include "children.h"
#include "common/error.h"

#define NOBODY 65534
#define GROUP  54321

/* linux/fcntl.h, glibc 2.33 */
#ifndef AT_EACCESS
#define AT_EACCESS 0x200
#endif

static AglSubject *
new_subject (uid_t uid, gid_t gid, const gid_t *groups, gsize n_groups)
{
  return agl_subject_new (NULL, uid, gid, groups, n_groups, TRUE);
}

/* What this thread is, as /proc tells it: ids, groups, capabilities. */
static char *
dup_own_rights (void)
{
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;
  GString *rights = g_string_new (NULL);

  g_assert_true (g_file_get_contents ("/proc/thread-self/status", &text, NULL, NULL));
  lines = g_strsplit (text, "\n", -1);
  for (guint i = 0; lines[i] != NULL; i++)
    if (g_str_has_prefix (lines[i], "Uid:") || g_str_has_prefix (lines[i], "Gid:")
        || g_str_has_prefix (lines[i], "Groups:") || g_str_has_prefix (lines[i], "Cap"))
      g_string_append_printf (rights, "%s\n", lines[i]);
  return g_string_free (rights, FALSE);
}

static void
assert_rights (const char *expected)
{
  g_autofree char *rights = dup_own_rights ();

  g_assert_cmpstr (rights, ==, expected);
}

/* The errno of an access question, 0 when it is allowed. */
static int
access_errno (const char *path, int mode)
{
  return syscall (SYS_faccessat2, AT_FDCWD, path, mode, AT_EACCESS) == 0 ? 0 : errno;
}

static int
open_errno (const char *path)
{
  int fd = open (path, O_PATH | O_DIRECTORY | O_CLOEXEC);

  if (fd < 0)
    return errno;
  close (fd);
  return 0;
}

typedef struct
{
  char *root; /* root's, 0711 */
  char *shut; /* root's, 0700 */
  char *inside_shut;
  char *of_group; /* root:GROUP, 0770 */
  char *open;     /* 0777 */
} Fixture;

static char *
make_directory (const char *parent, const char *name, uid_t uid, gid_t gid, mode_t mode)
{
  char *path = g_build_filename (parent, name, NULL);

  g_assert_cmpint (g_mkdir (path, 0700), ==, 0);
  g_assert_cmpint (chown (path, uid, gid), ==, 0);
  g_assert_cmpint (chmod (path, mode), ==, 0);
  return path;
}

static void
set_up (Fixture *f, gconstpointer unused)
{
  f->root = g_dir_make_tmp ("agl-subject-XXXXXX", NULL);
  g_assert_nonnull (f->root);
  g_assert_cmpint (chmod (f->root, 0711), ==, 0);
  f->shut = make_directory (f->root, "shut", 0, 0, 0700);
  f->inside_shut = make_directory (f->shut, "inside", 0, 0, 0777);
  f->of_group = make_directory (f->root, "group", 0, GROUP, 0770);
  f->open = make_directory (f->root, "open", 0, 0, 0777);
}

static void
remove_directory (char **path)
{
  g_assert_cmpint (g_rmdir (*path), ==, 0);
  g_clear_pointer (path, g_free);
}

static void
tear_down (Fixture *f, gconstpointer unused)
{
  remove_directory (&f->open);
  remove_directory (&f->of_group);
  remove_directory (&f->inside_shut);
  remove_directory (&f->shut);
  remove_directory (&f->root);
}

static void
test_the_kernel_judges_as_the_user (Fixture *f, gconstpointer unused)
{
  g_autoptr (AglSubject) subject = new_subject (NOBODY, NOBODY, NULL, 0);
  g_autoptr (GError) error = NULL;
  g_autofree char *before = dup_own_rights ();

  g_assert_true (agl_subject_begin (subject, &error));
  g_assert_no_error (error);
  g_assert_cmpint (open_errno (f->open), ==, 0);
  g_assert_cmpint (open_errno (f->inside_shut), ==, EACCES);
  g_assert_cmpint (access_errno (f->open, W_OK | X_OK), ==, 0);
  g_assert_cmpint (access_errno (f->shut, X_OK), ==, EACCES);
  g_assert_cmpint (access_errno (f->inside_shut, F_OK), ==, EACCES);
  g_assert_cmpint (access_errno (f->of_group, X_OK), ==, EACCES);
  g_assert_cmpint (access_errno (f->root, R_OK), ==, EACCES);
  agl_subject_end (subject);

  assert_rights (before);
  g_assert_cmpint (open_errno (f->inside_shut), ==, 0);
  g_assert_cmpint (access_errno (f->inside_shut, W_OK | X_OK), ==, 0);
}

static void
test_groups_count (Fixture *f, gconstpointer unused)
{
  const gid_t groups[] = { 7, GROUP };
  g_autoptr (AglSubject) by_list = new_subject (NOBODY, NOBODY, groups, G_N_ELEMENTS (groups));
  g_autoptr (AglSubject) by_gid = new_subject (NOBODY, GROUP, NULL, 0);
  g_autoptr (AglSubject) by_neither = new_subject (NOBODY, NOBODY, groups, 1);
  g_autofree char *before = dup_own_rights ();

  g_assert_true (agl_subject_begin (by_list, NULL));
  g_assert_cmpint (access_errno (f->of_group, W_OK | X_OK), ==, 0);
  agl_subject_end (by_list);
  g_assert_true (agl_subject_begin (by_gid, NULL));
  g_assert_cmpint (access_errno (f->of_group, W_OK | X_OK), ==, 0);
  agl_subject_end (by_gid);
  g_assert_true (agl_subject_begin (by_neither, NULL));
  g_assert_cmpint (access_errno (f->of_group, W_OK | X_OK), ==, EACCES);
  agl_subject_end (by_neither);
  assert_rights (before);
}

/* linux/posix_acl_xattr.h */
typedef struct
{
  guint16 tag;
  guint16 perm;
  guint32 id;
} AclEntry;

static void
test_acls_count (Fixture *f, gconstpointer unused)
{
  struct
  {
    guint32 version;
    AclEntry entries[5];
  } acl = { GUINT32_TO_LE (2),
            {
                { 0x01, 7, 0xffffffff }, /* owner */
                { 0x02, 7, NOBODY },     /* this user */
                { 0x04, 0, 0xffffffff }, /* owning group */
                { 0x10, 7, 0xffffffff }, /* mask */
                { 0x20, 0, 0xffffffff }, /* others */
            } };
  g_autoptr (AglSubject) named = new_subject (NOBODY, NOBODY, NULL, 0);
  g_autoptr (AglSubject) other = new_subject (NOBODY - 1, NOBODY, NULL, 0);
  int result = setxattr (f->shut, "system.posix_acl_access", &acl, sizeof acl, 0);

  /* A filesystem may have no ACLs; then the mode alone decides, and it shuts both out. */
  g_assert_true (result == 0 || errno == EOPNOTSUPP);
  g_assert_true (agl_subject_begin (named, NULL));
  g_assert_cmpint (access_errno (f->shut, W_OK | X_OK), ==, result == 0 ? 0 : EACCES);
  agl_subject_end (named);
  g_assert_true (agl_subject_begin (other, NULL));
  g_assert_cmpint (access_errno (f->shut, X_OK), ==, EACCES);
  agl_subject_end (other);
}

static void
test_root_is_judged_as_root (Fixture *f, gconstpointer unused)
{
  g_autoptr (AglSubject) subject = new_subject (0, 0, NULL, 0);
  g_autofree char *before = dup_own_rights ();
  char *private = make_directory (f->root, "private", NOBODY, NOBODY, 0700);

  g_assert_true (agl_subject_begin (subject, NULL));
  g_assert_cmpint (access_errno (private, W_OK | X_OK), ==, 0);
  agl_subject_end (subject);
  assert_rights (before);
  remove_directory (&private);
}

static void
test_without_impersonation_nothing_changes (Fixture *f, gconstpointer unused)
{
  g_autoptr (AglProcess) process = agl_process_open (getpid (), NULL);
  g_autoptr (AglSubject) subject = agl_subject_new (process, NOBODY, NOBODY, NULL, 0, FALSE);
  g_autofree char *before = dup_own_rights ();

  g_assert_true (subject->process == process);
  agl_subject_unref (agl_subject_ref (subject));
  g_assert_true (agl_subject_begin (subject, NULL));
  assert_rights (before);
  agl_subject_end (subject);
  assert_rights (before);
}

typedef struct
{
  const AglSubject *subject;
  char *rights;
} OtherThread;

static gpointer
look_at_own_rights (gpointer data)
{
  OtherThread *other = data;

  other->rights = dup_own_rights ();
  g_assert_true (agl_subject_begin (other->subject, NULL));
  agl_subject_end (other->subject);
  return NULL;
}

typedef struct
{
  int here[2]; /* pipes, so that ThreadSanitizer sees who waits for whom */
  int look[2];
  char *rights;
} Standby;

static gpointer
stand_by (gpointer data)
{
  Standby *standby = data;

  tell (standby->here[1], 1);
  hear (standby->look[0]);
  standby->rights = dup_own_rights ();
  tell (standby->here[1], 2);
  return NULL;
}

static void
test_no_other_thread_changes (Fixture *f, gconstpointer unused)
{
  g_autoptr (AglSubject) subject = new_subject (NOBODY, NOBODY, NULL, 0);
  g_autoptr (AglSubject) other_subject = new_subject (7, 7, NULL, 0);
  g_autofree char *before = dup_own_rights ();
  Standby standby = { 0 };
  OtherThread later = { other_subject, NULL };
  GThread *thread;

  g_assert_cmpint (pipe2 (standby.here, O_CLOEXEC), ==, 0);
  g_assert_cmpint (pipe2 (standby.look, O_CLOEXEC), ==, 0);
  thread = g_thread_new ("stand-by", stand_by, &standby);
  g_assert_cmpint (hear (standby.here[0]), ==, 1);
  g_assert_true (agl_subject_begin (subject, NULL));
  tell (standby.look[1], 1);
  g_assert_cmpint (hear (standby.here[0]), ==, 2);
  g_assert_cmpint (access_errno (f->shut, X_OK), ==, EACCES);
  agl_subject_end (subject);
  g_thread_join (thread);
  g_assert_cmpstr (standby.rights, ==, before);
  g_free (standby.rights);
  for (guint i = 0; i < 2; i++)
    {
      close (standby.here[i]);
      close (standby.look[i]);
    }

  /* And a thread that acts for one user leaves alone one that acts for another. */
  thread = g_thread_new ("later", look_at_own_rights, &later);
  g_assert_true (agl_subject_begin (subject, NULL));
  g_thread_join (thread);
  g_assert_cmpint (access_errno (f->open, W_OK | X_OK), ==, 0);
  g_assert_cmpint (access_errno (f->shut, X_OK), ==, EACCES);
  agl_subject_end (subject);
  g_assert_cmpstr (later.rights, ==, before);
  g_free (later.rights);
  assert_rights (before);
}

static void
set_capabilities_only (guint32 mask)
{
  struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
  struct __user_cap_data_struct data[2] = { { .effective = mask, .permitted = mask } };

  g_assert_cmpint (syscall (SYS_capset, &header, data), ==, 0);
}

/* A service's own user, as systemd's User= and AmbientCapabilities= make it. */
static void
become_a_service (guint32 mask)
{
  const gid_t groups[] = { 11, 12 };

  g_assert_cmpint (setgroups (G_N_ELEMENTS (groups), groups), ==, 0);
  g_assert_cmpint (prctl (PR_SET_KEEPCAPS, 1), ==, 0);
  g_assert_cmpint (setresgid (4242, 4242, 4242), ==, 0);
  g_assert_cmpint (setresuid (4242, 4242, 4242), ==, 0);
  set_capabilities_only (mask);
  g_assert_cmpint (prctl (PR_SET_DUMPABLE, 1), ==, 0);
}

static const Fixture *child_fixture;

static void
two_capabilities_child (int unused)
{
  const gid_t groups[] = { GROUP };
  g_autoptr (AglSubject) subject = new_subject (NOBODY, NOBODY, groups, 1);
  g_autoptr (AglSubject) root = new_subject (0, 0, NULL, 0);
  g_autoptr (AglProcess) process = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *before = NULL;
  g_autofree char *path = NULL;
  int fd = open (child_fixture->open, O_PATH);

  become_a_service ((1u << CAP_SETUID) | (1u << CAP_SETGID) | (1u << CAP_SYS_PTRACE));
  before = dup_own_rights ();
  path = g_strdup_printf ("/proc/self/fd/%d", fd);
  for (guint i = 0; i < 3; i++)
    {
      g_assert_true (agl_subject_begin (subject, &error));
      g_assert_no_error (error);
      g_assert_cmpint (open_errno (path), ==, 0);
      g_assert_cmpint (access_errno (child_fixture->of_group, W_OK | X_OK), ==, 0);
      g_assert_cmpint (access_errno (child_fixture->shut, X_OK), ==, EACCES);
      agl_subject_end (subject);
      assert_rights (before);
      g_assert_cmpint (access_errno (child_fixture->of_group, X_OK), ==, EACCES);

      g_assert_true (agl_subject_begin (root, &error));
      g_assert_no_error (error);
      g_assert_cmpint (access_errno (child_fixture->shut, W_OK | X_OK), ==, 0);
      agl_subject_end (root);
      assert_rights (before);
    }

  /* The kernel makes the process undumpable (setfsuid(2)); it must still know itself. */
  g_assert_cmpint (open_errno (path), ==, 0);
  process = agl_process_new_take_pidfd ((int)syscall (SYS_pidfd_open, getpid (), 0), &error);
  g_assert_no_error (error);
  g_assert_nonnull (agl_process_world ());
}

/* Unlike root's, an ordinary user's capabilities do not go away with the fsuid. */
static void
drops_its_power_child (int unused)
{
  g_autoptr (AglSubject) subject = new_subject (NOBODY, NOBODY, NULL, 0);
  g_autofree char *before = NULL;
  g_autofree char *during = NULL;

  become_a_service ((1u << CAP_SETUID) | (1u << CAP_SETGID) | (1u << CAP_DAC_OVERRIDE)
                    | (1u << CAP_DAC_READ_SEARCH));
  before = dup_own_rights ();
  g_assert_cmpint (access_errno (child_fixture->shut, W_OK | X_OK), ==, 0);
  g_assert_true (agl_subject_begin (subject, NULL));
  during = dup_own_rights ();
  g_assert_cmpint (access_errno (child_fixture->shut, X_OK), ==, EACCES);
  g_assert_cmpint (open_errno (child_fixture->inside_shut), ==, EACCES);
  agl_subject_end (subject);
  g_assert_nonnull (strstr (during, "CapEff:\t0000000000000000"));
  assert_rights (before);
}

static void
cannot_begin_child (guint32 mask)
{
  g_autoptr (AglSubject) subject = new_subject (NOBODY, NOBODY, NULL, 0);
  g_autoptr (GError) error = NULL;
  g_autofree char *before = NULL;

  become_a_service (mask);
  before = dup_own_rights ();
  g_assert_false (agl_subject_begin (subject, &error));
  g_assert_error (error, AGL_ERROR, AGL_ERROR_UNAVAILABLE);
  assert_rights (before);
}

static void
no_capability_child (int unused)
{
  cannot_begin_child (0);
}

static void
only_groups_child (int unused)
{
  cannot_begin_child (1u << CAP_SETGID);
}

static void
only_users_child (int unused)
{
  cannot_begin_child (1u << CAP_SETUID);
}

static void
test_in_children (Fixture *f, gconstpointer unused)
{
  child_fixture = f;
  run_child (two_capabilities_child);
  run_child (drops_its_power_child);
  run_child (no_capability_child);
  run_child (only_groups_child);
  run_child (only_users_child);
}

static void
test_nobody_is_not_everybody (Fixture *f, gconstpointer unused)
{
  g_autoptr (AglSubject) subject = new_subject ((uid_t)-1, NOBODY, NULL, 0);
  g_autoptr (GError) error = NULL;
  g_autofree char *before = dup_own_rights ();

  g_assert_false (agl_subject_begin (subject, &error));
  g_assert_error (error, AGL_ERROR, AGL_ERROR_UNAVAILABLE);
  assert_rights (before);
}

static void
test_an_ordinary_service (void)
{
  g_autoptr (AglSubject) self = agl_subject_new (NULL, getuid (), getgid (), NULL, 0, FALSE);

  g_assert_true (agl_subject_begin (self, NULL));
  agl_subject_end (self);
}

int
main (int argc, char **argv)
{
  static const struct
  {
    const char *path;
    void (*func) (Fixture *f, gconstpointer unused);
  } tests[] = {
    { "/subject/the-kernel-judges", test_the_kernel_judges_as_the_user },
    { "/subject/groups-count", test_groups_count },
    { "/subject/acls-count", test_acls_count },
    { "/subject/root", test_root_is_judged_as_root },
    { "/subject/no-impersonation", test_without_impersonation_nothing_changes },
    { "/subject/no-other-thread", test_no_other_thread_changes },
    { "/subject/few-capabilities", test_in_children },
    { "/subject/no-such-uid", test_nobody_is_not_everybody },
  };

  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/subject/ordinary-service", test_an_ordinary_service);
  if (geteuid () == 0) /* only root can become another */
    for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
      g_test_add (tests[i].path, Fixture, NULL, set_up, tests[i].func, tear_down);
  return g_test_run ();
}
