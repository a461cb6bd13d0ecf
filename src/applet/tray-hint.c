/* SPDX-License-Identifier: MIT */
#include "applet/tray-hint.h"

#include <glib/gi18n.h>

#define SPACING 12

static GtkWidget *
make_text (void)
{
  GtkWidget *label = gtk_label_new (
      _ ("This desktop has no tray, so the applet cannot go on in the background: it ends with its window."));

  gtk_label_set_wrap (GTK_LABEL (label), TRUE);
  gtk_label_set_wrap_mode (GTK_LABEL (label), PANGO_WRAP_WORD_CHAR);
  gtk_label_set_xalign (GTK_LABEL (label), 0);
  gtk_widget_set_hexpand (label, TRUE);
  return label;
}

static GtkWidget *
make_button (AglPresence *presence)
{
  GtkWidget *button = gtk_button_new_from_icon_name ("window-close-symbolic");

  gtk_widget_set_name (button, "dismiss-tray-hint");
  gtk_widget_set_tooltip_text (button, _ ("Dismiss"));
  gtk_accessible_update_property (GTK_ACCESSIBLE (button), GTK_ACCESSIBLE_PROPERTY_LABEL, _ ("Dismiss"), -1);
  gtk_widget_set_valign (button, GTK_ALIGN_CENTER);
  gtk_widget_add_css_class (button, "flat");
  gtk_widget_add_css_class (button, "circular");
  g_signal_connect_object (button, "clicked", G_CALLBACK (agl_presence_dismiss_hint), presence,
                           G_CONNECT_SWAPPED);
  return button;
}

GtkWidget *
agl_tray_hint_new (AglPresence *presence)
{
  GtkWidget *revealer = gtk_revealer_new ();
  GtkWidget *box =
      g_object_new (GTK_TYPE_BOX, "spacing", SPACING, "accessible-role", GTK_ACCESSIBLE_ROLE_STATUS, NULL);

  gtk_widget_add_css_class (box, "tray-hint");
  gtk_box_append (GTK_BOX (box), make_text ());
  gtk_box_append (GTK_BOX (box), make_button (presence));
  gtk_revealer_set_child (GTK_REVEALER (revealer), box);
  g_object_bind_property (presence, "hint", revealer, "reveal-child", G_BINDING_SYNC_CREATE);
  return revealer;
}
