/* SPDX-License-Identifier: MIT */
#include "core/occupants.h"

#include "scene.h"

/* Who is in the way of whom. */

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

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/occupants-agents/agents", test_agents);
  g_test_add_func ("/occupants-agents/registered", test_registered);
  g_test_add_func ("/occupants-agents/nested", test_nested);
  g_test_add_func ("/occupants-agents/orphan", test_orphan);
  return g_test_run ();
}
