/* SPDX-License-Identifier: MIT */
#include "core/id-counter.h"

#include <string.h>

#include "common/error.h"
#include "core/lock-file-name.h"

#define FILE_NAME "last-id"

/* Each block costs one write and two fsyncs, some milliseconds on a disk; a crash skips half of one on
 * average. */
#define BLOCK 256

/* Twenty digits and a newline. */
#define MAX_FILE_BYTES 21

struct _AglIdCounter
{
  AglPrivateFolder *folder;
  gboolean is_first_start;
  gboolean is_read;
  gboolean is_ours; /* the file is what we wrote */
  guint64 last;     /* given or seen */
  guint64 reserved; /* as the file says */
};

static gboolean
write_file (AglIdCounter *self, guint64 value, GError **error)
{
  g_autofree char *text = g_strdup_printf ("%" G_GUINT64_FORMAT "\n", value);

  if (!agl_private_folder_write (self->folder, FILE_NAME, text, strlen (text), error))
    return FALSE;
  self->reserved = value;
  self->is_ours = TRUE;
  return TRUE;
}

/* The newline tells a whole number from the beginning of one. */
static gboolean
parse_file (GString *contents, guint64 *value)
{
  if (contents->len < 2 || contents->str[contents->len - 1] != '\n')
    return FALSE;
  g_string_truncate (contents, contents->len - 1);
  return strlen (contents->str) == contents->len
         && g_ascii_string_to_unsigned (contents->str, 10, 0, AGL_MAX_LOCK_ID, value, NULL);
}

/* @value: 0 when there is no usable file. FALSE when that cannot be told now. */
static gboolean
read_file (AglIdCounter *self, guint64 *value, GError **error)
{
  g_autoptr (GString) contents = g_string_new (NULL);
  g_autoptr (GError) local = NULL;
  g_autofree char *path = NULL;

  *value = 0;
  if (agl_private_folder_read (self->folder, FILE_NAME, MAX_FILE_BYTES, contents, &local))
    {
      if (parse_file (contents, value))
        return TRUE;
      agl_private_folder_set_aside (self->folder, FILE_NAME, "no number on a line");
    }
  else if (g_error_matches (local, AGL_ERROR, AGL_ERROR_UNAVAILABLE))
    {
      g_propagate_error (error, g_steal_pointer (&local));
      return FALSE;
    }
  else if (!g_error_matches (local, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
    agl_private_folder_set_aside (self->folder, FILE_NAME, local->message);
  else if (self->is_first_start)
    return TRUE;

  *value = g_get_real_time ();
  path = g_build_filename (agl_private_folder_get_path (self->folder), FILE_NAME, NULL);
  g_log_structured (G_LOG_DOMAIN, G_LOG_LEVEL_WARNING, "AGL_FILE", path, "MESSAGE",
                    "The last id given is not known, since there is no usable file %s: "
                    "going on from %" G_GUINT64_FORMAT,
                    path, *value);
  return TRUE;
}

static gboolean
ensure_read (AglIdCounter *self, GError **error)
{
  guint64 value;

  if (self->is_read)
    return TRUE;
  if (!read_file (self, &value, error))
    return FALSE;
  self->is_read = TRUE;
  self->last = MAX (self->last, value);
  self->reserved = value;
  return TRUE;
}

AglIdCounter *
agl_id_counter_new (AglPrivateFolder *folder, gboolean is_first_start)
{
  AglIdCounter *self = g_new0 (AglIdCounter, 1);
  g_autoptr (GError) error = NULL;

  self->folder = folder;
  self->is_first_start = is_first_start;

  /* So that after a kill before the first id the next start is not taken for a loss. */
  if (is_first_start && ensure_read (self, &error) && self->last == 0 && !write_file (self, 0, &error))
    g_debug ("%s", error->message);
  return self;
}

void
agl_id_counter_free (AglIdCounter *self)
{
  g_autoptr (GError) error = NULL;
  guint64 value;

  /* Another service that was started over the same folder by mistake must not find its block taken back. */
  if (self->is_ours && self->last < self->reserved && read_file (self, &value, NULL)
      && value == self->reserved && !write_file (self, self->last, &error))
    g_debug ("%s", error->message);
  g_free (self);
}

void
agl_id_counter_raise (AglIdCounter *self, guint64 id)
{
  self->last = MAX (self->last, id);
}

guint64
agl_id_counter_next (AglIdCounter *self, GError **error)
{
  if (!ensure_read (self, error))
    return 0;
  if (self->last > AGL_MAX_LOCK_ID - BLOCK)
    {
      g_set_error (error, AGL_ERROR, AGL_ERROR_UNAVAILABLE,
                   "The ids have run out: stop the service and remove %s/%s",
                   agl_private_folder_get_path (self->folder), FILE_NAME);
      return 0;
    }
  if (self->last >= self->reserved && !write_file (self, self->last + BLOCK, error))
    return 0;
  return ++self->last;
}
