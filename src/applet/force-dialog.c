/* SPDX-License-Identifier: MIT */
#include "applet/force-dialog.h"

#include <glib/gi18n.h>

#include "applet/lock-words.h"
#include "client/duration.h"

typedef struct
{
  AglLockEntry *lock;
  void (*confirmed) (AglLockEntry *lock, gpointer user_data);
  gpointer user_data;
} Question;

static void
question_free (gpointer data, GClosure *closure)
{
  Question *question = data;

  g_object_unref (question->lock);
  g_free (question);
}

static void
on_response (AdwMessageDialog *dialog, const char *response, gpointer user_data)
{
  Question *question = user_data;

  if (g_str_equal (response, "release"))
    question->confirmed (question->lock, question->user_data);
}

static void
on_lock_released (AglLockModel *model, AglLockEntry *lock, const char *reason, gpointer dialog)
{
  if (g_object_get_data (dialog, "lock") == lock)
    gtk_window_close (GTK_WINDOW (dialog));
}

/* "claude (process 4242) has been working in ~/src/project since 14:02, for 3min." */
static char *
describe (AglLockEntry *lock)
{
  g_autofree char *directory = agl_words_directory (lock);
  g_autofree char *who = agl_words_who (lock);
  gint64 since = (gint64)agl_lock_entry_get_acquired_at (lock);
  g_autoptr (GDateTime) time = g_date_time_new_from_unix_local (since / G_USEC_PER_SEC);
  g_autofree char *clock = time == NULL ? g_strdup ("?") : g_date_time_format (time, "%x %X");
  g_autofree char *length = agl_duration_to_string (g_get_real_time () - since);
  const char *command = agl_lock_entry_get_command (lock);

  if (agl_lock_entry_is_claim (lock))
    /* Translators: a user, a directory, a date and time, a length of time */
    return g_strdup_printf (_ ("%s claimed %s on %s, %s ago."), who, directory, clock, length);
  return g_strdup_printf (
      /* Translators: an agent, its command, a process number, a directory, a date and time, a length of time
       */
      _ ("%s (command %s, process %u) is running and has held %s since %s, for %s.\n\nIt is not stopped: it "
         "goes on "
         "working there, and another agent may start beside it."),
      who, command, agl_lock_entry_get_pid (lock), directory, clock, length);
}

void
agl_force_dialog_present (GtkWindow *parent,
                          AglLockModel *model,
                          AglLockEntry *lock,
                          void (*confirmed) (AglLockEntry *lock, gpointer user_data),
                          gpointer user_data)
{
  g_autofree char *body = describe (lock);
  GtkWidget *dialog = adw_message_dialog_new (parent, _ ("Release by Force?"), body);
  Question *question = g_new0 (Question, 1);

  question->lock = g_object_ref (lock);
  question->confirmed = confirmed;
  question->user_data = user_data;
  adw_message_dialog_add_responses (ADW_MESSAGE_DIALOG (dialog), "cancel", _ ("_Cancel"), "release",
                                    _ ("_Release"), NULL);
  adw_message_dialog_set_response_appearance (ADW_MESSAGE_DIALOG (dialog), "release",
                                              ADW_RESPONSE_DESTRUCTIVE);
  adw_message_dialog_set_default_response (ADW_MESSAGE_DIALOG (dialog), "cancel");
  adw_message_dialog_set_close_response (ADW_MESSAGE_DIALOG (dialog), "cancel");
  gtk_window_set_destroy_with_parent (GTK_WINDOW (dialog), TRUE);
  g_object_set_data (G_OBJECT (dialog), "lock", lock);
  g_signal_connect_data (dialog, "response", G_CALLBACK (on_response), question, question_free, 0);
  g_signal_connect_object (model, "lock-released", G_CALLBACK (on_lock_released), dialog, 0);
  gtk_window_present (GTK_WINDOW (dialog));
}
