/* SPDX-License-Identifier: MIT */
#include "core/command-line.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* An interpreter: how to find the script among its arguments. */
typedef struct
{
  const char *name;                 /* "python" is also python3, python3.12 */
  const char *const *value_options; /* take the next argument, unless written --option=value */
  const char *const *no_script;     /* the program is this option's value, or there is none at all */
  const char *const *commands;      /* words that may come before the script: `bun run`, `deno run` */
  gboolean has_modules;             /* -m MODULE */
} Interpreter;

/* node(1); `node --v8-options` take their values with "=". */
static const char *const node_values[] = { "-r",
                                           "--require",
                                           "--import",
                                           "--loader",
                                           "--experimental-loader",
                                           "-C",
                                           "--conditions",
                                           "--env-file",
                                           "--env-file-if-exists",
                                           "--title",
                                           "--icu-data-dir",
                                           "--openssl-config",
                                           "--redirect-warnings",
                                           "--trace-event-categories",
                                           "--input-type",
                                           "--inspect-port",
                                           "--stack-trace-limit",
                                           NULL };
static const char *const node_no_script[] = { "-e", "--eval",        "-p",    "-pe", "--print", "-",
                                              "-i", "--interactive", "--run", NULL };

/* `bun --help`, `deno run --help`. */
static const char *const bun_values[] = { "-r",       "--preload",  "--require", "--import", "-c",
                                          "--config", "--env-file", "--cwd",     "--port",   "--conditions",
                                          "-d",       "--define",   NULL };
static const char *const bun_no_script[] = { "-e", "--eval", "-p", "--print", "-", NULL };
static const char *const bun_commands[] = { "run", "x", NULL };
static const char *const deno_values[] = { "-c",         "--config", "--import-map", "--lock",
                                           "--cert",     "--seed",   "--env-file",   "--preload",
                                           "--location", "-L",       "--log-level",  NULL };
static const char *const deno_no_script[] = { "-", "eval", "repl", NULL };
static const char *const deno_commands[] = { "run", "x", "serve", NULL };

/* python(1). */
static const char *const python_values[] = { "-W", "-X", "-Q", "--check-hash-based-pycs", NULL };
static const char *const python_no_script[] = { "-c", "-", NULL };
static const char *const none[] = { NULL };

static const Interpreter interpreters[] = {
  { "node", node_values, node_no_script, none, FALSE },
  { "nodejs", node_values, node_no_script, none, FALSE },
  { "bun", bun_values, bun_no_script, bun_commands, FALSE },
  { "deno", deno_values, deno_no_script, deno_commands, FALSE },
  { "python", python_values, python_no_script, none, TRUE },
  { "pypy", python_values, python_no_script, none, TRUE },
};

const char *
agl_command_line_basename (const char *path)
{
  const char *slash = strrchr (path, '/');

  return slash == NULL ? path : slash + 1;
}

int
agl_command_line_open (int proc, pid_t pid)
{
  char name[32];

  g_snprintf (name, sizeof name, "%s%d", proc < 0 ? "/proc/" : "", (int)pid);
  return openat (proc, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* Up to @size bytes of the file @name; -1 with errno. These files come in one piece (proc_pid_cmdline_read()
 * and comm_show() in the kernel). */
static gssize
read_file (int process, const char *name, char *bytes, gsize size)
{
  gssize n;
  int saved_errno;
  int fd = openat (process, name, O_RDONLY | O_CLOEXEC);

  if (fd < 0)
    return -1;
  do
    n = read (fd, bytes, size);
  while (n < 0 && errno == EINTR);
  saved_errno = errno;
  close (fd);
  errno = saved_errno;
  return n;
}

/* Whether what was not read counts as empty: not when the process has ended, and not when it was our own
 * lack of descriptors or memory. Sets errno to ESRCH in the first case. */
static gboolean
is_empty (int error_number)
{
  switch (error_number)
    {
    case ENOENT: /* opening a file of /proc/PID after its end */
    case ESRCH:
      errno = ESRCH;
      return FALSE;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      errno = error_number;
      return FALSE;
    default:
      return TRUE;
    }
}

/* A name may contain a newline; only the last one is the kernel's. */
static void
read_comm (AglCommandLineBuffer *buffer, gssize n)
{
  buffer->comm[MAX (n, 0)] = '\0';
  if (n > 0 && buffer->comm[n - 1] == '\n')
    buffer->comm[n - 1] = '\0';
  buffer->line.comm = buffer->comm;
}

/* The kernel adds " (deleted)" once the file has no name any more: what an agent that updates itself while it
 * runs looks like. */
static void
read_exe (AglCommandLineBuffer *buffer, gssize n)
{
  buffer->line.exe = NULL;
  if (n < 0)
    return;
  buffer->exe[n] = '\0';
  if (g_str_has_suffix (buffer->exe, " (deleted)"))
    buffer->exe[n - strlen (" (deleted)")] = '\0';
  buffer->line.exe = buffer->exe;
}

/* A program that writes a title over its arguments (setproctitle, node's process.title) leaves zeros up to
 * their old end, so empty arguments at the end are none. One that was cut off is left out. */
static void
read_argv (AglCommandLineBuffer *buffer, gssize n)
{
  char *at = buffer->arguments;
  const char *end = buffer->arguments + MAX (n, 0);
  gsize count = 0;
  gsize n_full = 0;

  buffer->arguments[MAX (n, 0)] = '\0';
  while (at < end && count < AGL_COMMAND_LINE_ARGUMENTS)
    {
      gsize length = strlen (at);

      if (at + length == end && n == AGL_COMMAND_LINE_BYTES && count > 0)
        break;
      buffer->argv[count++] = at;
      if (length > 0)
        n_full = count;
      at += length + 1;
    }
  buffer->argv[n_full] = NULL;
  buffer->line.argv = buffer->argv;
}

gboolean
agl_command_line_read_names (AglCommandLineBuffer *buffer, int process)
{
  gssize n = read_file (process, "comm", buffer->comm, sizeof buffer->comm - 1);

  if (n < 0 && !is_empty (errno))
    return FALSE;
  read_comm (buffer, n);

  /* ENOENT: a kernel thread, or a zombie. */
  n = readlinkat (process, "exe", buffer->exe, sizeof buffer->exe - 1);
  if (n < 0 && errno != ENOENT && !is_empty (errno))
    return FALSE;
  read_exe (buffer, n);
  read_argv (buffer, 0);
  return TRUE;
}

gboolean
agl_command_line_read_arguments (AglCommandLineBuffer *buffer, int process)
{
  gssize n = read_file (process, "cmdline", buffer->arguments, AGL_COMMAND_LINE_BYTES);

  if (n < 0 && !is_empty (errno))
    return FALSE;
  read_argv (buffer, n);
  return TRUE;
}

gboolean
agl_command_line_has_other_name (const AglCommandLine *line)
{
  const char *name;

  if (line->exe == NULL)
    return TRUE;
  name = agl_command_line_basename (line->exe);
  return name[0] == '.' || strncmp (line->comm, name, AGL_COMM_BYTES) != 0;
}

static gboolean
contains (const char *const *words, const char *word)
{
  for (; *words != NULL; words++)
    if (strcmp (*words, word) == 0)
      return TRUE;
  return FALSE;
}

/* "python3.12" is python, as is "python3.13t" (sys.abiflags), "node-22" is node, "nodemon" and "pythonic" are
 * not. */
static gboolean
is_version_of (const char *program, const char *name)
{
  gsize length = strlen (name);
  const char *version = program + length;
  gsize n_digits;

  if (strncmp (program, name, length) != 0)
    return FALSE;
  n_digits = strspn (version, "0123456789.-");
  return version[n_digits] == '\0'
         || (n_digits > 0 && version[n_digits + strspn (version + n_digits, "dmt")] == '\0');
}

static const Interpreter *
find_interpreter (const AglCommandLine *line)
{
  const char *path = line->exe != NULL ? line->exe : line->argv[0];
  const char *program;

  if (path == NULL)
    return NULL;
  program = agl_command_line_basename (path);
  for (gsize i = 0; i < G_N_ELEMENTS (interpreters); i++)
    if (is_version_of (program, interpreters[i].name))
      return &interpreters[i];
  return NULL;
}

gboolean
agl_command_line_is_interpreter (const AglCommandLine *line)
{
  return find_interpreter (line) != NULL;
}

/* -m MODULE, -mMODULE, and as the last of several letters: -um MODULE. NULL when @argument is no such. */
static const char *
find_module (const char *const *at)
{
  const char *letters = at[0] + 1;
  const char *m = strchr (letters, 'm');

  if (at[0][0] != '-' || at[0][1] == '-' || m == NULL)
    return NULL;
  /* Letters that take no value of their own: python(1). */
  if (strspn (letters, "bBdEhiIOPqRsSuvVx?") < (gsize)(m - letters))
    return NULL;
  return m[1] != '\0' ? m + 1 : at[1];
}

gboolean
agl_command_line_get_program (const AglCommandLine *line, AglProgram *program)
{
  const Interpreter *interpreter = find_interpreter (line);
  const char *const *at = line->argv;
  gboolean may_be_command = TRUE;

  *program = (AglProgram){ .arguments = at[0] == NULL ? at : at + 1 };
  if (interpreter == NULL)
    return FALSE;
  if (at[0] == NULL)
    return TRUE;

  for (at++; at[0] != NULL; at++)
    {
      if (strcmp (at[0], "--") == 0 && at[1] != NULL)
        {
          at++;
          break;
        }
      if (contains (interpreter->no_script, at[0]))
        return TRUE;
      if (interpreter->has_modules && (program->module = find_module (at)) != NULL)
        {
          program->arguments = program->module == at[1] ? at + 2 : at + 1;
          return TRUE;
        }
      if (contains (interpreter->value_options, at[0]) && at[1] != NULL)
        at++;
      else if (at[0][0] == '-')
        continue;
      else if (may_be_command && contains (interpreter->commands, at[0]))
        may_be_command = FALSE;
      else
        break;
    }
  if (at[0] == NULL)
    return TRUE;
  program->script = at[0];
  program->arguments = at + 1;
  return TRUE;
}
