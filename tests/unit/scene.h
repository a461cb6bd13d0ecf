/* SPDX-License-Identifier: MIT */
#pragma once
#include "core/occupants.h"

#include <sched.h>
#include <sys/mount.h>

#include "common/error.h"
#include "programs.h"

/* A directory, programs to run there, and who is found. */

static inline AglDirectory *
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

static inline AglAgentCatalog *
load_catalog (void)
{
  g_autofree char *folder = g_test_build_filename (G_TEST_DIST, "..", "..", "data", "agents.d", NULL);
  const char *folders[] = { folder, NULL };

  return agl_agent_catalog_load (folders);
}

static inline GPtrArray *
find (const char *path, AglPatience patience)
{
  g_autoptr (AglAgentCatalog) catalog = load_catalog ();
  g_autoptr (AglDirectory) directory = open_directory (path);
  g_autoptr (GError) error = NULL;
  GPtrArray *occupants = agl_occupants_find (directory, catalog, patience, &error);

  g_assert_no_error (error);
  return occupants;
}

static inline const AglOccupant *
get_occupant (GPtrArray *occupants, guint i)
{
  g_assert_cmpuint (i, <, occupants->len);
  return g_ptr_array_index (occupants, i);
}

static inline gboolean
contains (GPtrArray *occupants, pid_t pid)
{
  for (guint i = 0; i < occupants->len; i++)
    if (get_occupant (occupants, i)->pid == pid)
      return TRUE;
  return FALSE;
}

/* The numbers of those found are exactly @pids, in any order, ended by 0. */
static inline void
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

static inline Scene *
scene_new (void)
{
  Scene *scene = g_new0 (Scene, 1);

  scene->folder = make_folder ();
  scene->work = make_subfolder (scene->folder, "work");
  scene->program = make_program (scene->folder, "bin/idle");
  scene->claude = make_program (scene->folder, "bin/claude");
  return scene;
}

static inline void
scene_free (Scene *scene)
{
  remove_folder (scene->folder);
  g_free (scene->work);
  g_free (scene->program);
  g_free (scene->claude);
  g_free (scene);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Scene, scene_free)

static inline GPtrArray *
find_agents (const char *path, const AglProcess *holder, AglIsRegisteredFunc is_registered, gpointer data)
{
  g_autoptr (AglAgentCatalog) catalog = load_catalog ();
  g_autoptr (AglDirectory) directory = open_directory (path);
  g_autoptr (GError) error = NULL;
  GPtrArray *agents = agl_occupants_find_agents (directory, holder, catalog, is_registered, data, &error);

  g_assert_no_error (error);
  return agents;
}

static inline void
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

/* What a container does: its own mounts, the directory under another path there. */
static const char *container_source;
static const char *container_target;
static const char *container_program;

/* As an ordinary user, by way of a user namespace of one's own. */
static inline gboolean
leave_mounts (void)
{
  g_autofree char *map = g_strdup_printf ("0 %u 1", getuid ());
  int fd;

  if (unshare (CLONE_NEWNS) != 0)
    {
      if (unshare (CLONE_NEWUSER | CLONE_NEWNS) != 0)
        return FALSE;
      fd = open ("/proc/self/uid_map", O_WRONLY | O_CLOEXEC);
      if (fd < 0 || write (fd, map, strlen (map)) != (gssize)strlen (map) || close (fd) != 0)
        return FALSE;
    }
  return mount ("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

static inline void
enter_container (int tell_fd)
{
  g_autofree char *cwd = g_build_filename (container_target, "sub", NULL);

  if (!leave_mounts () || mount (container_source, container_target, NULL, MS_BIND, NULL) != 0)
    _exit (96);
  program_to_run =
      (Program){ .path = container_program, .cwd = access (cwd, F_OK) == 0 ? cwd : container_target };
  become_program (tell_fd);
}

static inline pid_t
run_in_container (Scene *scene, const char *mount_point)
{
  container_source = scene->work;
  container_target = mount_point;
  container_program = scene->claude;
  return start_child (enter_container, NULL);
}
