/* SPDX-License-Identifier: MIT */
#include "core/occupants.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "common/error.h"
#include "core/mount-guard.h"
#include "programs.h"

#define NOBODY 65534

/* A still population: see test_agrees_with_lsof(). */
#define N_POPULATION 2000
#define N_FOLDERS    40

static AglDirectory *
open_directory (const char *path)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (AglProcess) self = agl_process_open (getpid (), &error);
  g_autoptr (AglSubject) subject = NULL;
  AglDirectory *directory;

  g_assert_no_error (error);
  subject = agl_subject_new (self, getuid (), getgid (), NULL, 0, FALSE);
  directory = agl_directory_find (subject, path, -1, AGL_ACCESS_REACH, AGL_PATIENCE_BLOCK, &error);
  g_assert_no_error (error);
  return directory;
}

static AglAgentCatalog *
load_catalog (void)
{
  g_autofree char *folder = g_test_build_filename (G_TEST_DIST, "..", "..", "data", "agents.d", NULL);
  const char *folders[] = { folder, NULL };

  return agl_agent_catalog_load (folders);
}

static GPtrArray *
find (const char *path, AglPatience patience)
{
  g_autoptr (AglAgentCatalog) catalog = load_catalog ();
  g_autoptr (AglDirectory) directory = open_directory (path);
  g_autoptr (GError) error = NULL;
  GPtrArray *occupants = agl_occupants_find (directory, catalog, patience, &error);

  g_assert_no_error (error);
  return occupants;
}

static const AglOccupant *
get_occupant (GPtrArray *occupants, guint i)
{
  g_assert_cmpuint (i, <, occupants->len);
  return g_ptr_array_index (occupants, i);
}

static gboolean
contains (GPtrArray *occupants, pid_t pid)
{
  for (guint i = 0; i < occupants->len; i++)
    if (get_occupant (occupants, i)->pid == pid)
      return TRUE;
  return FALSE;
}

/* The numbers of those found are exactly @pids, in any order, ended by 0. */
static void
assert_found (GPtrArray *occupants, const pid_t *pids)
{
  guint n = 0;

  for (; pids[n] != 0; n++)
    g_assert_true (contains (occupants, pids[n]));
  g_assert_cmpuint (occupants->len, ==, n);
}

typedef struct
{
  char *folder;  /* temporary */
  char *work;    /* folder/work: the directory looked at */
  char *program; /* folder/bin/idle: no agent */
  char *claude;  /* folder/bin/claude */
} Scene;

static Scene *
scene_new (void)
{
  Scene *scene = g_new0 (Scene, 1);

  scene->folder = make_folder ();
  scene->work = make_subfolder (scene->folder, "work");
  scene->program = make_program (scene->folder, "bin/idle");
  scene->claude = make_program (scene->folder, "bin/claude");
  return scene;
}

static void
scene_free (Scene *scene)
{
  remove_folder (scene->folder);
  g_free (scene->work);
  g_free (scene->program);
  g_free (scene->claude);
  g_free (scene);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Scene, scene_free)

static void
test_find (void)
{
  g_autoptr (Scene) scene = scene_new ();
  g_autofree char *below = make_subfolder (scene->work, "a/b c\n");
  g_autofree char *sibling = make_subfolder (scene->folder, "work2");
  g_autofree char *odd = make_program (scene->folder, "bin/o\033dd");
  pid_t here = run_program ((Program){ .path = scene->claude, .cwd = scene->work });
  pid_t there = run_program ((Program){ .path = odd, .cwd = below });
  pid_t beside = run_program ((Program){ .path = scene->claude, .cwd = sibling });
  pid_t above = run_program ((Program){ .path = scene->claude, .cwd = scene->folder });
  g_autoptr (GPtrArray) occupants = find (scene->work, AGL_PATIENCE_NONE);
  g_autoptr (GPtrArray) all = find ("/", AGL_PATIENCE_NONE);
  const AglOccupant *first;
  const AglOccupant *second;

  assert_found (occupants, (pid_t[]){ here, there, 0 });
  first = get_occupant (occupants, here < there ? 0 : 1);
  second = get_occupant (occupants, here < there ? 1 : 0);
  g_assert_cmpint (first->pid, ==, here);
  g_assert_cmpuint (first->uid, ==, geteuid ());
  g_assert_cmpstr (first->command, ==, "claude");
  g_assert_cmpstr (first->cwd, ==, scene->work);
  g_assert_cmpstr (first->agent, ==, "claude");
  g_assert_cmpint (second->pid, ==, there);
  g_assert_cmpstr (second->command, ==, "o\\x1bdd");
  g_assert_cmpstr (second->cwd, ==, below);
  g_assert_null (second->agent);

  g_assert_true (contains (all, here));
  g_assert_true (contains (all, beside));
  g_assert_true (contains (all, getpid ()));
  for (guint i = 1; i < all->len; i++)
    g_assert_cmpint (get_occupant (all, i - 1)->pid, <, get_occupant (all, i)->pid);
  kill_and_reap (here);
  kill_and_reap (there);
  kill_and_reap (beside);
  kill_and_reap (above);
}

static void
test_zombie (void)
{
  g_autoptr (Scene) scene = scene_new ();
  pid_t pid = run_program ((Program){ .path = scene->claude, .cwd = scene->work });
  g_autoptr (GPtrArray) before = find (scene->work, AGL_PATIENCE_NONE);
  g_autoptr (GPtrArray) after = NULL;

  assert_found (before, (pid_t[]){ pid, 0 });
  kill_unreaped (pid);
  after = find (scene->work, AGL_PATIENCE_NONE);
  assert_found (after, (pid_t[]){ 0 });
  reap (pid);
}

/* Below a directory that lives, in one that was removed: `cd ..` leads back here. */
static void
test_removed_below (void)
{
  g_autoptr (Scene) scene = scene_new ();
  g_autofree char *below = make_subfolder (scene->work, "gone");
  g_autofree char *text = g_strconcat (below, " (deleted)", NULL);
  pid_t pid = run_program ((Program){ .path = scene->program, .cwd = below });
  g_autoptr (GPtrArray) occupants = NULL;

  g_assert_cmpint (rmdir (below), ==, 0);
  occupants = find (scene->work, AGL_PATIENCE_NONE);
  assert_found (occupants, (pid_t[]){ pid, 0 });
  g_assert_cmpstr (get_occupant (occupants, 0)->cwd, ==, text);
  kill_and_reap (pid);
}

/* A new directory under the path of a removed one is another. */
static void
test_replaced (void)
{
  g_autoptr (Scene) scene = scene_new ();
  pid_t pid = run_program ((Program){ .path = scene->claude, .cwd = scene->work });
  g_autoptr (GPtrArray) occupants = NULL;

  g_assert_cmpint (rmdir (scene->work), ==, 0);
  g_assert_cmpint (mkdir (scene->work, 0755), ==, 0);
  occupants = find (scene->work, AGL_PATIENCE_NONE);
  assert_found (occupants, (pid_t[]){ 0 });
  kill_and_reap (pid);
}

static void
test_renamed (void)
{
  g_autoptr (Scene) scene = scene_new ();
  g_autofree char *target = g_build_filename (scene->folder, "elsewhere", NULL);
  g_autofree char *link = g_build_filename (scene->folder, "link", NULL);
  pid_t pid = run_program ((Program){ .path = scene->claude, .cwd = scene->work });
  g_autoptr (GPtrArray) occupants = NULL;

  g_assert_cmpint (rename (scene->work, target), ==, 0);
  g_assert_cmpint (symlink (target, link), ==, 0);
  occupants = find (link, AGL_PATIENCE_NONE);
  assert_found (occupants, (pid_t[]){ pid, 0 });
  g_assert_cmpstr (get_occupant (occupants, 0)->cwd, ==, target);
  kill_and_reap (pid);
}

/* What a container does: its own mounts, the directory under another path there. */
static const char *container_source;
static const char *container_target;
static const char *container_program;

static void
enter_container (int tell_fd)
{
  g_autofree char *cwd = g_build_filename (container_target, "sub", NULL);

  if ((unshare (CLONE_NEWNS) != 0 && unshare (CLONE_NEWUSER | CLONE_NEWNS) != 0)
      || mount ("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0
      || mount (container_source, container_target, NULL, MS_BIND, NULL) != 0)
    _exit (96);
  program_to_run =
      (Program){ .path = container_program, .cwd = access (cwd, F_OK) == 0 ? cwd : container_target };
  become_program (tell_fd);
}

static pid_t
run_in_container (Scene *scene, const char *mount_point)
{
  container_source = scene->work;
  container_target = mount_point;
  container_program = scene->claude;
  return start_child (enter_container, NULL);
}

static GPtrArray *
find_agents (const char *path, const AglProcess *holder, AglIsRegisteredFunc is_registered, gpointer data)
{
  g_autoptr (AglAgentCatalog) catalog = load_catalog ();
  g_autoptr (AglDirectory) directory = open_directory (path);
  g_autoptr (GError) error = NULL;
  GPtrArray *agents = agl_occupants_find_agents (directory, holder, catalog, is_registered, data, &error);

  g_assert_no_error (error);
  return agents;
}

static void
assert_agents (const char *path, const AglProcess *holder, const pid_t *pids)
{
  g_autoptr (GPtrArray) agents = find_agents (path, holder, NULL, NULL);
  guint n = 0;

  for (; pids[n] != 0; n++)
    {
      gboolean is_there = FALSE;

      for (guint i = 0; i < agents->len && !is_there; i++)
        is_there = agl_process_get_pid (((AglOutsider *)g_ptr_array_index (agents, i))->process) == pids[n];
      g_assert_true (is_there);
    }
  g_assert_cmpuint (agents->len, ==, n);
}

static void
test_container (void)
{
  g_autoptr (Scene) scene = scene_new ();
  g_autofree char *mount_point = make_subfolder (scene->folder, "mount");
  pid_t here = run_in_container (scene, mount_point);
  g_autofree char *below = make_subfolder (scene->work, "sub");
  pid_t there = run_in_container (scene, mount_point);
  pid_t outside = run_program ((Program){ .path = scene->claude, .cwd = mount_point });
  g_autoptr (GPtrArray) occupants = find (scene->work, AGL_PATIENCE_NONE);
  g_autoptr (GPtrArray) patient = find (scene->work, AGL_PATIENCE_BLOCK);
  g_autoptr (GPtrArray) others = find (mount_point, AGL_PATIENCE_NONE);

  assert_found (occupants, (pid_t[]){ here, there, 0 });
  assert_found (patient, (pid_t[]){ here, there, 0 });
  /* The same text, another directory. */
  assert_found (others, (pid_t[]){ outside, 0 });
  assert_agents (scene->work, NULL, (pid_t[]){ here, 0 });
  kill_and_reap (here);
  kill_and_reap (there);
  kill_and_reap (outside);
}

static guint n_unreadable_logged;

static GLogWriterOutput
count_unreadable (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  for (gsize i = 0; i < n_fields; i++)
    if (level == G_LOG_LEVEL_DEBUG && strcmp (fields[i].key, "UNREADABLE") == 0)
      n_unreadable_logged = (guint)g_ascii_strtoull (fields[i].value, NULL, 10);
  return level == G_LOG_LEVEL_DEBUG ? G_LOG_WRITER_HANDLED
                                    : g_log_writer_default (level, fields, n_fields, user_data);
}

/* Makes the filesystem of @path one that may wait. */
static void
distrust_filesystem_of (const char *path)
{
  static const char *const types[] = { "ext4", "tmpfs", "overlay", "btrfs", "xfs",     "ext3",
                                       "ext2", "f2fs",  "zfs",     "fuse",  "bcachefs" };
  g_autofree char *mountinfo = NULL;

  g_assert_true (g_file_get_contents ("/proc/self/mountinfo", &mountinfo, NULL, NULL));
  for (gsize i = 0; i < G_N_ELEMENTS (types); i++)
    {
      agl_mount_guard_distrust (types[i]);
      if (agl_mount_guard_parse (mountinfo, path) == AGL_MOUNTS_MAY_WAIT)
        return;
    }
  g_assert_not_reached ();
}

/* A filesystem that may wait is not touched: the text of the link has to do, where it is a path of ours. */
static void
test_guarded (void)
{
  g_autoptr (Scene) scene = scene_new ();
  g_autofree char *below = make_subfolder (scene->work, "below");
  g_autofree char *sibling = make_subfolder (scene->folder, "work2");
  g_autofree char *mount_point = make_subfolder (scene->folder, "mount");
  pid_t here = run_program ((Program){ .path = scene->claude, .cwd = scene->work });
  pid_t there = run_program ((Program){ .path = scene->claude, .cwd = below });
  pid_t beside = run_program ((Program){ .path = scene->claude, .cwd = sibling });
  g_autoptr (GPtrArray) occupants = NULL;
  g_autoptr (GPtrArray) patient = NULL;
  guint n_before;
  pid_t away;

  distrust_filesystem_of (scene->work);
  n_unreadable_logged = 0;
  occupants = find (scene->work, AGL_PATIENCE_NONE);
  n_before = n_unreadable_logged;
  assert_found (occupants, (pid_t[]){ here, there, 0 });
  assert_agents (scene->work, NULL, (pid_t[]){ here, 0 });
  g_clear_pointer (&occupants, g_ptr_array_unref);

  /* Elsewhere the text means nothing: it is not known, and so it is counted. */
  away = run_in_container (scene, mount_point);
  occupants = find (scene->work, AGL_PATIENCE_NONE);
  assert_found (occupants, (pid_t[]){ here, there, 0 });
  g_assert_cmpuint (n_unreadable_logged, ==, n_before + 1);
  /* Who has time may ask. */
  patient = find (scene->work, AGL_PATIENCE_BLOCK);
  assert_found (patient, (pid_t[]){ here, there, away, 0 });
  agl_mount_guard_distrust (NULL);
  kill_and_reap (here);
  kill_and_reap (there);
  kill_and_reap (beside);
  kill_and_reap (away);
}

/* With a distrusted type somewhere else, identity still decides. */
static void
test_guarded_elsewhere (void)
{
  g_autoptr (Scene) scene = scene_new ();
  g_autofree char *mount_point = make_subfolder (scene->folder, "mount");
  pid_t away = run_in_container (scene, mount_point);
  pid_t here = run_program ((Program){ .path = scene->claude, .cwd = scene->work });

  agl_mount_guard_distrust ("proc");
  assert_agents (scene->work, NULL, (pid_t[]){ here, away, 0 });
  agl_mount_guard_distrust (NULL);
  kill_and_reap (here);
  kill_and_reap (away);
}

static void
test_agents (void)
{
  g_autoptr (Scene) scene = scene_new ();
  g_autofree char *below = make_subfolder (scene->work, "below");
  g_autofree char *node = make_program (scene->folder, "bin/node");
  const char *spare[] = { "claude", "--bg-spare", "x", NULL };
  const char *gemini[] = { "node", "/usr/bin/gemini", NULL };
  pid_t idle = run_program ((Program){ .path = scene->program, .cwd = scene->work });
  pid_t helper = run_program ((Program){ .path = scene->claude, .argv = spare, .cwd = scene->work });
  pid_t deeper = run_program ((Program){ .path = scene->claude, .cwd = below });
  pid_t claude = run_program ((Program){ .path = scene->claude, .cwd = scene->work });
  pid_t script = run_program ((Program){ .path = node, .argv = gemini, .cwd = scene->work });
  g_autoptr (GPtrArray) agents = find_agents (scene->work, NULL, NULL, NULL);

  g_assert_cmpuint (agents->len, ==, 2);
  for (guint i = 0; i < agents->len; i++)
    {
      const AglOutsider *outsider = g_ptr_array_index (agents, i);
      gboolean is_script = agl_process_get_pid (outsider->process) == script;

      g_assert_true (is_script || agl_process_get_pid (outsider->process) == claude);
      g_assert_true (agl_process_is_alive (outsider->process));
      g_assert_cmpuint (outsider->uid, ==, geteuid ());
      g_assert_cmpstr (outsider->command, ==, is_script ? "node" : "claude");
      g_assert_cmpstr (outsider->agent, ==, is_script ? "gemini" : "claude");
    }
  kill_and_reap (idle);
  kill_and_reap (helper);
  kill_and_reap (deeper);
  kill_and_reap (claude);
  kill_and_reap (script);
}

static gboolean
is_one_of (pid_t pid, gpointer data)
{
  for (const pid_t *pids = data; *pids != 0; pids++)
    if (*pids == pid)
      return TRUE;
  return FALSE;
}

static void
test_registered (void)
{
  g_autoptr (Scene) scene = scene_new ();
  pid_t first = run_program ((Program){ .path = scene->claude, .cwd = scene->work });
  pid_t second = run_program ((Program){ .path = scene->claude, .cwd = scene->work });
  g_autoptr (GPtrArray) agents = find_agents (scene->work, NULL, is_one_of, (pid_t[]){ first, 0 });

  g_assert_cmpuint (agents->len, ==, 1);
  g_assert_cmpint (agl_process_get_pid (((AglOutsider *)g_ptr_array_index (agents, 0))->process), ==, second);
  kill_and_reap (first);
  kill_and_reap (second);
}

/* An agent that starts an agent that starts a third: the first tells the second's number. */
static const Scene *nested_scene;

static void
become_claude (int tell_fd)
{
  program_to_run = (Program){ .path = nested_scene->claude, .cwd = nested_scene->work };
  become_program (tell_fd);
}

/* Outlives its parent, unlike other children here. */
static void
become_lasting_claude (int tell_fd)
{
  prctl (PR_SET_PDEATHSIG, 0);
  become_claude (tell_fd);
}

static void
wrap_claude (int tell_fd)
{
  if (chdir (nested_scene->work) != 0)
    _exit (95);
  prctl (PR_SET_NAME, "codex");
  tell (tell_fd, start_child (become_lasting_claude, NULL));
}

/* Goes by the name of an agent, and stays the parent of one. */
static void
nest_claude (int tell_fd)
{
  if (chdir (nested_scene->work) != 0)
    _exit (95);
  prctl (PR_SET_NAME, "codex");
  tell (tell_fd, start_child (become_claude, NULL));
}

static void
nest_twice (int tell_fd)
{
  if (chdir (nested_scene->work) != 0)
    _exit (95);
  prctl (PR_SET_NAME, "opencode");
  tell (tell_fd, start_child (nest_claude, NULL));
}

static void
test_nested (void)
{
  g_autoptr (Scene) scene = scene_new ();
  g_autoptr (AglProcess) outermost = NULL;
  g_autoptr (AglProcess) between = NULL;
  g_autoptr (AglProcess) innermost = NULL;
  g_autoptr (AglProcess) self = agl_process_open (getpid (), NULL);
  g_autoptr (GPtrArray) occupants = NULL;
  gint32 middle = 0;
  pid_t outer;
  pid_t inner = 0;
  pid_t stranger;

  nested_scene = scene;
  outer = start_child (nest_twice, &middle);
  occupants = find (scene->work, AGL_PATIENCE_NONE);
  for (guint i = 0; i < occupants->len; i++)
    if (strcmp (get_occupant (occupants, i)->command, "claude") == 0)
      inner = get_occupant (occupants, i)->pid;
  g_assert_cmpint (inner, >, 0);
  stranger = run_program ((Program){ .path = scene->claude, .cwd = scene->work });
  outermost = agl_process_open (outer, NULL);
  between = agl_process_open (middle, NULL);
  innermost = agl_process_open (inner, NULL);

  assert_agents (scene->work, NULL, (pid_t[]){ outer, middle, inner, stranger, 0 });
  assert_agents (scene->work, outermost, (pid_t[]){ stranger, 0 });
  assert_agents (scene->work, between, (pid_t[]){ stranger, 0 });
  assert_agents (scene->work, innermost, (pid_t[]){ stranger, 0 });
  assert_agents (scene->work, self, (pid_t[]){ 0 });

  kill_and_reap (stranger);
  g_assert_cmpint (kill (inner, SIGKILL), ==, 0);
  g_assert_cmpint (kill (middle, SIGKILL), ==, 0);
  kill_and_reap (outer);
}

/* A wrapper that holds the lock, and dies over the agent that it started. */
static void
test_orphan (void)
{
  g_autoptr (Scene) scene = scene_new ();
  g_autoptr (AglProcess) wrapper = NULL;
  g_autoptr (AglProcess) other = NULL;
  gint32 agent = 0;
  pid_t pid;
  pid_t next;

  nested_scene = scene;
  /* The agent is to outlive its parent, and to come back to us to be reaped. */
  g_assert_cmpint (prctl (PR_SET_CHILD_SUBREAPER, 1), ==, 0);
  pid = start_child (wrap_claude, &agent);
  wrapper = agl_process_open (pid, NULL);
  next = run_program ((Program){ .path = scene->program, .cwd = scene->work });
  other = agl_process_open (next, NULL);
  assert_agents (scene->work, wrapper, (pid_t[]){ 0 });
  assert_agents (scene->work, other, (pid_t[]){ pid, agent, 0 });

  kill_and_reap (pid);
  assert_agents (scene->work, other, (pid_t[]){ agent, 0 });
  kill_and_reap (agent);
  assert_agents (scene->work, other, (pid_t[]){ 0 });
  kill_and_reap (next);
  g_assert_cmpint (prctl (PR_SET_CHILD_SUBREAPER, 0), ==, 0);
}

/* Others' processes are left out, and counted. */
static void
look_as_nobody (int tell_fd)
{
  g_autofree char *folder = NULL;
  g_autoptr (GPtrArray) occupants = NULL;

  if (geteuid () == 0)
    g_assert_cmpint (setresuid (NOBODY, NOBODY, NOBODY), ==, 0);
  folder = make_folder ();
  n_unreadable_logged = 0;
  occupants = find (folder, AGL_PATIENCE_NONE);
  g_assert_cmpuint (occupants->len, ==, 0);
  g_assert_cmpuint (n_unreadable_logged, >, 0);
  remove_folder (g_steal_pointer (&folder));
}

static void
test_unreadable (void)
{
  run_child (look_as_nobody);
}

static void
look_without_descriptors (int tell_fd)
{
  g_autoptr (Scene) scene = scene_new ();
  g_autoptr (AglDirectory) directory = open_directory (scene->work);
  g_autoptr (AglAgentCatalog) catalog = load_catalog ();
  pid_t pid = run_program ((Program){ .path = scene->claude, .cwd = scene->work });
  struct rlimit limit;
  struct rlimit old;
  int free_fd = dup (0);
  guint n_refused = 0;

  close (free_fd);
  g_assert_cmpint (getrlimit (RLIMIT_NOFILE, &old), ==, 0);
  for (rlim_t n = free_fd; n < (rlim_t)free_fd + 6; n++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GPtrArray) found = NULL;
      g_autoptr (GPtrArray) agents = NULL;

      limit = (struct rlimit){ .rlim_cur = n, .rlim_max = old.rlim_max };
      g_assert_cmpint (setrlimit (RLIMIT_NOFILE, &limit), ==, 0);
      found = agl_occupants_find (directory, catalog, AGL_PATIENCE_NONE, &error);
      g_assert_cmpint (found == NULL, ==, error != NULL);
      if (error != NULL)
        {
          g_assert_error (error, AGL_ERROR, AGL_ERROR_UNAVAILABLE);
          n_refused++;
          g_clear_error (&error);
        }
      agents = agl_occupants_find_agents (directory, NULL, catalog, NULL, NULL, &error);
      g_assert_cmpint (agents == NULL, ==, error != NULL);
      if (agents != NULL)
        g_assert_cmpuint (agents->len, ==, 1);
    }
  /* None for /proc, none for the process, none for a file of it. */
  g_assert_cmpuint (n_refused, >=, 3);
  g_assert_cmpint (setrlimit (RLIMIT_NOFILE, &old), ==, 0);
  kill_and_reap (pid);
}

static void
test_no_descriptors (void)
{
  run_child (look_without_descriptors);
}

/* Processes that come and go while we look. */
static void
churn (int tell_fd)
{
  if (chdir (nested_scene->work) != 0)
    _exit (95);
  tell (tell_fd, 0);
  for (;;)
    {
      pid_t pid = fork ();

      if (pid == 0)
        _exit (0);
      waitpid (pid, NULL, 0);
    }
}

static void
test_vanishing (void)
{
  g_autoptr (Scene) scene = scene_new ();
  pid_t agent = run_program ((Program){ .path = scene->claude, .cwd = scene->work });
  pid_t churning;

  nested_scene = scene;
  churning = start_child (churn, NULL);
  for (guint i = 0; i < 100; i++)
    {
      g_autoptr (GPtrArray) occupants = find (scene->work, AGL_PATIENCE_NONE);

      g_assert_true (contains (occupants, agent));
      g_assert_true (contains (occupants, churning));
      assert_agents (scene->work, NULL, (pid_t[]){ agent, 0 });
    }
  kill_and_reap (churning);
  kill_and_reap (agent);
}

/* pid → is in @folder or below, as lsof sees it. */
static GHashTable *
ask_lsof (const char *folder)
{
  const char *argv[] = { "lsof", "-w", "-a", "-d", "cwd", "-F", "pn", NULL };
  g_autofree char *output = NULL;
  g_autofree char *prefix = g_strconcat ("n", folder, "/", NULL);
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) lines = NULL;
  GHashTable *pids = g_hash_table_new (NULL, NULL);
  int pid = 0;

  g_spawn_sync (NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &output, NULL, NULL, &error);
  g_assert_no_error (error);
  lines = g_strsplit (output, "\n", -1);
  for (guint i = 0; lines[i] != NULL; i++)
    if (lines[i][0] == 'p')
      pid = (int)g_ascii_strtoll (lines[i] + 1, NULL, 10);
    else if (lines[i][0] == 'n'
             && (g_str_has_prefix (lines[i], prefix) || strcmp (lines[i] + 1, folder) == 0))
      g_hash_table_add (pids, GINT_TO_POINTER (pid));
  return pids;
}

static void
test_agrees_with_lsof (void)
{
  g_autoptr (Scene) scene = scene_new ();
  g_autofree pid_t *pids = g_new (pid_t, N_POPULATION);
  g_autoptr (GPtrArray) folders = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GPtrArray) occupants = NULL;
  g_autoptr (GHashTable) seen_by_lsof = NULL;

  /* Half of them inside. */
  for (guint i = 0; i < N_FOLDERS; i++)
    {
      g_autofree char *name = g_strdup_printf ("%s/%u/deep/er", i % 2 == 0 ? "work" : "work2", i);

      g_ptr_array_add (folders, make_subfolder (scene->folder, name));
    }
  for (guint i = 0; i < N_POPULATION; i++)
    pids[i] = run_program ((Program){ .path = i % 10 == 0 ? scene->claude : scene->program,
                                      .cwd = g_ptr_array_index (folders, i % N_FOLDERS) });

  occupants = find (scene->work, AGL_PATIENCE_NONE);
  seen_by_lsof = ask_lsof (scene->work);
  g_assert_cmpuint (occupants->len, ==, N_POPULATION / 2);
  g_assert_cmpuint (g_hash_table_size (seen_by_lsof), ==, N_POPULATION / 2);
  for (guint i = 0; i < occupants->len; i++)
    g_assert_true (g_hash_table_contains (seen_by_lsof, GINT_TO_POINTER (get_occupant (occupants, i)->pid)));
  for (guint i = 0; i < N_POPULATION; i++)
    kill_and_reap (pids[i]);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_log_set_writer_func (count_unreadable, NULL, NULL);
  g_test_add_func ("/occupants/find", test_find);
  g_test_add_func ("/occupants/zombie", test_zombie);
  g_test_add_func ("/occupants/removed-below", test_removed_below);
  g_test_add_func ("/occupants/replaced", test_replaced);
  g_test_add_func ("/occupants/renamed", test_renamed);
  g_test_add_func ("/occupants/container", test_container);
  g_test_add_func ("/occupants/guarded", test_guarded);
  g_test_add_func ("/occupants/guarded-elsewhere", test_guarded_elsewhere);
  g_test_add_func ("/occupants/agents", test_agents);
  g_test_add_func ("/occupants/registered", test_registered);
  g_test_add_func ("/occupants/nested", test_nested);
  g_test_add_func ("/occupants/orphan", test_orphan);
  g_test_add_func ("/occupants/unreadable", test_unreadable);
  g_test_add_func ("/occupants/no-descriptors", test_no_descriptors);
  g_test_add_func ("/occupants/vanishing", test_vanishing);
  g_test_add_func ("/occupants/agrees-with-lsof", test_agrees_with_lsof);
  return g_test_run ();
}
