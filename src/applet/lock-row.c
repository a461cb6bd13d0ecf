/* SPDX-License-Identifier: MIT */
#include "applet/lock-row.h"

#include <glib/gi18n.h>

#include "applet/application.h"
#include "applet/lock-groups.h"
#include "applet/lock-menu.h"
#include "applet/lock-words.h"
#include "client/place.h"
#include "common/text.h"

struct _AglLockRow
{
  AdwBin parent_instance;
  GObject *item;
  gulong changed;
  GtkWidget *heading, *content, *trouble_box;
  GtkLabel *heading_name, *heading_place;
  GtkLabel *directory, *age, *holder, *mode, *waiters, *warning, *trouble;
  GtkImage *icon;
  GtkMenuButton *menu;
};

G_DEFINE_FINAL_TYPE (AglLockRow, agl_lock_row, ADW_TYPE_BIN)

AglLockEntry *
agl_lock_row_get_entry (AglLockRow *self)
{
  g_return_val_if_fail (AGL_IS_LOCK_ROW (self), NULL);
  return AGL_IS_LOCK_ENTRY (self->item) ? AGL_LOCK_ENTRY (self->item) : NULL;
}

/* --- what it says --- */

static const char *
icon_name (AglLockEntry *lock)
{
  if (agl_lock_entry_is_outside (lock) || agl_lock_entry_is_unknown (lock))
    return "dialog-warning-symbolic";
  if (agl_lock_entry_is_claim (lock))
    return "view-pin-symbolic";
  return agl_lock_entry_get_shared (lock) ? "system-users-symbolic" : "changes-prevent-symbolic";
}

/* Nothing to say takes no place. @text is consumed. */
static void
say_or_hide (GtkLabel *label, GtkWidget *hidden, char *text)
{
  gtk_label_set_text (label, text == NULL ? "" : text);
  gtk_widget_set_visible (hidden, text != NULL);
  g_free (text);
}

static void
say (GtkLabel *label, char *text)
{
  gtk_label_set_text (label, text);
  g_free (text);
}

/* What belongs to the heading above it stands a little in. */
#define GROUP_INDENT_PX 18

static void
indent (AglLockRow *self, gboolean is_in)
{
  GtkWidget *line = gtk_widget_get_parent (GTK_WIDGET (self));

  if (line != NULL)
    gtk_widget_set_margin_start (line, is_in ? GROUP_INDENT_PX : 0);
}

/* Of the line as a whole, which is what a screen reader stops at. */
static void
name_line (AglLockRow *self, const char *text)
{
  GtkWidget *line = gtk_widget_get_parent (GTK_WIDGET (self));

  if (line != NULL)
    gtk_accessible_update_property (GTK_ACCESSIBLE (line), GTK_ACCESSIBLE_PROPERTY_LABEL, text, -1);
}

gint64
agl_lock_row_tell_age (AglLockRow *self, gint64 now_usec)
{
  AglLockEntry *lock = agl_lock_row_get_entry (self);
  gint64 next = G_MAXINT64;

  if (lock != NULL)
    say (self->age, agl_words_age (lock, now_usec, &next));
  return next;
}

static void
set_class (GtkWidget *widget, const char *name, gboolean has)
{
  if (widget == NULL)
    return;
  if (has)
    gtk_widget_add_css_class (widget, name);
  else
    gtk_widget_remove_css_class (widget, name);
}

static void
show_lock (AglLockRow *self, AglLockEntry *lock)
{
  gint64 now_usec = g_get_real_time ();
  g_autofree char *spoken = agl_words_spoken (lock, now_usec);
  g_autofree char *directory = agl_words_directory (lock);
  g_autofree char *menu_name = NULL;
  gboolean worrying = agl_lock_entry_is_outside (lock) || agl_lock_entry_is_unknown (lock);

  gtk_image_set_from_icon_name (self->icon, icon_name (lock));
  set_class (GTK_WIDGET (self->icon), "warning", worrying);
  gtk_label_set_text (self->directory, directory);
  say (self->holder, agl_words_holder (lock));
  say (self->mode, agl_words_mode (lock));
  say_or_hide (self->waiters, GTK_WIDGET (self->waiters), agl_words_waiters (lock));
  say_or_hide (self->warning, GTK_WIDGET (self->warning), agl_words_warning (lock));
  say_or_hide (self->trouble, self->trouble_box, g_strdup (agl_lock_entry_get_trouble (lock)));
  indent (self, agl_lock_entry_is_grouped (lock));
  agl_lock_row_tell_age (self, now_usec);
  name_line (self, spoken);
  /* Translators: %s is a directory */
  menu_name = g_strdup_printf (_ ("Actions for %s"), directory);
  gtk_accessible_update_property (GTK_ACCESSIBLE (self->menu), GTK_ACCESSIBLE_PROPERTY_LABEL, menu_name, -1);
}

static void
show_group (AglLockRow *self, AglLockGroup *group)
{
  const char *repository = agl_lock_group_get_repository (group);
  g_autofree char *place = agl_place_display (repository, g_get_home_dir ());
  g_autofree char *name = g_path_get_basename (repository);
  g_autofree char *shown = agl_text_escape (name, -1);
  /* Translators: %s is the name of a Git repository */
  g_autofree char *spoken = g_strdup_printf (_ ("Repository %s"), shown);

  gtk_label_set_text (self->heading_name, shown);
  gtk_label_set_text (self->heading_place, place);
  indent (self, FALSE);
  name_line (self, spoken);
}

static void
on_changed (AglLockEntry *lock, GParamSpec *pspec, gpointer user_data)
{
  show_lock (user_data, lock);
}

void
agl_lock_row_set_item (AglLockRow *self, GObject *item)
{
  g_return_if_fail (AGL_IS_LOCK_ROW (self));

  if (self->item != NULL)
    g_clear_signal_handler (&self->changed, self->item);
  g_set_object (&self->item, item);
  set_class (gtk_widget_get_parent (GTK_WIDGET (self)), "lock-card", AGL_IS_LOCK_ENTRY (item));
  gtk_widget_set_visible (self->content, AGL_IS_LOCK_ENTRY (item));
  gtk_widget_set_visible (self->heading, AGL_IS_LOCK_GROUP (item));
  if (AGL_IS_LOCK_ENTRY (item))
    {
      self->changed = g_signal_connect (item, "notify", G_CALLBACK (on_changed), self);
      show_lock (self, AGL_LOCK_ENTRY (item));
    }
  else if (AGL_IS_LOCK_GROUP (item))
    show_group (self, AGL_LOCK_GROUP (item));
}

/* --- what can be done --- */

/* Made when it is opened: most never are. */
static void
make_menu (GtkMenuButton *button, gpointer user_data)
{
  AglLockEntry *lock = agl_lock_row_get_entry (user_data);
  AglChoices *choices = agl_application_get_choices (AGL_APPLICATION (g_application_get_default ()));
  g_autoptr (GMenuModel) menu = lock == NULL ? NULL : agl_lock_menu_new (lock, choices);

  gtk_menu_button_set_menu_model (button, menu);
}

void
agl_lock_row_open_menu (AglLockRow *self)
{
  g_return_if_fail (AGL_IS_LOCK_ROW (self));

  if (agl_lock_row_get_entry (self) != NULL)
    gtk_menu_button_popup (self->menu);
}

static void
on_dismiss (AglLockRow *self)
{
  AglLockEntry *lock = agl_lock_row_get_entry (self);

  if (lock != NULL)
    agl_lock_entry_set_trouble (lock, NULL);
}

/* The whole path, where it does not fit. Asked for when it is wanted: to set the text of a tooltip asks the
 * display where the pointer is, for every row. */
static gboolean
on_tooltip (AglLockRow *self, int x, int y, gboolean keyboard, GtkTooltip *tooltip)
{
  if (!pango_layout_is_ellipsized (gtk_label_get_layout (self->directory)))
    return FALSE;
  gtk_tooltip_set_text (tooltip, gtk_label_get_text (self->directory));
  return TRUE;
}

/* --- GObject --- */

AglLockRow *
agl_lock_row_new (void)
{
  return g_object_new (AGL_TYPE_LOCK_ROW, NULL);
}

static void
agl_lock_row_dispose (GObject *object)
{
  AglLockRow *self = AGL_LOCK_ROW (object);

  if (self->item != NULL)
    g_clear_signal_handler (&self->changed, self->item);
  g_clear_object (&self->item);
  G_OBJECT_CLASS (agl_lock_row_parent_class)->dispose (object);
}

static void
agl_lock_row_class_init (AglLockRowClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  G_OBJECT_CLASS (klass)->dispose = agl_lock_row_dispose;
  gtk_widget_class_set_template_from_resource (widget_class, "/org/agentctl/Locks/Applet/ui/lock-row.ui");
  gtk_widget_class_bind_template_child (widget_class, AglLockRow, heading);
  gtk_widget_class_bind_template_child (widget_class, AglLockRow, heading_name);
  gtk_widget_class_bind_template_child (widget_class, AglLockRow, heading_place);
  gtk_widget_class_bind_template_child (widget_class, AglLockRow, content);
  gtk_widget_class_bind_template_child (widget_class, AglLockRow, icon);
  gtk_widget_class_bind_template_child (widget_class, AglLockRow, directory);
  gtk_widget_class_bind_template_child (widget_class, AglLockRow, age);
  gtk_widget_class_bind_template_child (widget_class, AglLockRow, holder);
  gtk_widget_class_bind_template_child (widget_class, AglLockRow, mode);
  gtk_widget_class_bind_template_child (widget_class, AglLockRow, waiters);
  gtk_widget_class_bind_template_child (widget_class, AglLockRow, warning);
  gtk_widget_class_bind_template_child (widget_class, AglLockRow, trouble_box);
  gtk_widget_class_bind_template_child (widget_class, AglLockRow, trouble);
  gtk_widget_class_bind_template_child (widget_class, AglLockRow, menu);
  gtk_widget_class_bind_template_callback (widget_class, on_dismiss);
  gtk_widget_class_bind_template_callback (widget_class, on_tooltip);
}

static void
agl_lock_row_init (AglLockRow *self)
{
  gtk_widget_init_template (GTK_WIDGET (self));
  gtk_menu_button_set_create_popup_func (self->menu, make_menu, self, NULL);
}
