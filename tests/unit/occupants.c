/* SPDX-License-Identifier: MIT */
#include "core/occupants.h"

#include <linux/fuse.h>
#include <sys/resource.h>
#include <sys/uio.h>

#include "core/mount-guard.h"
#include "scene.h"

#define NOBODY 65534

/* A still population: see test_agrees_with_lsof(). */
#define N_POPULATION 2000
#define N_FOLDERS    40

/* How often a process that never rests is looked for. */
#define N_RESTLESS 300

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

static void
test_container (void)
{
  g_autoptr (Scene) scene = scene_new ();
  g_autofree char *mount_point = make_subfolder (scene->folder, "mount");
  pid_t here = run_in_container (scene, mount_point);
  g_autofree G_GNUC_UNUSED char *below = make_subfolder (scene->work, "sub");
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

/* One directory seen through two mounts: only one of them is below the directory asked about. */
static void
test_two_mounts (void)
{
  g_autoptr (Scene) scene = scene_new ();
  g_autofree char *mount_point = make_subfolder (scene->folder, "mount");
  g_autofree char *top = make_subfolder (scene->folder, "top");
  g_autofree char *inner = g_build_filename (top, "inner", NULL);
  g_autoptr (GPtrArray) occupants = NULL;
  pid_t away;
  pid_t here;

  g_assert_cmpint (rename (scene->work, inner), ==, 0);
  g_free (scene->work);
  scene->work = g_strdup (inner);
  /* Seen first: /proc is in the order of numbers. */
  away = run_in_container (scene, mount_point);
  here = run_program ((Program){ .path = scene->claude, .cwd = inner });
  occupants = find (top, AGL_PATIENCE_NONE);
  assert_found (occupants, (pid_t[]){ here, 0 });
  kill_and_reap (away);
  kill_and_reap (here);
}

static guint n_unreadable_logged;
static char *unreadable_message;

static GLogWriterOutput
count_unreadable (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  for (gsize i = 0; i < n_fields; i++)
    if (level == G_LOG_LEVEL_DEBUG && strcmp (fields[i].key, "UNREADABLE") == 0)
      n_unreadable_logged = (guint)g_ascii_strtoull (fields[i].value, NULL, 10);
    else if (level == G_LOG_LEVEL_DEBUG && strcmp (fields[i].key, "MESSAGE") == 0)
      {
        g_free (unreadable_message);
        unreadable_message = g_strdup (fields[i].value);
      }
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
  pid_t away;

  distrust_filesystem_of (scene->work);
  occupants = find (scene->work, AGL_PATIENCE_NONE);
  assert_found (occupants, (pid_t[]){ here, there, 0 });
  assert_agents (scene->work, NULL, (pid_t[]){ here, 0 });
  g_clear_pointer (&occupants, g_ptr_array_unref);

  /* Elsewhere the text means nothing: it is not known, and so it is counted. */
  away = run_in_container (scene, mount_point);
  n_unreadable_logged = 0;
  occupants = find (scene->work, AGL_PATIENCE_NONE);
  assert_found (occupants, (pid_t[]){ here, there, 0 });
  g_assert_cmpuint (n_unreadable_logged, >=, 1);
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

/* Others' processes are left out, and counted. */
static void
look_as_nobody (int tell_fd)
{
  g_autofree char *folder = NULL;
  g_autofree char *expected = NULL;
  g_autoptr (GPtrArray) occupants = NULL;

  if (geteuid () == 0)
    g_assert_cmpint (setresuid (NOBODY, NOBODY, NOBODY), ==, 0);
  folder = make_folder ();
  n_unreadable_logged = 0;
  occupants = find (folder, AGL_PATIENCE_NONE);
  g_assert_cmpuint (occupants->len, ==, 0);
  g_assert_cmpuint (n_unreadable_logged, >, 0);
  /* Where the fields are not seen, on a terminal. */
  expected = g_strdup_printf ("unreadable: %u processes", n_unreadable_logged);
  g_assert_true (g_str_has_prefix (unreadable_message, expected));
  remove_folder (g_steal_pointer (&folder));
}

/* --- a filesystem whose server has stopped --- */

static int fuse_fd;

static void
answer (guint64 unique, gint32 error, gconstpointer data, gsize n_bytes)
{
  struct fuse_out_header head = { .len = sizeof head + n_bytes, .error = error, .unique = unique };
  struct iovec parts[] = { { &head, sizeof head }, { (gpointer)data, n_bytes } };

  if (writev (fuse_fd, parts, n_bytes > 0 ? 2 : 1) < 0)
    _exit (94);
}

/* Directories in directories, whose attributes are out of date at once: every check of a permission asks
 * again. */
static void
serve (int tell_fd)
{
  const struct fuse_attr folder = { .ino = 1, .mode = S_IFDIR | 0755, .nlink = 2 };
  const struct fuse_init_out init = { .major = 7, .minor = 31, .max_write = 4096 };
  const struct fuse_attr_out attributes = { .attr = folder };
  const struct fuse_entry_out entry = { .nodeid = 2, .attr = folder };
  g_autofree char *buffer = g_malloc (1 << 20);

  tell (tell_fd, 0);
  while (read (fuse_fd, buffer, 1 << 20) > 0)
    {
      const struct fuse_in_header *in = (gpointer)buffer;

      switch (in->opcode)
        {
        case FUSE_INIT:
          answer (in->unique, 0, &init, sizeof init);
          break;
        case FUSE_GETATTR:
          answer (in->unique, 0, &attributes, sizeof attributes);
          break;
        case FUSE_LOOKUP:
          answer (in->unique, 0, &entry, sizeof entry);
          break;
        case FUSE_FORGET:
        case FUSE_BATCH_FORGET:
          break;
        default:
          answer (in->unique, -ENOSYS, NULL, 0);
        }
    }
  _exit (0);
}

static void
look_at_stopped_server (int tell_fd)
{
  g_autoptr (Scene) scene = scene_new ();
  g_autofree char *mount_point = make_subfolder (scene->work, "fuse");
  g_autofree char *inside = g_build_filename (mount_point, "sub", NULL);
  g_autofree char *options = NULL;
  g_autoptr (GPtrArray) occupants = NULL;
  pid_t server;
  pid_t here;
  pid_t there;

  g_assert_true (leave_mounts ());
  fuse_fd = open ("/dev/fuse", O_RDWR | O_CLOEXEC);
  g_assert_cmpint (fuse_fd, >=, 0);
  options = g_strdup_printf ("fd=%d,rootmode=40000,user_id=0,group_id=0,default_permissions", fuse_fd);
  g_assert_cmpint (mount ("test", mount_point, "fuse", MS_NOSUID | MS_NODEV, options), ==, 0);
  server = start_child (serve, NULL);
  close (fuse_fd);
  here = run_program ((Program){ .path = scene->claude, .cwd = scene->work });
  there = run_program ((Program){ .path = scene->claude, .cwd = inside });
  g_assert_cmpint (kill (server, SIGSTOP), ==, 0);

  occupants = find (scene->work, AGL_PATIENCE_NONE);
  assert_found (occupants, (pid_t[]){ here, there, 0 });
  assert_agents (scene->work, NULL, (pid_t[]){ here, 0 });

  kill_and_reap (server);
  kill_and_reap (here);
  kill_and_reap (there);
  g_assert_cmpint (umount2 (mount_point, MNT_DETACH), ==, 0);
}

static void
test_stopped_server (void)
{
  /* Others may not open the device everywhere. */
  if (geteuid () == 0)
    run_child (look_at_stopped_server);
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
static const Scene *churn_scene;

static void
churn (int tell_fd)
{
  if (chdir (churn_scene->work) != 0)
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

  churn_scene = scene;
  churning = start_child (churn, NULL);
  for (guint i = 0; i < 30; i++)
    {
      g_autoptr (GPtrArray) occupants = find (scene->work, AGL_PATIENCE_NONE);

      g_assert_true (contains (occupants, agent));
      g_assert_true (contains (occupants, churning));
      assert_agents (scene->work, NULL, (pid_t[]){ agent, 0 });
    }
  kill_and_reap (churning);
  kill_and_reap (agent);
}

static const char *restless_places[2];

static void
run_to_and_fro (int tell_fd)
{
  if (chdir (restless_places[0]) != 0)
    _exit (95);
  tell (tell_fd, 0);
  for (guint i = 1;; i++)
    if (chdir (restless_places[i % 2]) != 0)
      _exit (95);
}

static void
assert_restless_found (const Scene *scene, const char *from, const char *to, gboolean is_there)
{
  pid_t pid;

  restless_places[0] = from;
  restless_places[1] = to;
  pid = start_child (run_to_and_fro, NULL);
  for (guint i = 0; i < N_RESTLESS; i++)
    {
      g_autoptr (GPtrArray) occupants = find (scene->work, AGL_PATIENCE_NONE);

      assert_found (occupants, (pid_t[]){ is_there ? pid : 0, 0 });
    }
  kill_and_reap (pid);
}

/* A process that changes its directory between any two questions about it is there all the time when both
 * are, though what is above one of them is known to be elsewhere; and never when neither is. */
static void
test_restless (void)
{
  g_autoptr (Scene) scene = scene_new ();
  g_autofree char *below = make_subfolder (scene->work, "be/low");
  g_autofree char *beside = make_subfolder (scene->folder, "beside");
  g_autofree char *further = make_subfolder (beside, "fur/ther");
  /* The lower number: what is above is known when the next one's turn comes. */
  pid_t above = run_program ((Program){ .path = scene->program, .cwd = scene->folder });

  assert_restless_found (scene, scene->work, below, TRUE);
  assert_restless_found (scene, beside, further, FALSE);
  kill_and_reap (above);
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
  g_test_add_func ("/occupants/two-mounts", test_two_mounts);
  g_test_add_func ("/occupants/guarded", test_guarded);
  g_test_add_func ("/occupants/guarded-elsewhere", test_guarded_elsewhere);
  g_test_add_func ("/occupants/stopped-server", test_stopped_server);
  g_test_add_func ("/occupants/unreadable", test_unreadable);
  g_test_add_func ("/occupants/no-descriptors", test_no_descriptors);
  g_test_add_func ("/occupants/vanishing", test_vanishing);
  g_test_add_func ("/occupants/restless", test_restless);
  g_test_add_func ("/occupants/agrees-with-lsof", test_agrees_with_lsof);
  return g_test_run ();
}
