/* SPDX-License-Identifier: MIT */

#include "core/agent-catalog.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "common/text.h"
#include "core/agent-entry.h"

#define SUFFIX ".conf"

/* The shipped ones are some 2 KiB: whatever is larger is no such file. */
#define MAX_FILE_BYTES (64 * 1024)

struct _AglAgentCatalog
{
  GPtrArray *entries; /* AglAgentEntry, by ID */
  guint n_broken;
};

AglAgentCatalog *
agl_agent_catalog_new (void)
{
  AglAgentCatalog *self = g_atomic_rc_box_new0 (AglAgentCatalog);

  self->entries = g_ptr_array_new_with_free_func ((GDestroyNotify)agl_agent_entry_free);
  return self;
}

AglAgentCatalog *
agl_agent_catalog_ref (AglAgentCatalog *self)
{
  return g_atomic_rc_box_acquire (self);
}

static void
clear (gpointer data)
{
  AglAgentCatalog *self = data;

  g_ptr_array_unref (self->entries);
}

void
agl_agent_catalog_unref (AglAgentCatalog *self)
{
  if (self != NULL)
    g_atomic_rc_box_release_full (self, clear);
}

guint
agl_agent_catalog_size (const AglAgentCatalog *self)
{
  return self->entries->len;
}

guint
agl_agent_catalog_count_broken (const AglAgentCatalog *self)
{
  return self->n_broken;
}

static void
report_broken (AglAgentCatalog *self, const char *path, const char *reason)
{
  g_autofree char *shown = agl_text_escape (path, -1);
  g_autofree char *shown_reason = agl_text_escape (reason, -1);

  self->n_broken++;
  g_log_structured (G_LOG_DOMAIN, G_LOG_LEVEL_WARNING, "AGL_FILE", shown, "AGL_REASON", shown_reason,
                    "MESSAGE", "Agent catalogue: %s is left out: %s", shown, shown_reason);
}

static gboolean
is_dev_null (const struct stat *st)
{
  return S_ISCHR (st->st_mode) && st->st_rdev == makedev (1, 3);
}

/* NULL with an error. Not g_file_get_contents(): a FIFO in the folder would stop us. */
static GString *
read_file (const char *path, GError **error)
{
  g_autoptr (GString) contents = g_string_new (NULL);
  struct stat st;
  gssize n = -1;
  int saved_errno;
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

  if (fd >= 0 && fstat (fd, &st) == 0)
    {
      if (!S_ISREG (st.st_mode) && !is_dev_null (&st))
        {
          g_set_error_literal (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "it is no regular file");
          close (fd);
          return NULL;
        }
      g_string_set_size (contents, MAX_FILE_BYTES + 1);
      do
        n = read (fd, contents->str, contents->len);
      while (n < 0 && errno == EINTR);
    }
  saved_errno = errno;
  if (fd >= 0)
    close (fd);
  if (n < 0)
    {
      g_set_error_literal (error, G_FILE_ERROR, g_file_error_from_errno (saved_errno),
                           g_strerror (saved_errno));
      return NULL;
    }
  if (n > MAX_FILE_BYTES)
    {
      g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "it is larger than %d bytes", MAX_FILE_BYTES);
      return NULL;
    }
  g_string_truncate (contents, n);
  return g_steal_pointer (&contents);
}

/* Into @entries, by ID; one that is empty takes the weaker one out, a broken one leaves it. */
static void
load_file (AglAgentCatalog *self, GHashTable *entries, const char *folder, const char *name)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  g_autoptr (GError) error = NULL;
  GString *contents = read_file (path, &error);
  AglAgentEntry *entry = NULL;

  if (contents != NULL)
    {
      entry = agl_agent_entry_parse (path, contents->str, contents->len, &error);
      g_string_free (contents, TRUE);
    }
  if (error != NULL)
    report_broken (self, path, error->message);
  else if (entry != NULL)
    g_hash_table_replace (entries, (gpointer)agl_agent_entry_get_id (entry), entry);
  else
    {
      g_autofree char *id = g_strndup (name, strlen (name) - strlen (SUFFIX));

      g_hash_table_remove (entries, id);
    }
}

static gint
compare_names (gconstpointer a, gconstpointer b)
{
  return g_strcmp0 (*(const char *const *)a, *(const char *const *)b);
}

static gint
compare_entries (gconstpointer a, gconstpointer b)
{
  return g_strcmp0 (agl_agent_entry_get_id (*(AglAgentEntry *const *)a),
                    agl_agent_entry_get_id (*(AglAgentEntry *const *)b));
}

static void
load_folder (AglAgentCatalog *self, GHashTable *entries, const char *folder)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) names = NULL;
  g_autoptr (GDir) dir = g_dir_open (folder, 0, &error);
  const char *name;

  if (dir == NULL)
    {
      if (!g_error_matches (error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
        report_broken (self, folder, error->message);
      return;
    }
  names = g_ptr_array_new_with_free_func (g_free);
  while ((name = g_dir_read_name (dir)) != NULL)
    if (g_str_has_suffix (name, SUFFIX) && name[0] != '.')
      g_ptr_array_add (names, g_strdup (name));
  g_ptr_array_sort (names, compare_names);
  for (guint i = 0; i < names->len; i++)
    load_file (self, entries, folder, g_ptr_array_index (names, i));
}

AglAgentCatalog *
agl_agent_catalog_load (const char *const *folders)
{
  AglAgentCatalog *self = agl_agent_catalog_new ();
  g_autoptr (GHashTable) entries =
      g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify)agl_agent_entry_free);
  GHashTableIter iter;
  gpointer entry;

  for (; *folders != NULL; folders++)
    load_folder (self, entries, *folders);
  g_hash_table_iter_init (&iter, entries);
  while (g_hash_table_iter_next (&iter, NULL, &entry))
    {
      g_hash_table_iter_steal (&iter);
      g_ptr_array_add (self->entries, entry);
    }
  g_ptr_array_sort (self->entries, compare_entries);
  return self;
}

gboolean
agl_agent_catalog_match (const AglAgentCatalog *self, const AglCommandLine *line, AglAgentMatch *match)
{
  AglProgram program;
  gboolean is_interpreter = agl_command_line_get_program (line, &program);
  gboolean found = FALSE;

  for (guint i = 0; i < self->entries->len; i++)
    {
      AglAgentMatch one;

      if (!agl_agent_entry_match (g_ptr_array_index (self->entries, i), line,
                                  is_interpreter ? &program : NULL, &one))
        continue;
      if (!found || !one.excluded)
        *match = one;
      found = TRUE;
      if (!one.excluded)
        break;
    }
  return found;
}

gboolean
agl_agent_catalog_look (const AglAgentCatalog *self,
                        int process,
                        AglCommandLineBuffer *buffer,
                        AglAgentMatch *match,
                        gboolean *is_known)
{
  const AglCommandLine *line = &buffer->line;

  *is_known = FALSE;
  if (!agl_command_line_read_names (buffer, process))
    return FALSE;
  /* No rule looks at the arguments of another. */
  if (!agl_command_line_has_other_name (line) && !agl_command_line_is_interpreter (line)
      && !agl_agent_catalog_match (self, line, match))
    return TRUE;
  if (!agl_command_line_read_arguments (buffer, process))
    return FALSE;
  *is_known = agl_agent_catalog_match (self, line, match);
  return TRUE;
}

gboolean
agl_agent_catalog_identify (const AglAgentCatalog *self, pid_t pid, const char **agent)
{
  g_autofree AglCommandLineBuffer *buffer = g_new (AglCommandLineBuffer, 1);
  AglAgentMatch match;
  int process = agl_command_line_open (-1, pid);
  gboolean is_known;

  if (process < 0)
    return FALSE;
  if (!agl_agent_catalog_look (self, process, buffer, &match, &is_known))
    is_known = FALSE;
  close (process);
  if (!is_known || match.excluded)
    return FALSE;
  *agent = match.agent;
  return TRUE;
}

gboolean
agl_agent_catalog_check (const char *data, gsize n_bytes, GError **error)
{
  g_autoptr (GError) problem = NULL;

  agl_agent_entry_free (agl_agent_entry_parse ("check" SUFFIX, data, n_bytes, &problem));
  if (problem == NULL)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&problem));
  return FALSE;
}
