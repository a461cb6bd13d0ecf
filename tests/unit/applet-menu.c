/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "applet/menu-layout.h"
#include "applet/tray-menu.h"

/* What the tray says and offers, without a tray. */

/* @more: a{sv} in text form, or NULL. */
static void
add_lock (AglLockModel *locks, guint64 id, const char *directory, const char *repository, const char *more)
{
  g_autoptr (GVariant) given = g_variant_ref_sink (g_variant_new_parsed (more != NULL ? more : "@a{sv} {}"));
  GVariantDict facts;

  g_variant_dict_init (&facts, given);
  g_variant_dict_insert (&facts, "directory", "s", directory);
  g_variant_dict_insert (&facts, "command", "s", "agent");
  agl_lock_model_take_acquired (locks, id, g_variant_dict_end (&facts));
  agl_lock_model_flush (locks);
  agl_lock_entry_set_repository (agl_lock_model_lookup (locks, id), repository);
}

static void
append_text (GString *text, GVariant *layout)
{
  g_autoptr (GVariant) properties = g_variant_get_child_value (layout, 1);
  g_autoptr (GVariant) children = g_variant_get_child_value (layout, 2);
  const char *label = "-";
  gboolean enabled = TRUE;
  const char *icon = NULL;

  g_variant_lookup (properties, "label", "&s", &label);
  g_variant_lookup (properties, "enabled", "b", &enabled);
  g_variant_lookup (properties, "icon-name", "&s", &icon);
  g_string_append_printf (text, "%s%s%s%s", text->len > 0 && text->str[text->len - 1] != '[' ? "|" : "",
                          label, enabled ? "" : " (off)", icon != NULL ? " (!)" : "");
  if (g_variant_n_children (children) == 0)
    return;
  g_string_append_c (text, '[');
  for (gsize i = 0; i < g_variant_n_children (children); i++)
    {
      g_autoptr (GVariant) boxed = g_variant_get_child_value (children, i);
      g_autoptr (GVariant) child = g_variant_get_variant (boxed);

      append_text (text, child);
    }
  g_string_append_c (text, ']');
}

static void
assert_menu (AglLockModel *locks, AglLinkState state, gboolean group, const char *expected)
{
  g_autoptr (GMenuModel) menu = agl_tray_menu_new (locks, state, group);
  g_autoptr (AglMenuLayout) layout = agl_menu_layout_new (menu, NULL);
  g_autoptr (GVariant) described = g_variant_ref_sink (agl_menu_layout_describe (layout, 0, -1, NULL));
  g_autoptr (GString) text = g_string_new (NULL);

  append_text (text, described);
  g_assert_cmpstr (text->str, ==, expected);
}

#define TAIL "_Open Window|_Claim a Directory…|_Preferences|-|_Quit]"

static void
test_words (void)
{
  g_autoptr (AglLockModel) locks = agl_lock_model_new ();
  g_autofree char *none = agl_tray_summary (locks, AGL_LINK_READY);
  g_autofree char *one = NULL;
  g_autofree char *two = NULL;
  g_autofree char *away = NULL;
  g_autofree char *looking = NULL;
  g_autofree char *details = NULL;
  g_autofree char *no_details = NULL;

  g_assert_cmpstr (none, ==, "No directory is in use");
  add_lock (locks, 1, "/w/<a>", NULL, NULL);
  one = agl_tray_summary (locks, AGL_LINK_READY);
  g_assert_cmpstr (one, ==, "1 directory in use");
  add_lock (locks, 2, "/w/<a>", NULL, NULL);
  add_lock (locks, 3, "/w/b", NULL, NULL);
  two = agl_tray_summary (locks, AGL_LINK_READY);
  g_assert_cmpstr (two, ==, "2 directories in use");
  details = agl_tray_details (locks, AGL_LINK_READY);
  g_assert_cmpstr (details, ==, "/w/&lt;a&gt; — agent\n/w/b — agent");
  away = agl_tray_summary (locks, AGL_LINK_AWAY);
  g_assert_cmpstr (away, ==, "The service is away");
  looking = agl_tray_summary (locks, AGL_LINK_CONNECTING);
  g_assert_cmpstr (looking, ==, "Looking for the service…");
  no_details = agl_tray_details (locks, AGL_LINK_AWAY);
  g_assert_cmpstr (no_details, ==, "");
}

static void
test_long_details (void)
{
  g_autoptr (AglLockModel) locks = agl_lock_model_new ();
  g_autofree char *details = NULL;

  for (guint i = 1; i <= 10; i++)
    {
      g_autofree char *directory = g_strdup_printf ("/w/%u", i);

      add_lock (locks, i, directory, NULL, NULL);
    }
  details = agl_tray_details (locks, AGL_LINK_READY);
  g_assert_true (g_str_has_prefix (details, "/w/1 — agent\n"));
  g_assert_true (g_str_has_suffix (details, "\n/w/8 — agent\n2 more…"));
}

static void
test_attention (void)
{
  g_autoptr (AglLockModel) locks = agl_lock_model_new ();

  add_lock (locks, 1, "/w/a", NULL, "{'cwd': <'inside'>}");
  add_lock (locks, 2, "/w/b", NULL, "{'cwd': <'ignored'>}");
  g_assert_false (agl_tray_wants_attention (locks));
  add_lock (locks, 3, "/w/c", NULL, "{'cwd': <'unknown'>}");
  g_assert_true (agl_tray_wants_attention (locks));
}

static void
test_entries (void)
{
  g_autoptr (AglLockModel) locks = agl_lock_model_new ();

  assert_menu (locks, AGL_LINK_READY, TRUE, "-[No directory is in use (off)|-|" TAIL);
  add_lock (locks, 1, "/w/my_dir", NULL, NULL);
  /* Of two locks there, the one to worry about. */
  add_lock (locks, 2, "/w/b", NULL, "{'cwd': <'inside'>, 'agent': <'one'>}");
  add_lock (locks, 3, "/w/b", NULL, "{'cwd': <'outside'>, 'agent': <'two'>}");
  assert_menu (locks, AGL_LINK_READY, TRUE,
               "-[2 directories in use (off)|-|my__dir — agent|b — two (!)|-|" TAIL);
  assert_menu (locks, AGL_LINK_AWAY, TRUE, "-[The service is away (off)|-|" TAIL);
}

static void
test_repositories (void)
{
  g_autoptr (AglLockModel) locks = agl_lock_model_new ();

  add_lock (locks, 1, "/w/a", "/w/a", NULL);
  add_lock (locks, 2, "/w/other", NULL, NULL);
  add_lock (locks, 3, "/w/a-fix", "/w/a", NULL);
  add_lock (locks, 4, "/w/alone", "/w/alone", NULL);
  assert_menu (
      locks, AGL_LINK_READY, TRUE,
      "-[4 directories in use (off)|-|a (2)[a — agent|a-fix — agent]|other — agent|alone — agent|-|" TAIL);
  assert_menu (locks, AGL_LINK_READY, FALSE,
               "-[4 directories in use (off)|-|a — agent|other — agent|a-fix — agent|alone — agent|-|" TAIL);
}

static void
test_bound (void)
{
  g_autoptr (AglLockModel) locks = agl_lock_model_new ();
  g_autoptr (GString) expected = g_string_new ("-[33 directories in use (off)|-|r (20)[");
  guint64 id = 0;

  for (guint i = 0; i < AGL_TRAY_MENU_MAX + 8; i++)
    {
      g_autofree char *directory = g_strdup_printf ("/r/%u", i);

      add_lock (locks, ++id, directory, "/r", NULL);
      if (i < AGL_TRAY_MENU_MAX)
        g_string_append_printf (expected, "%u — agent|", i);
    }
  g_string_append (expected, "8 more…]|");
  for (guint i = 0; i < AGL_TRAY_MENU_MAX + 1; i++)
    {
      g_autofree char *directory = g_strdup_printf ("/w/%u", i);

      add_lock (locks, ++id, directory, NULL, NULL);
      if (i < AGL_TRAY_MENU_MAX - 1)
        g_string_append_printf (expected, "%u — agent|", i);
    }
  g_string_append (expected, "2 more…|-|" TAIL);
  assert_menu (locks, AGL_LINK_READY, TRUE, expected->str);
}

/* --- numbers --- */

static gint32
id_of_action (const AglMenuLayout *layout, const char *action, guint64 lock)
{
  g_autoptr (GArray) ids = agl_menu_layout_ids (layout);

  for (guint i = 0; i < ids->len; i++)
    {
      GVariant *target;
      gint32 id = g_array_index (ids, gint32, i);

      if (g_strcmp0 (agl_menu_layout_action (layout, id, &target), action) == 0
          && (lock == 0 || (target != NULL && g_variant_get_uint64 (target) == lock)))
        return id;
    }
  return -1;
}

/* What people see while the menu changes under their hands does what it says, or nothing. */
static void
test_numbers (void)
{
  g_autoptr (AglLockModel) locks = agl_lock_model_new ();
  g_autoptr (AglMenuLayout) layout = NULL;
  g_autoptr (GHashTable) meanings = g_hash_table_new (NULL, NULL);
  gint32 quit = 0;

  for (guint64 id = 1; id <= 40; id++)
    {
      g_autofree char *directory = g_strdup_printf ("/w/%" G_GUINT64_FORMAT, id);
      g_autoptr (GMenuModel) menu = NULL;
      g_autoptr (AglMenuLayout) earlier = g_steal_pointer (&layout);

      add_lock (locks, id, directory, NULL, NULL);
      if (id > 5)
        agl_lock_model_take_released (locks, id - 5, "exited", g_variant_new_parsed ("@a{sv} {}"));
      agl_lock_model_flush (locks);
      menu = agl_tray_menu_new (locks, AGL_LINK_READY, TRUE);
      layout = agl_menu_layout_new (menu, earlier);
      if (earlier != NULL)
        {
          g_assert_false (agl_menu_layout_equal (layout, earlier));
          g_assert_cmpint (id_of_action (layout, "quit", 0), ==, quit);
        }
      quit = id_of_action (layout, "quit", 0);
      g_assert_cmpint (quit, >, 0);
      for (guint64 other = 1; other <= id; other++)
        {
          gint32 number = id_of_action (layout, "show-lock", other);
          gpointer meaning = g_hash_table_lookup (meanings, GINT_TO_POINTER (number));

          g_assert_true ((number > 0) == (id < other + 5));
          if (number > 0)
            {
              g_assert_true (meaning == NULL || GPOINTER_TO_UINT (meaning) == other);
              g_hash_table_insert (meanings, GINT_TO_POINTER (number), GUINT_TO_POINTER (other));
            }
        }
    }
}

static void
test_describe (void)
{
  static const char *const only_labels[] = { "label", "colour", NULL };
  g_autoptr (GMenu) menu = g_menu_new ();
  g_autoptr (GMenu) empty = g_menu_new ();
  g_autoptr (GMenu) inner = g_menu_new ();
  g_autoptr (AglMenuLayout) layout = NULL;
  g_autoptr (AglMenuLayout) same = NULL;
  g_autoptr (GVariant) flat = NULL;
  g_autoptr (GVariant) labels = NULL;
  g_autofree char *text = NULL;
  g_autofree char *flat_text = NULL;
  GVariant *target;

  g_menu_append_section (menu, NULL, G_MENU_MODEL (empty));
  g_menu_append (inner, "Deep", "app.deep(uint64 7)");
  g_menu_append_submenu (menu, "More", G_MENU_MODEL (inner));
  g_menu_append (menu, "Elsewhere", "win.close");
  layout = agl_menu_layout_new (G_MENU_MODEL (menu), NULL);
  labels = g_variant_ref_sink (agl_menu_layout_describe (layout, 0, -1, only_labels));
  text = g_variant_print (labels, FALSE);
  g_assert_cmpstr (text, ==,
                   "(0, {}, [<(1, {'label': <'More'>}, [<(2, {'label': <'Deep'>}, @av [])>])>, "
                   "<(3, {'label': <'Elsewhere'>}, @av [])>])");
  flat = g_variant_ref_sink (agl_menu_layout_describe (layout, 1, 0, NULL));
  flat_text = g_variant_print (flat, FALSE);
  g_assert_nonnull (strstr (flat_text, "'children-display': <'submenu'>"));
  g_assert_true (g_str_has_suffix (flat_text, ", [])"));
  g_assert_cmpstr (agl_menu_layout_action (layout, 2, &target), ==, "deep");
  g_assert_cmpuint (g_variant_get_uint64 (target), ==, 7);
  g_assert_null (agl_menu_layout_action (layout, 3, &target)); /* not an action of the application */
  g_assert_null (agl_menu_layout_action (layout, 4, &target));
  g_assert_null (agl_menu_layout_describe (layout, 4, -1, NULL));
  g_assert_null (agl_menu_layout_properties (layout, 4, NULL));
  same = agl_menu_layout_new (G_MENU_MODEL (menu), layout);
  g_assert_true (agl_menu_layout_equal (layout, same));
}

int
main (int argc, char **argv)
{
  g_setenv ("LC_ALL", "C.UTF-8", TRUE);
  g_setenv ("HOME", "/nonexistent", TRUE);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/applet/menu/words", test_words);
  g_test_add_func ("/applet/menu/long-details", test_long_details);
  g_test_add_func ("/applet/menu/attention", test_attention);
  g_test_add_func ("/applet/menu/entries", test_entries);
  g_test_add_func ("/applet/menu/repositories", test_repositories);
  g_test_add_func ("/applet/menu/bound", test_bound);
  g_test_add_func ("/applet/menu/numbers", test_numbers);
  g_test_add_func ("/applet/menu/describe", test_describe);
  return g_test_run ();
}
