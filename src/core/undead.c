/* SPDX-License-Identifier: MIT */
#include "core/undead.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "core/proc-text.h"

/* task_struct.flags as /proc/PID/stat shows them, <linux/sched.h>; unchanged since Linux 2.6. */
#define PF_EXITING 0x4

/* The state, and whether do_exit() has begun. */
static gboolean
read_state (const char *task, char *state, gboolean *is_exiting)
{
  g_autofree char *path = g_build_filename (task, "stat", NULL);
  char text[AGL_PROC_TEXT_BYTES];
  unsigned flags;
  const char *rest;
  gsize n_bytes;

  if (!agl_proc_read_text (path, text, &n_bytes))
    return FALSE;
  rest = strrchr (text, ')'); /* the name before it may contain anything */
  if (rest == NULL || sscanf (rest, ") %c %*d %*d %*d %*d %*d %u", state, &flags) != 2)
    return FALSE;
  *is_exiting = (flags & PF_EXITING) != 0 || *state == 'Z' || *state == 'X';
  return TRUE;
}

static gboolean
has_kill_pending (const char *task)
{
  g_autofree char *path = g_build_filename (task, "status", NULL);
  char text[AGL_PROC_TEXT_BYTES];
  const char *line;
  gsize n_bytes;

  if (!agl_proc_read_text (path, text, &n_bytes))
    return FALSE;
  line = strstr (text, "\nSigPnd:\t");
  return line != NULL
         && (g_ascii_strtoull (line + strlen ("\nSigPnd:\t"), NULL, 16) & (1ULL << (SIGKILL - 1))) != 0;
}

AglLife
agl_life_of (pid_t pid)
{
  g_autofree char *tasks = g_strdup_printf ("/proc/%d/task", (int)pid);
  g_autofree char *leader = g_strdup_printf ("%d", (int)pid);
  g_autoptr (GDir) folder = g_dir_open (tasks, 0, NULL);
  gboolean is_main_gone = FALSE;
  guint n_tasks = 0;
  const char *name;

  while (folder != NULL && (name = g_dir_read_name (folder)) != NULL)
    {
      g_autofree char *task = g_build_filename (tasks, name, NULL);
      gboolean is_exiting;
      char state;

      if (!read_state (task, &state, &is_exiting) || (!is_exiting && !has_kill_pending (task)))
        return AGL_LIFE_UNKNOWN;
      n_tasks++;
      if (strcmp (name, leader) == 0)
        is_main_gone = state == 'Z' || state == 'X';
    }
  if (n_tasks == 0)
    return AGL_LIFE_UNKNOWN;
  return is_main_gone ? AGL_LIFE_OVER : AGL_LIFE_MAIN_STUCK;
}
