/* SPDX-License-Identifier: MIT */
#include "applet/tray-menu.h"

#include <glib/gi18n.h>

#include "applet/lock-words.h"
#include "client/place.h"

/* A tooltip is no list. */
#define MAX_DETAILS 8

/* One directory, or one repository of several. */
typedef struct
{
  const char *repository; /* NULL: none */
  GPtrArray *locks;       /* AglLockEntry, one a directory; borrowed */
} Place;

static void
place_free (gpointer data)
{
  Place *place = data;

  g_ptr_array_unref (place->locks);
  g_free (place);
}

static gboolean
is_odd (AglLockEntry *lock)
{
  return agl_lock_entry_is_outside (lock) || agl_lock_entry_is_unknown (lock);
}

/* Of each directory one lock, the oldest; an odd one rather than another. The list's references. */
static GPtrArray *
one_of_each_directory (AglLockModel *locks)
{
  g_autoptr (GHashTable) positions = g_hash_table_new (g_str_hash, g_str_equal);
  GPtrArray *found = g_ptr_array_new_with_free_func (g_object_unref);
  guint n = g_list_model_get_n_items (G_LIST_MODEL (locks));

  for (guint i = 0; i < n; i++)
    {
      g_autoptr (AglLockEntry) lock = g_list_model_get_item (G_LIST_MODEL (locks), i);
      const char *directory = agl_lock_entry_get_directory (lock);
      gpointer position;

      if (!g_hash_table_lookup_extended (positions, directory, NULL, &position))
        {
          g_hash_table_insert (positions, (gpointer)directory, GUINT_TO_POINTER (found->len));
          g_ptr_array_add (found, g_steal_pointer (&lock));
        }
      else if (is_odd (lock) && !is_odd (found->pdata[GPOINTER_TO_UINT (position)]))
        {
          gpointer *slot = &found->pdata[GPOINTER_TO_UINT (position)];

          g_hash_table_replace (positions, (gpointer)directory, position);
          g_object_unref (*slot);
          *slot = g_steal_pointer (&lock);
        }
    }
  return found;
}

/* --- words --- */

char *
agl_tray_summary (AglLockModel *locks, AglLinkState state)
{
  guint n = agl_lock_model_count_directories (locks);

  switch (state)
    {
    case AGL_LINK_CONNECTING:
      return g_strdup (_ ("Looking for the service…"));
    case AGL_LINK_AWAY:
      return g_strdup (_ ("The service is away"));
    case AGL_LINK_READY:
      break;
    }
  if (n == 0)
    return g_strdup (_ ("No directory is in use"));
  /* Translators: of a count of directories in which agents are at work */
  return g_strdup_printf (g_dngettext (NULL, "%u directory in use", "%u directories in use", n), n);
}

static char *
lock_label (AglLockEntry *lock)
{
  g_autofree char *name = agl_words_directory_name (lock);
  g_autofree char *who = agl_words_who (lock);

  /* Translators: in a menu: the name of a directory and who is there */
  return g_strdup_printf (_ ("%s — %s"), name, who);
}

static char *
more_label (guint n)
{
  /* Translators: in a list that would be too long: so many directories besides */
  return g_strdup_printf (g_dngettext (NULL, "%u more…", "%u more…", n), n);
}

char *
agl_tray_details (AglLockModel *locks, AglLinkState state)
{
  g_autoptr (GPtrArray) rows = one_of_each_directory (locks);
  g_autoptr (GString) text = g_string_new (NULL);

  if (state != AGL_LINK_READY)
    return g_strdup ("");
  for (guint i = 0; i < MIN (rows->len, MAX_DETAILS); i++)
    {
      g_autofree char *directory = agl_words_directory (rows->pdata[i]);
      g_autofree char *who = agl_words_who (rows->pdata[i]);

      g_string_append_printf (text, "%s%s — %s", i > 0 ? "\n" : "", directory, who);
    }
  if (rows->len > MAX_DETAILS)
    {
      g_autofree char *more = more_label (rows->len - MAX_DETAILS);

      g_string_append_printf (text, "\n%s", more);
    }
  return g_markup_escape_text (text->str, -1);
}

gboolean
agl_tray_wants_attention (AglLockModel *locks)
{
  guint n = g_list_model_get_n_items (G_LIST_MODEL (locks));

  for (guint i = 0; i < n; i++)
    {
      g_autoptr (AglLockEntry) lock = g_list_model_get_item (G_LIST_MODEL (locks), i);

      if (is_odd (lock))
        return TRUE;
    }
  return FALSE;
}

/* --- the menu --- */

/* In the order of their oldest locks. */
static GPtrArray *
collect_places (GPtrArray *rows, gboolean group)
{
  g_autoptr (GHashTable) by_repository = g_hash_table_new (g_str_hash, g_str_equal);
  GPtrArray *places = g_ptr_array_new_with_free_func (place_free);

  for (guint i = 0; i < rows->len; i++)
    {
      const char *repository = group ? agl_lock_entry_get_repository (rows->pdata[i]) : NULL;
      Place *place = repository != NULL ? g_hash_table_lookup (by_repository, repository) : NULL;

      if (place == NULL)
        {
          place = g_new0 (Place, 1);
          place->repository = repository;
          place->locks = g_ptr_array_new ();
          g_ptr_array_add (places, place);
          if (repository != NULL)
            g_hash_table_insert (by_repository, (gpointer)repository, place);
        }
      g_ptr_array_add (place->locks, rows->pdata[i]);
    }
  return places;
}

/* A single underscore in a label would mark a key (GMenuItem, and com.canonical.dbusmenu too). */
static char *
without_mnemonic (const char *label)
{
  g_auto (GStrv) parts = g_strsplit (label, "_", -1);

  return g_strjoinv ("__", parts);
}

static void
append_lock (GMenu *menu, AglLockEntry *lock)
{
  g_autofree char *label = lock_label (lock);
  g_autofree char *escaped = without_mnemonic (label);
  g_autoptr (GMenuItem) item = g_menu_item_new (escaped, NULL);

  g_menu_item_set_action_and_target (item, "app.show-lock", "t", agl_lock_entry_get_id (lock));
  if (is_odd (lock))
    g_menu_item_set_attribute (item, AGL_TRAY_MENU_ICON, "s", "dialog-warning-symbolic");
  g_menu_append_item (menu, item);
}

static void
append_more (GMenu *menu, guint n)
{
  g_autofree char *label = more_label (n);

  g_menu_append (menu, label, "app.show");
}

static void
append_locks (GMenu *menu, GPtrArray *locks)
{
  for (guint i = 0; i < MIN (locks->len, AGL_TRAY_MENU_MAX); i++)
    append_lock (menu, locks->pdata[i]);
  if (locks->len > AGL_TRAY_MENU_MAX)
    append_more (menu, locks->len - AGL_TRAY_MENU_MAX);
}

static void
append_place (GMenu *menu, const Place *place)
{
  g_autoptr (GMenu) submenu = NULL;
  g_autofree char *base = NULL;
  g_autofree char *name = NULL;
  g_autofree char *label = NULL;
  g_autofree char *escaped = NULL;

  if (place->locks->len == 1)
    {
      append_lock (menu, place->locks->pdata[0]);
      return;
    }
  submenu = g_menu_new ();
  append_locks (submenu, place->locks);
  base = g_path_get_basename (place->repository);
  name = agl_place_display (base, NULL);
  /* Translators: in a menu: a repository's name and how many of its worktrees are in use */
  label = g_strdup_printf (_ ("%s (%u)"), name, place->locks->len);
  escaped = without_mnemonic (label);
  g_menu_append_submenu (menu, escaped, G_MENU_MODEL (submenu));
}

static GMenu *
make_places (AglLockModel *locks, gboolean group)
{
  g_autoptr (GPtrArray) rows = one_of_each_directory (locks);
  g_autoptr (GPtrArray) places = collect_places (rows, group);
  GMenu *menu = g_menu_new ();
  guint n_left = rows->len;

  for (guint i = 0; i < MIN (places->len, AGL_TRAY_MENU_MAX); i++)
    {
      append_place (menu, places->pdata[i]);
      n_left -= ((Place *)places->pdata[i])->locks->len;
    }
  if (n_left > 0)
    append_more (menu, n_left);
  return menu;
}

static void
append_section (GMenu *menu, GMenu *section)
{
  g_menu_append_section (menu, NULL, G_MENU_MODEL (section));
  g_object_unref (section);
}

GMenuModel *
agl_tray_menu_new (AglLockModel *locks, AglLinkState state, gboolean group)
{
  GMenu *menu = g_menu_new ();
  GMenu *head = g_menu_new ();
  GMenu *tail = g_menu_new ();
  g_autofree char *summary = agl_tray_summary (locks, state);

  g_menu_append (head, summary, NULL);
  append_section (menu, head);
  if (state == AGL_LINK_READY)
    append_section (menu, make_places (locks, group));
  g_menu_append (tail, _ ("_Open Window"), "app.show");
  g_menu_append (tail, _ ("_Claim a Directory…"), "app.claim");
  g_menu_append (tail, _ ("_Preferences"), "app.preferences");
  append_section (menu, tail);
  tail = g_menu_new ();
  g_menu_append (tail, _ ("_Quit"), "app.quit");
  append_section (menu, tail);
  return G_MENU_MODEL (menu);
}
