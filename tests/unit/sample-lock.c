/* SPDX-License-Identifier: MIT */
#include "sample-lock.h"

#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/names.h"

static AglDirectory *
directory_new (const char *path)
{
  const AglDirectoryId id = { 66306, g_str_hash (path) };
  const AglDirectoryId ancestors[] = { { 66306, 2 }, { 25, 1 } };

  return agl_directory_new_saved (&id, NULL, path, FALSE, ancestors, G_N_ELEMENTS (ancestors));
}

AglLock *
sample_lock_new (guint64 id, const char *path)
{
  AglLock *lock = agl_lock_new ();

  lock->id = id;
  lock->directory = directory_new (path);
  lock->token = (AglProcessToken){ AGL_TOKEN_PIDFS, 4242, 1000 + id };
  lock->acquirer = (AglProcessToken){ AGL_TOKEN_START_TIME, 4241, 99 };
  lock->uid = 1000;
  lock->follow_cwd = TRUE;
  lock->acquired_at_usec = 1700000000000000;
  lock->command = g_strdup ("claude");
  return lock;
}

AglLock *
sample_manual_lock_new (guint64 id, const char *path)
{
  AglLock *lock = sample_lock_new (id, path);

  lock->manual = TRUE;
  lock->follow_cwd = FALSE;
  lock->token = (AglProcessToken){ AGL_TOKEN_NONE, 0, 0 };
  lock->expires_at_usec = 1700000060000000;
  g_free (lock->command);
  lock->command = g_strdup ("");
  return lock;
}

static guint64
random_uint64 (GRand *rand)
{
  static const guint64 special[] = { 0, 1, G_MAXINT64, G_MAXUINT64, (guint64)G_MAXINT64 + 1, G_MAXUINT32 };

  if (g_rand_boolean (rand))
    return special[g_rand_int_range (rand, 0, G_N_ELEMENTS (special))];
  return (guint64)g_rand_int (rand) << 32 | g_rand_int (rand);
}

static char *
random_bytes (GRand *rand, gsize n_bytes)
{
  char *bytes = g_malloc (n_bytes + 1);

  for (gsize i = 0; i < n_bytes; i++)
    bytes[i] = g_rand_int_range (rand, 1, 256);
  bytes[n_bytes] = '\0';
  return bytes;
}

/* UTF-8 with everything that a terminal or a JSON reader may trip over. */
static char *
random_text (GRand *rand)
{
  static const gunichar special[] = { '"',    '\\',   '\n',   '\t',   0x1b,    0x7f,    0x9b,    0xad,
                                      0x200b, 0x2028, 0x2029, 0x202e, 0xfeff,  0xfffe,  0xffff,  0xe000,
                                      '/',    '\'',   1,      0xd7ff, 0x10000, 0x1f980, 0x10ffff };
  GString *text = g_string_new (NULL);
  guint n = g_rand_int_range (rand, 0, 200);

  for (guint i = 0; i < n; i++)
    g_string_append_unichar (text, g_rand_boolean (rand)
                                       ? special[g_rand_int_range (rand, 0, G_N_ELEMENTS (special))]
                                       : (gunichar)g_rand_int_range (rand, 0x20, 0xd800));
  return g_string_free (text, FALSE);
}

static char *
random_maybe_text (GRand *rand)
{
  switch (g_rand_int_range (rand, 0, 4))
    {
    case 0:
      return NULL;
    case 1:
      return g_strnfill (AGL_MAX_TEXT_BYTES, '\001');
    case 2:
      return g_strdup ("");
    }
  return random_text (rand);
}

static AglDirectory *
random_directory (GRand *rand)
{
  const AglDirectoryId id = { random_uint64 (rand), random_uint64 (rand) };
  g_autofree AglDirectoryId *ancestors = g_new0 (AglDirectoryId, PATH_MAX / 2);
  gsize n_ancestors = g_rand_int_range (rand, 0, g_rand_int_range (rand, 0, 10) == 0 ? PATH_MAX / 2 + 1 : 8);
  g_autofree char *tail = NULL;
  g_autofree char *path = NULL;

  for (gsize i = 0; i < n_ancestors; i++)
    ancestors[i] = (AglDirectoryId){ random_uint64 (rand), random_uint64 (rand) };
  if (g_rand_boolean (rand))
    tail = random_bytes (rand, g_rand_boolean (rand) ? 30 : g_rand_int_range (rand, 0, PATH_MAX - 1));
  else
    tail = random_text (rand);
  path = g_strconcat ("/", tail, NULL);
  return agl_directory_new_saved (&id, NULL, path, g_rand_boolean (rand), ancestors, n_ancestors);
}

static AglProcessToken
random_token (GRand *rand)
{
  return (AglProcessToken){
    g_rand_boolean (rand) ? AGL_TOKEN_PIDFS : AGL_TOKEN_START_TIME,
    g_rand_int_range (rand, 1, G_MAXINT32),
    random_uint64 (rand),
  };
}

AglLock *
sample_lock_new_random (GRand *rand)
{
  AglLock *lock = agl_lock_new ();

  lock->id = (random_uint64 (rand) & ((G_GUINT64_CONSTANT (1) << 53) - 1)) | 1;
  lock->directory = random_directory (rand);
  lock->manual = g_rand_boolean (rand);
  if (!lock->manual)
    lock->token = random_token (rand);
  lock->acquirer = random_token (rand);
  lock->uid = g_rand_boolean (rand) ? G_MAXUINT32 - 1 : (uid_t)g_rand_int_range (rand, 0, 70000);
  lock->mode = g_rand_int_range (rand, 0, 4);
  lock->follow_cwd = g_rand_boolean (rand);
  lock->acquired_at_usec = g_rand_boolean (rand) ? G_MAXINT64 : (gint64)g_rand_int (rand);
  lock->expires_at_usec = g_rand_boolean (rand) ? 0 : (gint64)g_rand_int (rand);
  lock->command = random_text (rand);
  lock->texts.agent = random_maybe_text (rand);
  lock->texts.session = random_maybe_text (rand);
  lock->texts.reason = random_maybe_text (rand);
  return lock;
}

static void
assert_same_directory (const AglDirectory *a, const AglDirectory *b)
{
  gsize n_a, n_b;
  const AglDirectoryId *chain_a = agl_directory_get_ancestors (a, &n_a);
  const AglDirectoryId *chain_b = agl_directory_get_ancestors (b, &n_b);
  g_autoptr (GBytes) handle_a = agl_directory_dup_handle (a);
  g_autoptr (GBytes) handle_b = agl_directory_dup_handle (b);

  g_assert_cmpstr (agl_directory_get_path (a), ==, agl_directory_get_path (b));
  g_assert_true (agl_directory_id_equal (agl_directory_get_id (a), agl_directory_get_id (b)));
  g_assert_cmpint (agl_directory_is_foreign (a), ==, agl_directory_is_foreign (b));
  g_assert_cmpuint (n_a, ==, n_b);
  for (gsize i = 0; i < n_a; i++)
    g_assert_true (agl_directory_id_equal (&chain_a[i], &chain_b[i]));
  g_assert_cmpint (handle_a == NULL, ==, handle_b == NULL);
  if (handle_a != NULL)
    g_assert_true (g_bytes_equal (handle_a, handle_b));
}

static void
assert_same_token (const AglProcessToken *a, const AglProcessToken *b)
{
  g_assert_cmpint (a->kind, ==, b->kind);
  g_assert_cmpint (a->pid, ==, b->pid);
  g_assert_cmpuint (a->value, ==, b->value);
}

void
sample_lock_assert_equal (const AglLock *a, const AglLock *b)
{
  g_assert_cmpuint (a->id, ==, b->id);
  assert_same_directory (a->directory, b->directory);
  assert_same_token (&a->token, &b->token);
  assert_same_token (&a->acquirer, &b->acquirer);
  g_assert_cmpuint (a->uid, ==, b->uid);
  g_assert_cmpint (a->mode, ==, b->mode);
  g_assert_cmpint (a->manual, ==, b->manual);
  g_assert_cmpint (a->follow_cwd, ==, b->follow_cwd);
  g_assert_cmpint (a->acquired_at_usec, ==, b->acquired_at_usec);
  g_assert_cmpint (a->expires_at_usec, ==, b->expires_at_usec);
  g_assert_cmpstr (a->command, ==, b->command);
  g_assert_cmpstr (a->texts.agent, ==, b->texts.agent);
  g_assert_cmpstr (a->texts.session, ==, b->texts.session);
  g_assert_cmpstr (a->texts.reason, ==, b->texts.reason);
}

/* Logs. */

static guint n_warnings;
static char *last_warning;

static GLogWriterOutput
count_warning (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  if ((level & G_LOG_LEVEL_WARNING) == 0)
    return g_log_writer_default (level, fields, n_fields, user_data);
  n_warnings++;
  for (gsize i = 0; i < n_fields; i++)
    if (strcmp (fields[i].key, "MESSAGE") == 0)
      {
        g_free (last_warning);
        last_warning =
            fields[i].length < 0 ? g_strdup (fields[i].value) : g_strndup (fields[i].value, fields[i].length);
      }
  return G_LOG_WRITER_HANDLED;
}

void
sample_log_catch (void)
{
  g_log_set_writer_func (count_warning, NULL, NULL);
}

guint
sample_log_take (char **last)
{
  guint n = n_warnings;

  n_warnings = 0;
  if (last != NULL)
    *last = g_steal_pointer (&last_warning);
  g_clear_pointer (&last_warning, g_free);
  return n;
}

/* Files. */

char *
sample_folder_new (void)
{
  g_autoptr (GError) error = NULL;
  char *path = g_dir_make_tmp ("agl-store-XXXXXX", &error);

  g_assert_no_error (error);
  return path;
}

static void
remove_tree (const char *path)
{
  struct stat st;

  g_assert_no_errno (lstat (path, &st));
  if (S_ISDIR (st.st_mode))
    {
      g_autoptr (GDir) dir = NULL;
      const char *name;

      g_assert_no_errno (chmod (path, 0700));
      dir = g_dir_open (path, 0, NULL);
      while ((name = g_dir_read_name (dir)) != NULL)
        {
          g_autofree char *child = g_build_filename (path, name, NULL);

          remove_tree (child);
        }
    }
  g_assert_no_errno (S_ISDIR (st.st_mode) ? rmdir (path) : unlink (path));
}

void
sample_folder_remove (char *path)
{
  remove_tree (path);
  g_free (path);
}

void
sample_file_write (const char *folder, const char *name, const char *text)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  g_autoptr (GError) error = NULL;

  g_file_set_contents_full (path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0600, &error);
  g_assert_no_error (error);
}

gboolean
sample_file_exists (const char *folder, const char *name)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  struct stat st;

  return lstat (path, &st) == 0;
}

guint
sample_folder_count (const char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  guint n = 0;

  g_assert_nonnull (dir);
  while (g_dir_read_name (dir) != NULL)
    n++;
  return n;
}
