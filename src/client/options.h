/* SPDX-License-Identifier: MIT */
#pragma once
#include <glib.h>
#include <sys/types.h>

/* Which instance of the service is meant. At most one of them. */
typedef struct
{
  gboolean system;
  gboolean user;
  char *address; /* NULL: not given */
} AglWhere;

/* Groups of options: a command takes some of them and refuses the rest. */
typedef enum
{
  AGL_OPTIONS_WHERE = 1 << 0,    /* --system --user --address */
  AGL_OPTIONS_JSON = 1 << 1,     /* --json */
  AGL_OPTIONS_TABLE = 1 << 2,    /* --output --no-legend */
  AGL_OPTIONS_QUIET = 1 << 3,    /* --quiet */
  AGL_OPTIONS_WAIT = 1 << 4,     /* --wait */
  AGL_OPTIONS_STATUS = 1 << 5,   /* --conflict-exit-code */
  AGL_OPTIONS_CONFLICT = 1 << 6, /* --nonblock --join --steal */
  AGL_OPTIONS_MODE = 1 << 7,     /* --shared --subtree */
  AGL_OPTIONS_STAY = 1 << 8,     /* --no-follow-cwd */
  AGL_OPTIONS_FOLLOW = 1 << 9,   /* --follow-cwd */
  AGL_OPTIONS_TEXTS = 1 << 10,   /* --agent --session --reason */
  AGL_OPTIONS_TTL = 1 << 11,     /* --ttl */
  AGL_OPTIONS_ID = 1 << 12,      /* --id */
  AGL_OPTIONS_PID = 1 << 13,     /* --pid */
  AGL_OPTIONS_FORCE = 1 << 14,   /* --force */
  AGL_OPTIONS_FILTER = 1 << 15,  /* --directory --under --uid --kind */
  AGL_OPTIONS_AGENT = 1 << 16,   /* --for-agent */
  AGL_OPTIONS_FORMAT = 1 << 17   /* --format */
} AglOptionGroups;

/* Everything that can be said on a command line, as it was said. Owned strings. */
typedef struct
{
  AglWhere where;
  gboolean json;
  char *output; /* NULL: the command's own choice of columns */
  gboolean no_legend;
  gboolean quiet;
  gboolean wait;
  gint64 wait_msec; /* -1: no limit */
  int conflict_status;
  gboolean nonblock;
  gboolean join;
  gboolean steal;
  gboolean shared;
  gboolean subtree;
  gboolean no_follow_cwd;
  gboolean follow_cwd;
  char *agent, *session, *reason; /* UTF-8 */
  guint32 ttl_sec;                /* 0: not given */
  guint64 id;                     /* 0: not given; the service counts from 1 */
  pid_t pid;                      /* 0: not given */
  gboolean for_agent;
  gboolean force;
  char *directory, *under; /* as given, any bytes */
  gint64 uid;              /* -1: not given */
  char *kind;
  char *format;     /* NULL: not given */
  char **arguments; /* what is no option; NULL-terminated */
  char **trailing;  /* what follows "--", where the command takes a command line there; else NULL */
} AglOptions;

/* What a command takes. */
typedef struct
{
  const char *name;
  const char *synopsis;    /* of the arguments alone, "[DIR]"; NULL: none */
  const char *summary;     /* one line, for the list of commands */
  const char *description; /* further paragraphs of its --help; NULL for none */
  AglOptionGroups groups;
  guint max_arguments;
  gboolean takes_command_line; /* "-- COMMAND…" is needed */
} AglUsage;

/* @args: what follows the command's name; NULL-terminated. Prints help and exits 0 when asked for it.
 * Errors: AGL_EXIT_ERROR with AGL_EXIT_USAGE, translated. *@self is to be cleared in either case. */
gboolean agl_options_parse (AglOptions *self, const AglUsage *usage, const char *const *args, GError **error);
void agl_options_clear (AglOptions *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (AglOptions, agl_options_clear)

/* The ways of writing short options and optional values that getopt_long(3) has taught people and
 * GOption does not know: "-w5", "-E3", "-qw" and a "--wait" that leaves the next word alone. Everything from
 * "--" on stays as it is. Caller frees with g_strfreev. */
char **agl_options_expand (const char *const *args, const GOptionEntry *entries);

/* The options that take their value as the next word, for finding a command behind options. */
gboolean agl_options_takes_next (const char *arg);
