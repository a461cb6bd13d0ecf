/* SPDX-License-Identifier: MIT */
#pragma once
#include <glib.h>
#include <limits.h>
#include <sys/types.h>

/* What a process is started as, and what it calls itself since. Borrowed text. */
typedef struct
{
  const char *comm;        /* /proc/PID/comm without the newline: 15 bytes at most, unless a kernel thread */
  const char *exe;         /* target of /proc/PID/exe; NULL when it cannot be read or there is none */
  const char *const *argv; /* NULL-terminated; empty for a kernel thread or a process being replaced */
} AglCommandLine;

/* A program may have megabytes of arguments (a prompt, say); what names it stands at the beginning. */
#define AGL_COMMAND_LINE_BYTES     16384
#define AGL_COMMAND_LINE_ARGUMENTS 512

/* Room for one command line, to be used again for the next. Some 24 KiB. */
typedef struct
{
  AglCommandLine line; /* points into the rest */
  char comm[72];       /* kernel threads' names are up to 63 bytes (wq_worker_comm, Linux 4.18) */
  char exe[PATH_MAX];
  char arguments[AGL_COMMAND_LINE_BYTES + 1];
  const char *argv[AGL_COMMAND_LINE_ARGUMENTS + 1];
} AglCommandLineBuffer;

/* /proc/PID, so that all that is read through it is of one process: when that has ended, reading fails with
 * ESRCH even if its number was given away since. @proc: a descriptor of /proc, or -1. Returns a descriptor
 * (O_PATH), or -1 with errno. */
int agl_command_line_open (int proc, pid_t pid);

/* Reads through @process, a descriptor of /proc/PID. What may not be read is empty (exe NULL). The first
 * leaves argv empty: the kernel fetches arguments from the process's memory, which costs as much as all the
 * rest. FALSE with errno: ESRCH when the process has ended, else descriptors or memory ran out. */
gboolean agl_command_line_read_names (AglCommandLineBuffer *buffer, int process);
gboolean agl_command_line_read_arguments (AglCommandLineBuffer *buffer, int process);

/* FALSE when a process bears the file name of its executable, as most do: then what argv[0] says is a
 * nickname. TRUE when it was started through a link or a script, has renamed itself, or its executable is
 * hidden behind a wrapper (.codex-wrapped, on NixOS): then argv[0] may say what people know it as. */
gboolean agl_command_line_has_other_name (const AglCommandLine *line);

/* What an interpreter runs. */
typedef struct
{
  const char *script;           /* the script as it was typed; NULL: none, or a module */
  const char *module;           /* of `python -m MODULE`; NULL: none */
  const char *const *arguments; /* what comes after it; for other programs all but argv[0] */
} AglProgram;

/* TRUE when @line is of node, bun, deno or python, by the kernel's word (exe) where it can be read, else by
 * argv[0]. Then *@program says what it runs: the first argument that is no option and no option's value.
 * Shells are not among them: what `sh -c` starts is a process of its own. */
gboolean agl_command_line_get_program (const AglCommandLine *line, AglProgram *program);

gboolean agl_command_line_is_interpreter (const AglCommandLine *line);

/* What the kernel keeps of a name: TASK_COMM_LEN - 1 (proc_pid_comm(5)). */
#define AGL_COMM_BYTES 15

/* The part of @path after its last slash. */
const char *agl_command_line_basename (const char *path);
