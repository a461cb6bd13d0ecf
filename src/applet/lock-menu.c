/* SPDX-License-Identifier: MIT */
#include "applet/lock-menu.h"

#include <glib/gi18n.h>

static void
append (GMenu *section, AglLockEntry *lock, const char *label, const char *action)
{
  g_autoptr (GMenuItem) item = g_menu_item_new (label, NULL);

  g_menu_item_set_action_and_target (item, action, "t", agl_lock_entry_get_id (lock));
  g_menu_append_item (section, item);
}

static void
append_watch (GMenu *section, AglLockEntry *lock, AglChoices *choices)
{
  const char *directory = agl_lock_entry_get_directory (lock);
  gboolean watched = agl_choices_get_watched (choices, directory);
  g_autoptr (GMenuItem) item = g_menu_item_new (watched ? _ ("Stop _Watching") : _ ("_Watch"), NULL);

  g_menu_item_set_action_and_target (item, "app.watch", "(sb)", directory, !watched);
  g_menu_append_item (section, item);
}

GMenuModel *
agl_lock_menu_new (AglLockEntry *lock, AglChoices *choices)
{
  g_autoptr (GMenu) look = g_menu_new ();
  g_autoptr (GMenu) end = g_menu_new ();
  GMenu *menu = g_menu_new ();

  append (look, lock, _ ("_Copy Path"), "win.copy-path");
  append (look, lock, _ ("Open _Folder"), "win.open-folder");
  append (look, lock, _ ("Open _Terminal Here"), "win.open-terminal");
  append_watch (look, lock, choices);
  if (agl_lock_entry_is_claim (lock))
    append (end, lock, _ ("_Release"), "win.release");
  else
    append (end, lock, _ ("_Release by Force…"), "win.force-release");
  g_menu_append_section (menu, NULL, G_MENU_MODEL (look));
  g_menu_append_section (menu, NULL, G_MENU_MODEL (end));
  return G_MENU_MODEL (menu);
}
