/* SPDX-License-Identifier: MIT */
#include "applet/claim-dialog.h"

#include <glib/gi18n.h>

#include "applet/lock-calls.h"
#include "applet/trouble.h"

/* With room for an error. */
#define DEFAULT_WIDTH  440
#define DEFAULT_HEIGHT 380

struct _AglClaimDialog
{
  AdwWindow parent_instance;
  AglWindow *window;
  GCancellable *cancellable; /* of the call that is under way; NULL: none */
  GtkFileChooserNative *chooser;
  AdwEntryRow *directory, *reason;
  AdwComboRow *end;
  GtkWidget *claim_button, *trouble_box;
  GtkLabel *trouble;
};

G_DEFINE_FINAL_TYPE (AglClaimDialog, agl_claim_dialog, ADW_TYPE_WINDOW)

static const struct
{
  guint32 ttl_sec;
  const char *label;
} ends[] = {
  { 0, N_ ("I release it") },
  { 30 * 60, N_ ("30 minutes from now") },
  { 60 * 60, N_ ("One hour from now") },
  { 4 * 60 * 60, N_ ("Four hours from now") },
  { 24 * 60 * 60, N_ ("This time tomorrow") },
};

/* "~/src" is what people write. Caller frees. */
static char *
get_path (AglClaimDialog *self)
{
  g_autofree char *text = g_strdup (gtk_editable_get_text (GTK_EDITABLE (self->directory)));

  g_strstrip (text);
  if (g_str_equal (text, "~") || g_str_has_prefix (text, "~/"))
    return g_build_filename (g_get_home_dir (), text + 1, NULL);
  return g_steal_pointer (&text);
}

/* What cannot be asked for is not offered: an empty field, a call under way. */
static void
update (AglClaimDialog *self)
{
  g_autofree char *path = get_path (self);

  gtk_widget_set_sensitive (self->claim_button, *path != '\0' && self->cancellable == NULL);
}

static void
show_trouble (AglClaimDialog *self, const char *text)
{
  gtk_label_set_text (self->trouble, text == NULL ? "" : text);
  gtk_widget_set_visible (self->trouble_box, text != NULL);
}

static void
on_directory_changed (AglClaimDialog *self)
{
  if (gtk_widget_get_visible (self->trouble_box))
    show_trouble (self, NULL);
  update (self);
}

/* --- claiming --- */

static void
on_claimed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (AglClaimDialog) self = user_data;
  g_autoptr (GError) error = NULL;
  g_autofree char *trouble = NULL;
  guint64 id = agl_lock_calls_claim_finish (AGL_SERVICE_LINK (source), result, &error);

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED)) /* closed meanwhile */
    return;
  g_clear_object (&self->cancellable);
  if (id != 0)
    {
      agl_window_say (self->window, _ ("Directory claimed"));
      gtk_window_close (GTK_WINDOW (self));
      return;
    }
  trouble = agl_trouble_describe (error);
  show_trouble (self, trouble);
  update (self);
  gtk_widget_grab_focus (GTK_WIDGET (self->directory));
}

static void
on_claim (AglClaimDialog *self)
{
  g_autofree char *path = get_path (self);
  guint end = adw_combo_row_get_selected (self->end);

  if (*path == '\0' || self->cancellable != NULL || end >= G_N_ELEMENTS (ends))
    return;
  self->cancellable = g_cancellable_new ();
  update (self);
  agl_lock_calls_claim (agl_window_get_link (self->window), path,
                        gtk_editable_get_text (GTK_EDITABLE (self->reason)), ends[end].ttl_sec,
                        self->cancellable, on_claimed, g_object_ref (self));
}

/* --- choosing --- */

static void
on_chosen (GtkNativeDialog *chooser, int response, gpointer user_data)
{
  AglClaimDialog *self = user_data;
  g_autoptr (GFile) folder = NULL;

  if (response == GTK_RESPONSE_ACCEPT)
    folder = gtk_file_chooser_get_file (GTK_FILE_CHOOSER (chooser));
  if (folder != NULL && g_file_peek_path (folder) != NULL)
    gtk_editable_set_text (GTK_EDITABLE (self->directory), g_file_peek_path (folder));
  g_clear_object (&self->chooser);
}

static void
on_choose (AglClaimDialog *self)
{
  if (self->chooser == NULL)
    {
      self->chooser = gtk_file_chooser_native_new (_ ("Choose a Folder"), GTK_WINDOW (self),
                                                   GTK_FILE_CHOOSER_ACTION_SELECT_FOLDER, NULL, NULL);
      g_signal_connect (self->chooser, "response", G_CALLBACK (on_chosen), self);
    }
  gtk_native_dialog_show (GTK_NATIVE_DIALOG (self->chooser));
}

/* --- GObject --- */

void
agl_claim_dialog_present (AglWindow *parent, const char *directory)
{
  AglClaimDialog *self = g_object_new (AGL_TYPE_CLAIM_DIALOG, "transient-for", parent, NULL);

  self->window = g_object_ref (parent);
  /* No wider than what it belongs to. */
  gtk_window_set_default_size (
      GTK_WINDOW (self), MIN (DEFAULT_WIDTH, gtk_widget_get_width (GTK_WIDGET (parent))), DEFAULT_HEIGHT);
  if (directory != NULL && g_utf8_validate (directory, -1, NULL))
    gtk_editable_set_text (GTK_EDITABLE (self->directory), directory);
  gtk_widget_grab_focus (GTK_WIDGET (self->directory));
  gtk_window_present (GTK_WINDOW (self));
}

static void
agl_claim_dialog_dispose (GObject *object)
{
  AglClaimDialog *self = AGL_CLAIM_DIALOG (object);

  if (self->cancellable != NULL)
    g_cancellable_cancel (self->cancellable);
  g_clear_object (&self->cancellable);
  g_clear_object (&self->chooser);
  g_clear_object (&self->window);
  G_OBJECT_CLASS (agl_claim_dialog_parent_class)->dispose (object);
}

/* A person who closes it does not want it any more; what was granted before stays and is seen in the list. */
static gboolean
agl_claim_dialog_close_request (GtkWindow *window)
{
  AglClaimDialog *self = AGL_CLAIM_DIALOG (window);

  if (self->cancellable != NULL)
    g_cancellable_cancel (self->cancellable);
  return GTK_WINDOW_CLASS (agl_claim_dialog_parent_class)->close_request (window);
}

static void
agl_claim_dialog_class_init (AglClaimDialogClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  G_OBJECT_CLASS (klass)->dispose = agl_claim_dialog_dispose;
  GTK_WINDOW_CLASS (klass)->close_request = agl_claim_dialog_close_request;
  gtk_widget_class_set_template_from_resource (widget_class, "/org/agentctl/Locks/Applet/ui/claim-dialog.ui");
  gtk_widget_class_bind_template_child (widget_class, AglClaimDialog, directory);
  gtk_widget_class_bind_template_child (widget_class, AglClaimDialog, reason);
  gtk_widget_class_bind_template_child (widget_class, AglClaimDialog, end);
  gtk_widget_class_bind_template_child (widget_class, AglClaimDialog, claim_button);
  gtk_widget_class_bind_template_child (widget_class, AglClaimDialog, trouble_box);
  gtk_widget_class_bind_template_child (widget_class, AglClaimDialog, trouble);
  gtk_widget_class_bind_template_callback (widget_class, on_claim);
  gtk_widget_class_bind_template_callback (widget_class, on_choose);
  gtk_widget_class_bind_template_callback (widget_class, on_directory_changed);
  gtk_widget_class_add_binding_action (widget_class, GDK_KEY_Escape, 0, "window.close", NULL);
}

static void
agl_claim_dialog_init (AglClaimDialog *self)
{
  g_autoptr (GtkStringList) labels = gtk_string_list_new (NULL);

  gtk_widget_init_template (GTK_WIDGET (self));
  for (gsize i = 0; i < G_N_ELEMENTS (ends); i++)
    gtk_string_list_append (labels, _ (ends[i].label));
  adw_combo_row_set_model (self->end, G_LIST_MODEL (labels));
}
