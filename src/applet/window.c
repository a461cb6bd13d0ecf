/* SPDX-License-Identifier: MIT */
#include "applet/window.h"

#include <glib/gi18n.h>

struct _AglWindow
{
  AdwApplicationWindow parent_instance;
};

G_DEFINE_FINAL_TYPE (AglWindow, agl_window, ADW_TYPE_APPLICATION_WINDOW)

void
agl_window_show_lock (AglWindow *self, guint64 id)
{
  g_return_if_fail (AGL_IS_WINDOW (self));
}

AglWindow *
agl_window_new (AglApplication *application)
{
  return g_object_new (AGL_TYPE_WINDOW, "application", application, "title", _ ("Directory Locks"), NULL);
}

static void
agl_window_class_init (AglWindowClass *klass)
{
}

static void
agl_window_init (AglWindow *self)
{
}
