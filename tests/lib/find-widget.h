/* SPDX-License-Identifier: MIT */
#pragma once
#include <gtk/gtk.h>

/* The first widget of @type in the tree below @root, itself included; NULL: none. */
static inline GtkWidget *
find_widget (GtkWidget *root, GType type)
{
  if (G_TYPE_CHECK_INSTANCE_TYPE (root, type))
    return root;
  for (GtkWidget *child = gtk_widget_get_first_child (root); child != NULL;
       child = gtk_widget_get_next_sibling (child))
    {
      GtkWidget *found = find_widget (child, type);

      if (found != NULL)
        return found;
    }
  return NULL;
}
