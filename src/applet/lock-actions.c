/* SPDX-License-Identifier: MIT */
#include "applet/lock-actions.h"

#include <glib/gi18n.h>

#include "applet/force-dialog.h"
#include "applet/lock-calls.h"
#include "applet/lock-words.h"
#include "applet/terminal.h"
#include "applet/trouble.h"

/* What was asked of which lock; it may have ended meanwhile. */
typedef struct
{
  AglWindow *window;
  AglLockEntry *lock;
} Deed;

static Deed *
deed_new (AglWindow *window, AglLockEntry *lock)
{
  Deed *deed = g_new0 (Deed, 1);

  deed->window = g_object_ref (window);
  deed->lock = g_object_ref (lock);
  return deed;
}

static void
deed_free (Deed *deed)
{
  g_object_unref (deed->window);
  g_object_unref (deed->lock);
  g_free (deed);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Deed, deed_free)

static void
report (AglWindow *window, AglLockEntry *lock, const GError *error)
{
  g_autofree char *trouble = agl_trouble_describe (error);

  agl_lock_entry_set_trouble (lock, trouble);
}

/* The lock that an action is about; NULL: it has ended. */
static AglLockEntry *
find_lock (AglWindow *window, GVariant *parameter)
{
  AglLockModel *model = agl_service_link_get_model (agl_window_get_link (window));
  AglLockEntry *lock = agl_lock_model_lookup (model, g_variant_get_uint64 (parameter));

  if (lock == NULL)
    agl_window_say (window, _ ("This lock has ended."));
  else
    agl_lock_entry_set_trouble (lock, NULL);
  return lock;
}

/* --- looking --- */

static void
on_copy_path (GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
  AglLockEntry *lock = find_lock (user_data, parameter);

  if (lock == NULL)
    return;
  gdk_clipboard_set_text (gtk_widget_get_clipboard (user_data), agl_lock_entry_get_directory (lock));
  agl_window_say (user_data, _ ("Path copied"));
}

static void
on_folder_opened (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (Deed) deed = user_data;
  g_autoptr (GError) error = NULL;

  if (!gtk_show_uri_full_finish (GTK_WINDOW (source), result, &error)
      && !g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    report (deed->window, deed->lock, error);
}

static void
on_open_folder (GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
  AglLockEntry *lock = find_lock (user_data, parameter);
  g_autofree char *uri = NULL;

  if (lock == NULL)
    return;
  uri = g_filename_to_uri (agl_lock_entry_get_path (lock), NULL, NULL);
  if (uri != NULL)
    gtk_show_uri_full (user_data, uri, GDK_CURRENT_TIME, NULL, on_folder_opened, deed_new (user_data, lock));
}

static void
on_open_terminal (GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
  AglLockEntry *lock = find_lock (user_data, parameter);
  g_autoptr (GError) error = NULL;

  if (lock != NULL && !agl_terminal_open (agl_lock_entry_get_path (lock), &error))
    report (user_data, lock, error);
}

/* --- releasing --- */

static void
on_released (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (Deed) deed = user_data;
  g_autofree char *name = agl_words_directory_name (deed->lock);
  g_autofree char *message = NULL;
  g_autoptr (GError) error = NULL;

  if (!agl_lock_calls_release_finish (AGL_SERVICE_LINK (source), result, &error))
    {
      report (deed->window, deed->lock, error);
      return;
    }
  /* Translators: %s is the name of a directory */
  message = g_strdup_printf (_ ("Released %s"), name);
  agl_window_say (deed->window, message);
}

static void
on_release (GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
  AglLockEntry *lock = find_lock (user_data, parameter);

  if (lock != NULL)
    agl_lock_calls_release (agl_window_get_link (user_data), agl_lock_entry_get_id (lock), FALSE, NULL,
                            on_released, deed_new (user_data, lock));
}

static void
on_force_confirmed (AglLockEntry *lock, gpointer user_data)
{
  agl_lock_calls_release (agl_window_get_link (user_data), agl_lock_entry_get_id (lock), TRUE, NULL,
                          on_released, deed_new (user_data, lock));
}

static void
on_force_release (GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
  AglLockEntry *lock = find_lock (user_data, parameter);

  if (lock != NULL)
    agl_force_dialog_present (user_data, agl_service_link_get_model (agl_window_get_link (user_data)), lock,
                              on_force_confirmed, user_data);
}

static const GActionEntry entries[] = {
  { "copy-path", on_copy_path, "t" },         { "open-folder", on_open_folder, "t" },
  { "open-terminal", on_open_terminal, "t" }, { "release", on_release, "t" },
  { "force-release", on_force_release, "t" },
};

void
agl_lock_actions_add (AglWindow *window)
{
  g_action_map_add_action_entries (G_ACTION_MAP (window), entries, G_N_ELEMENTS (entries), window);
}
