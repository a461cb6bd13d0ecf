/* SPDX-License-Identifier: MIT */
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "client/doctor.h"
#include "common/error.h"
#include "core/process.h"

/* `git worktree lock --reason=…` (git-worktree(1)). Agents that make a work tree of their own lock it with
 * their pid in the reason, and leave it so when they are killed. */

/* A reason is a line. */
#define MAX_REASON_BYTES 4096

/* NULL: none there. Without its final newline. */
static char *
read_line_of (const char *folder, const char *name)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  char *text;
  gsize n_bytes;

  if (!g_file_test (path, G_FILE_TEST_IS_REGULAR) || !g_file_get_contents (path, &text, &n_bytes, NULL))
    return NULL;
  if (n_bytes > MAX_REASON_BYTES)
    text[MAX_REASON_BYTES] = '\0';
  return g_strchomp (text);
}

/* What a `.git` file says ("gitdir: PATH"), made absolute. */
static char *
follow_git_file (const char *folder)
{
  g_autofree char *line = read_line_of (folder, ".git");

  if (line == NULL || !g_str_has_prefix (line, "gitdir: "))
    return NULL;
  return g_canonicalize_filename (line + strlen ("gitdir: "), folder);
}

/* The folder that all work trees of a repository share; NULL when @place is in none. */
static char *
find_repository (const char *place)
{
  g_autofree char *folder = g_strdup (place);

  for (;;)
    {
      g_autofree char *git = g_build_filename (folder, ".git", NULL);
      g_autofree char *own = NULL;
      g_autofree char *common = NULL;
      char *parent;

      if (g_file_test (git, G_FILE_TEST_IS_DIR))
        return g_steal_pointer (&git);
      own = follow_git_file (folder);
      common = own == NULL ? NULL : read_line_of (own, "commondir");
      if (common != NULL)
        return g_canonicalize_filename (common, own);
      if (own != NULL)
        return g_steal_pointer (&own);
      parent = g_path_get_dirname (folder);
      if (g_str_equal (parent, folder) || folder[0] != '/')
        {
          g_free (parent);
          return NULL;
        }
      g_free (folder);
      folder = parent;
    }
}

/* The numbers after the word "pid" and, where Claude Code says it too, after "start": field 22 of
 * /proc/PID/stat. 0: it names none. */
static pid_t
parse_reason (const char *reason, guint64 *started)
{
  g_autoptr (GRegex) regex =
      g_regex_new ("\\bpid\\b[ \\t:=#]*([0-9]{1,10})(?:[ \\t,]+start ([0-9]{1,20})\\b)?",
                   G_REGEX_CASELESS | G_REGEX_RAW, 0, NULL);
  g_autoptr (GMatchInfo) info = NULL;
  g_autofree char *digits = NULL;
  g_autofree char *ticks = NULL;
  guint64 number;

  *started = 0;
  if (!g_regex_match (regex, reason, 0, &info))
    return 0;
  digits = g_match_info_fetch (info, 1);
  ticks = g_match_info_fetch (info, 2);
  if (ticks == NULL || !g_ascii_string_to_unsigned (ticks, 10, 1, G_MAXUINT64, started, NULL))
    *started = 0;
  return g_ascii_string_to_unsigned (digits, 10, 1, G_MAXINT, &number, NULL) ? (pid_t)number : 0;
}

/* In seconds since the epoch. */
static gint64
start_time (const AglInhabitant *one)
{
  struct timespec since_boot;

  if (clock_gettime (CLOCK_BOOTTIME, &since_boot) < 0)
    return 0;
  return g_get_real_time () / G_USEC_PER_SEC - since_boot.tv_sec
         + (gint64)(one->started / sysconf (_SC_CLK_TCK));
}

/* Dead, or its number is another one's by now: one that started at another time than @started says, or where
 * that is not known (0), after the lock was written. */
static gboolean
is_dead (const AglDoctor *self, pid_t pid, guint64 started, const char *locked)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (AglProcess) process = agl_process_open (pid, &error);
  const AglInhabitant *one = agl_census_lookup (self->census, pid);
  struct stat st;

  if (process == NULL)
    return g_error_matches (error, AGL_ERROR, AGL_ERROR_NO_SUCH_PROCESS);
  if (started != 0 && one != NULL)
    return one->started != started;
  /* A second on either side is lost to rounding. */
  return one != NULL && stat (locked, &st) == 0 && start_time (one) > st.st_mtime + 2;
}

static void
check_worktree (AglDoctor *self, const char *repository, const char *name)
{
  g_autofree char *folder = g_build_filename (repository, "worktrees", name, NULL);
  g_autofree char *locked = g_build_filename (folder, "locked", NULL);
  g_autofree char *reason = read_line_of (folder, "locked");
  g_autofree char *git_file = NULL;
  g_autofree char *tree = NULL;
  g_autofree char *quoted_repository = g_shell_quote (repository);
  g_autofree char *quoted_tree = NULL;
  guint64 started = 0;
  pid_t pid = reason == NULL ? 0 : parse_reason (reason, &started);
  GVariantDict facts;

  if (pid == 0 || !is_dead (self, pid, started, locked))
    return;
  git_file = read_line_of (folder, "gitdir");
  tree = git_file == NULL ? g_strdup (folder) : g_path_get_dirname (git_file);
  quoted_tree = g_shell_quote (tree);
  agl_doctor_begin (&facts, "worktree-lock");
  g_variant_dict_insert_value (&facts, "directory", agl_doctor_path (tree));
  g_variant_dict_insert (&facts, "pid", "u", (guint32)pid);
  g_variant_dict_insert_value (&facts, "reason", agl_doctor_path (reason));
  agl_doctor_note (self, &facts, "git --git-dir=%s worktree unlock %s", quoted_repository, quoted_tree);
}

void
agl_doctor_check_worktrees (AglDoctor *self)
{
  g_autoptr (GPtrArray) places = agl_doctor_list_places (self);
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  for (guint i = 0; i < places->len; i++)
    {
      char *repository = find_repository (g_ptr_array_index (places, i));
      g_autofree char *worktrees = NULL;
      g_autoptr (GDir) dir = NULL;
      const char *name;

      if (repository == NULL || !g_hash_table_add (seen, repository))
        continue;
      worktrees = g_build_filename (repository, "worktrees", NULL);
      dir = g_dir_open (worktrees, 0, NULL);
      while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
        check_worktree (self, repository, name);
    }
}
