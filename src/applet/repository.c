/* SPDX-License-Identifier: MIT */
#include "applet/repository.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A path is at most PATH_MAX long, and so is what these files name. */
#define MAX_FILE_BYTES 4200

/* As many as may hang in filesystems that do not answer. */
#define MAX_THREADS 4

#define GITDIR_PREFIX "gitdir: "

struct _AglRepositoryFinder
{
  GObject parent_instance;
  AglLockModel *model;
  GThreadPool *pool;
};

static guint found_signal;

G_DEFINE_FINAL_TYPE (AglRepositoryFinder, agl_repository_finder, G_TYPE_OBJECT)

/* --- what Git wrote --- */

/* The first line of a small file; NULL: none. Whatever else lies there (a FIFO, a device) is not waited for.
 */
static char *
read_line (const char *path)
{
  char buffer[MAX_FILE_BYTES];
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  struct stat st;
  ssize_t n = -1;

  if (fd < 0)
    return NULL;
  if (fstat (fd, &st) == 0 && S_ISREG (st.st_mode))
    n = read (fd, buffer, sizeof buffer - 1);
  close (fd);
  if (n <= 0)
    return NULL;
  buffer[n] = '\0';
  buffer[strcspn (buffer, "\r\n")] = '\0';
  return g_strdup (buffer);
}

/* "../..", seen from @folder; NULL: there is none. */
static char *
resolve (const char *folder, const char *path)
{
  g_autofree char *absolute =
      g_path_is_absolute (path) ? g_strdup (path) : g_build_filename (folder, path, NULL);
  char *real = realpath (absolute, NULL);
  char *copy = g_strdup (real);

  free (real);
  return copy;
}

/* The repository of a worktree at @root, whose ".git" is a file. */
static char *
follow (const char *root, const char *git_file)
{
  g_autofree char *line = read_line (git_file);
  g_autofree char *git_dir = NULL;
  g_autofree char *common_file = NULL;
  g_autofree char *common_line = NULL;
  g_autofree char *common = NULL;
  g_autofree char *name = NULL;

  if (line == NULL || !g_str_has_prefix (line, GITDIR_PREFIX))
    return NULL;
  git_dir = resolve (root, line + strlen (GITDIR_PREFIX));
  if (git_dir == NULL)
    return NULL;
  common_file = g_build_filename (git_dir, "commondir", NULL);
  common_line = read_line (common_file);
  /* A submodule has no other worktrees by this. */
  if (common_line == NULL)
    return g_strdup (root);
  common = resolve (git_dir, common_line);
  if (common == NULL)
    return NULL;
  name = g_path_get_basename (common);
  return g_str_equal (name, ".git") ? g_path_get_dirname (common) : g_steal_pointer (&common);
}

char *
agl_repository_find (const char *directory)
{
  g_autofree char *folder = resolve ("/", directory);

  while (folder != NULL)
    {
      g_autofree char *git = g_build_filename (folder, ".git", NULL);
      struct stat st;

      if (stat (git, &st) == 0)
        return S_ISDIR (st.st_mode) ? g_steal_pointer (&folder) : follow (folder, git);
      if (g_str_equal (folder, "/"))
        return NULL;
      g_free (g_steal_pointer (&git));
      git = g_path_get_dirname (folder);
      g_free (folder);
      folder = g_steal_pointer (&git);
    }
  return NULL;
}

/* --- for the locks of a model --- */

typedef struct
{
  GWeakRef finder, entry;
  char *directory, *repository;
} Question;

static void
question_free (gpointer data)
{
  Question *question = data;

  g_weak_ref_clear (&question->finder);
  g_weak_ref_clear (&question->entry);
  g_free (question->directory);
  g_free (question->repository);
  g_free (question);
}

static gboolean
on_answered (gpointer user_data)
{
  Question *question = user_data;
  g_autoptr (AglRepositoryFinder) finder = g_weak_ref_get (&question->finder);
  g_autoptr (AglLockEntry) entry = g_weak_ref_get (&question->entry);

  if (finder != NULL && entry != NULL && g_str_equal (agl_lock_entry_get_path (entry), question->directory)
      && g_strcmp0 (agl_lock_entry_get_repository (entry), question->repository) != 0)
    {
      agl_lock_entry_set_repository (entry, question->repository);
      g_signal_emit (finder, found_signal, 0);
    }
  question_free (question);
  return G_SOURCE_REMOVE;
}

static void
answer_in_thread (gpointer data, gpointer user_data)
{
  Question *question = data;

  question->repository = agl_repository_find (question->directory);
  g_idle_add (on_answered, question);
}

static void
ask (AglRepositoryFinder *self, AglLockEntry *entry)
{
  Question *question = g_new0 (Question, 1);

  g_weak_ref_init (&question->finder, self);
  g_weak_ref_init (&question->entry, entry);
  question->directory = g_strdup (agl_lock_entry_get_path (entry));
  g_thread_pool_push (self->pool, question, NULL);
}

static void
on_lock_changed (AglLockModel *model, AglLockEntry *entry, guint changes, gpointer user_data)
{
  if ((changes & AGL_LOCK_CHANGED_DIRECTORY) != 0)
    ask (user_data, entry);
}

static GQuark
asked_quark (void)
{
  return g_quark_from_static_string ("agl-repository-finder");
}

static void
on_items_changed (GListModel *locks, guint position, guint removed, guint added, gpointer user_data)
{
  AglRepositoryFinder *self = user_data;

  for (guint i = position; i < position + added; i++)
    {
      g_autoptr (AglLockEntry) entry = g_list_model_get_item (locks, i);

      /* A change names rows that were there before, too. */
      if (g_object_get_qdata (G_OBJECT (entry), asked_quark ()) == self)
        continue;
      g_object_set_qdata (G_OBJECT (entry), asked_quark (), self);
      ask (self, entry);
    }
}

AglRepositoryFinder *
agl_repository_finder_new (AglLockModel *model)
{
  GListModel *locks = G_LIST_MODEL (model);
  AglRepositoryFinder *self = g_object_new (AGL_TYPE_REPOSITORY_FINDER, NULL);

  self->model = g_object_ref (model);
  g_signal_connect_object (model, "lock-changed", G_CALLBACK (on_lock_changed), self, 0);
  g_signal_connect_object (locks, "items-changed", G_CALLBACK (on_items_changed), self, 0);
  on_items_changed (locks, 0, 0, g_list_model_get_n_items (locks), self);
  return self;
}

static void
agl_repository_finder_finalize (GObject *object)
{
  AglRepositoryFinder *self = AGL_REPOSITORY_FINDER (object);

  /* Threads that hang are left behind; what they still say nobody hears. */
  g_thread_pool_free (self->pool, TRUE, FALSE);
  g_clear_object (&self->model);
  G_OBJECT_CLASS (agl_repository_finder_parent_class)->finalize (object);
}

static void
agl_repository_finder_class_init (AglRepositoryFinderClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = agl_repository_finder_finalize;
  found_signal = g_signal_new ("found", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                               G_TYPE_NONE, 0);
}

static void
agl_repository_finder_init (AglRepositoryFinder *self)
{
  self->pool = g_thread_pool_new_full (answer_in_thread, NULL, question_free, MAX_THREADS, FALSE, NULL);
}
