/* SPDX-License-Identifier: MIT */
#include "core/command-line.h"

#include "programs.h"

typedef struct
{
  const char *exe;
  const char *argv[8];
  gboolean is_interpreter;
  const char *script;
  const char *module;
  guint n_arguments;
} Case;

static const Case cases[] = {
  { "/usr/bin/node", { "node", "/opt/x/cli.js", "a", "b" }, TRUE, "/opt/x/cli.js", NULL, 2 },
  { "/usr/bin/node", { "node", "--no-warnings", "--max-old-space-size=9", "x.js" }, TRUE, "x.js", NULL, 0 },
  { "/usr/bin/node", { "node", "-r", "hook.js", "--import", "tsx", "x.js", "y" }, TRUE, "x.js", NULL, 1 },
  { "/usr/bin/node", { "node", "--require=hook.js", "x.js" }, TRUE, "x.js", NULL, 0 },
  { "/usr/bin/node", { "node", "--", "-x.js", "y" }, TRUE, "-x.js", NULL, 1 },
  { "/usr/bin/node", { "node", "-e", "code", "x.js" }, TRUE, NULL, NULL, 3 },
  { "/usr/bin/node", { "node", "-", "x.js" }, TRUE, NULL, NULL, 2 },
  { "/usr/bin/node", { "node" }, TRUE, NULL, NULL, 0 },
  { "/usr/bin/node", { "claude" }, TRUE, NULL, NULL, 0 },
  { "/usr/bin/node", { NULL }, TRUE, NULL, NULL, 0 },
  { "/opt/node-22/bin/node22", { "node22", "x.js" }, TRUE, "x.js", NULL, 0 },
  { "/usr/bin/nodemon", { "node", "x.js" }, FALSE, NULL, NULL, 1 },
  { NULL, { "/usr/local/bin/node", "x.js" }, TRUE, "x.js", NULL, 0 },
  { NULL, { "claude", "x.js" }, FALSE, NULL, NULL, 1 },
  { NULL, { NULL }, FALSE, NULL, NULL, 0 },
  { "/usr/bin/bun", { "bun", "run", "x.ts", "y" }, TRUE, "x.ts", NULL, 1 },
  { "/usr/bin/bun", { "bun", "--preload", "p.ts", "x.ts" }, TRUE, "x.ts", NULL, 0 },
  { "/usr/bin/bun", { "bun", "run", "run" }, TRUE, "run", NULL, 0 },
  { "/usr/bin/deno", { "deno", "run", "-A", "--config", "c", "npm:x" }, TRUE, "npm:x", NULL, 0 },
  { "/usr/bin/python3.12", { "python3", "/h/bin/aider", "--model", "m" }, TRUE, "/h/bin/aider", NULL, 2 },
  { "/usr/bin/python3", { "python3", "-m", "aider", "--model" }, TRUE, NULL, "aider", 1 },
  { "/usr/bin/python3", { "python3", "-maider", "-x" }, TRUE, NULL, "aider", 1 },
  { "/usr/bin/python3", { "python3", "-um", "aider" }, TRUE, NULL, "aider", 0 },
  { "/usr/bin/python3", { "python3", "-W", "ignore", "-X", "dev", "-u", "a.py" }, TRUE, "a.py", NULL, 0 },
  { "/usr/bin/python3", { "python3", "-c", "code", "aider" }, TRUE, NULL, NULL, 3 },
  { "/usr/bin/python3", { "python3", "-m" }, TRUE, NULL, NULL, 1 },
  { "/usr/bin/python3.13t", { "python3", "a.py" }, TRUE, "a.py", NULL, 0 },
  { "/usr/bin/python3.13tcl", { "python3", "a.py" }, FALSE, NULL, NULL, 1 },
  { "/usr/bin/pythont", { "python3", "a.py" }, FALSE, NULL, NULL, 1 },
  { "/usr/bin/pythonic", { "python3", "-m", "aider" }, FALSE, NULL, NULL, 2 },
  { "/usr/bin/bash", { "sh", "-c", "claude" }, FALSE, NULL, NULL, 2 },
};

static void
test_program (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      const Case *one = &cases[i];
      const AglCommandLine line = { .comm = "x", .exe = one->exe, .argv = one->argv };
      AglProgram program;

      g_test_message ("case %zu: %s", i, one->argv[0]);
      g_assert_cmpint (agl_command_line_get_program (&line, &program), ==, one->is_interpreter);
      g_assert_cmpstr (program.script, ==, one->script);
      g_assert_cmpstr (program.module, ==, one->module);
      g_assert_cmpuint (g_strv_length ((char **)program.arguments), ==, one->n_arguments);
    }
}

static void
test_other_name (void)
{
  static const struct
  {
    const char *comm;
    const char *exe;
    gboolean is_other;
  } names[] = { { "vim", "/usr/bin/vim", FALSE },
                { "vi", "/usr/bin/vim", TRUE },
                { "a-name-of-twent", "/bin/a-name-of-twenty", FALSE },
                { ".codex-wrapped", "/nix/.codex-wrapped", TRUE },
                { "MainThread", "/usr/bin/copilot", TRUE },
                { "vim", NULL, TRUE } };

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    {
      const AglCommandLine line = { .comm = names[i].comm, .exe = names[i].exe };

      g_assert_cmpint (agl_command_line_has_other_name (&line), ==, names[i].is_other);
    }
}

static AglCommandLineBuffer *
read_one (pid_t pid)
{
  AglCommandLineBuffer *buffer = g_new (AglCommandLineBuffer, 1);
  int process = agl_command_line_open (-1, pid);

  g_assert_cmpint (process, >=, 0);
  g_assert_true (agl_command_line_read_names (buffer, process));
  g_assert_null (buffer->line.argv[0]);
  g_assert_true (agl_command_line_read_arguments (buffer, process));
  close (process);
  return buffer;
}

static void
test_read (void)
{
  char *folder = make_folder ();
  g_autofree char *path = make_program (folder, "a name of more than 15 bytes");
  const char *argv[] = { "first", "", "th ird\n", NULL };
  pid_t pid = run_program ((Program){ .path = path, .argv = argv });
  g_autofree AglCommandLineBuffer *buffer = read_one (pid);

  g_assert_cmpstr (buffer->line.comm, ==, "a name of more ");
  g_assert_cmpstr (buffer->line.exe, ==, path);
  g_assert_cmpstrv (buffer->line.argv, argv);
  kill_and_reap (pid);
  remove_folder (folder);
}

static void
test_title (void)
{
  const char *argv[] = { "node", "/opt/cli.js", "--much", NULL };
  const char *expected[] = { "openclaw-tui", NULL };
  char *folder = make_folder ();
  g_autofree char *path = make_program (folder, "node");
  pid_t pid = run_program ((Program){ .path = path, .argv = argv, .title = "openclaw-tui" });
  g_autofree AglCommandLineBuffer *buffer = read_one (pid);

  g_assert_cmpstr (buffer->line.comm, ==, "openclaw-tui");
  g_assert_cmpstrv (buffer->line.argv, expected);
  kill_and_reap (pid);
  remove_folder (folder);
}

/* What an agent that updates itself looks like. */
static void
test_deleted (void)
{
  char *folder = make_folder ();
  g_autofree char *path = make_program (folder, "1.2.3");
  pid_t pid = run_program ((Program){ .path = path });
  g_autofree AglCommandLineBuffer *buffer = NULL;

  g_assert_cmpint (unlink (path), ==, 0);
  buffer = read_one (pid);
  g_assert_cmpstr (buffer->line.exe, ==, path);
  kill_and_reap (pid);
  remove_folder (folder);
}

/* A prompt of 100 KB, and more arguments than we look at. */
static void
test_long (void)
{
  g_autofree char *prompt = g_strnfill (100000, 'x');
  const char *long_one[] = { "agent", "--daemon", prompt, "--after", NULL };
  g_autofree const char **many = g_new0 (const char *, 3002);
  char *folder = make_folder ();
  g_autofree char *path = make_program (folder, "agent");
  g_autofree AglCommandLineBuffer *buffer = NULL;
  g_autofree AglCommandLineBuffer *second = NULL;
  pid_t pid = run_program ((Program){ .path = path, .argv = long_one });

  buffer = read_one (pid);
  g_assert_cmpuint (g_strv_length ((char **)buffer->line.argv), ==, 2);
  g_assert_cmpstr (buffer->line.argv[1], ==, "--daemon");
  kill_and_reap (pid);

  for (guint i = 0; i < 3000; i++)
    many[i] = "a";
  pid = run_program ((Program){ .path = path, .argv = many });
  second = read_one (pid);
  g_assert_cmpuint (g_strv_length ((char **)second->line.argv), ==, AGL_COMMAND_LINE_ARGUMENTS);
  kill_and_reap (pid);
  remove_folder (folder);
}

static void
test_ended (void)
{
  g_autofree AglCommandLineBuffer *buffer = g_new (AglCommandLineBuffer, 1);
  pid_t pid = start_child (idle_child, NULL);
  int process = agl_command_line_open (-1, pid);

  g_assert_cmpint (process, >=, 0);
  /* A zombie has a name, and nothing else any more. */
  kill_unreaped (pid);
  g_assert_true (agl_command_line_read_names (buffer, process));
  g_assert_true (agl_command_line_read_arguments (buffer, process));
  g_assert_null (buffer->line.exe);
  g_assert_null (buffer->line.argv[0]);
  g_assert_cmpstr (buffer->line.comm, !=, "");

  reap (pid);
  errno = 0;
  g_assert_false (agl_command_line_read_names (buffer, process));
  g_assert_cmpint (errno, ==, ESRCH);
  errno = 0;
  g_assert_false (agl_command_line_read_arguments (buffer, process));
  g_assert_cmpint (errno, ==, ESRCH);
  close (process);
  g_assert_cmpint (agl_command_line_open (-1, pid), ==, -1);
}

static void
test_kernel_thread (void)
{
  int process = agl_command_line_open (-1, 2);
  g_autofree AglCommandLineBuffer *buffer = g_new (AglCommandLineBuffer, 1);

  /* In a container there is no such process, or another. */
  if (process >= 0)
    g_assert_true (agl_command_line_read_names (buffer, process)
                   && agl_command_line_read_arguments (buffer, process));
  else
    g_assert_cmpint (errno, ==, ENOENT);
  if (process >= 0 && strcmp (buffer->line.comm, "kthreadd") == 0)
    {
      g_assert_null (buffer->line.exe);
      g_assert_null (buffer->line.argv[0]);
    }
  if (process >= 0)
    close (process);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/command-line/program", test_program);
  g_test_add_func ("/command-line/other-name", test_other_name);
  g_test_add_func ("/command-line/read", test_read);
  g_test_add_func ("/command-line/title", test_title);
  g_test_add_func ("/command-line/deleted", test_deleted);
  g_test_add_func ("/command-line/long", test_long);
  g_test_add_func ("/command-line/ended", test_ended);
  g_test_add_func ("/command-line/kernel-thread", test_kernel_thread);
  return g_test_run ();
}
