/* SPDX-License-Identifier: MIT */
#include "applet/tray-hint.h"

#include <glib/gi18n.h>

static void
on_response (GtkInfoBar *bar, int response, AglPresence *presence)
{
  agl_presence_dismiss_hint (presence);
}

GtkWidget *
agl_tray_hint_new (AglPresence *presence)
{
  GtkWidget *bar = gtk_info_bar_new ();
  GtkWidget *label = gtk_label_new (
      _ ("This desktop has no tray, so the applet cannot go on in the background: it ends with its window."));

  gtk_label_set_wrap (GTK_LABEL (label), TRUE);
  gtk_label_set_xalign (GTK_LABEL (label), 0);
  gtk_widget_set_hexpand (label, TRUE);
  gtk_info_bar_add_child (GTK_INFO_BAR (bar), label);
  gtk_info_bar_set_message_type (GTK_INFO_BAR (bar), GTK_MESSAGE_INFO);
  gtk_info_bar_set_show_close_button (GTK_INFO_BAR (bar), TRUE);
  gtk_widget_set_name (bar, "tray-hint");
  g_object_bind_property (presence, "hint", bar, "revealed", G_BINDING_SYNC_CREATE);
  g_signal_connect_object (bar, "response", G_CALLBACK (on_response), presence, 0);
  return bar;
}
