/* SPDX-License-Identifier: MIT */
#include "applet/lock-list.h"

#include <glib/gi18n.h>

#include "applet/ticker.h"

struct _AglLockList
{
  AdwBin parent_instance;
  GtkListView *view;
  GtkSingleSelection *selection;
  GHashTable *rows; /* AglLockRow that show a lock */
  AglTicker *ticker;
};

G_DEFINE_FINAL_TYPE (AglLockList, agl_lock_list, ADW_TYPE_BIN)

/* A list keeps two hundred rows at hand, of which a dozen are seen: the others are rewritten when they are.
 */
static gboolean
is_seen (GtkWidget *row)
{
  GtkWidget *view = gtk_widget_get_ancestor (row, GTK_TYPE_LIST_VIEW);
  graphene_rect_t bounds;

  return view != NULL && gtk_widget_compute_bounds (row, view, &bounds)
         && bounds.origin.y + bounds.size.height >= 0
         && bounds.origin.y <= (float)gtk_widget_get_height (view);
}

static gint64
tell_age (gpointer text, gint64 now_usec)
{
  if (!is_seen (text))
    return now_usec + G_TIME_SPAN_SECOND;
  return agl_lock_row_tell_age (text, now_usec);
}

/* --- rows --- */

static void
on_setup (GtkSignalListItemFactory *factory, GtkListItem *item, gpointer user_data)
{
  gtk_list_item_set_child (item, GTK_WIDGET (agl_lock_row_new ()));
}

static void
on_bind (GtkSignalListItemFactory *factory, GtkListItem *item, gpointer user_data)
{
  AglLockList *self = user_data;
  AglLockRow *row = AGL_LOCK_ROW (gtk_list_item_get_child (item));
  gboolean is_lock = AGL_IS_LOCK_ENTRY (gtk_list_item_get_item (item));

  gtk_list_item_set_selectable (item, is_lock);
  gtk_list_item_set_activatable (item, is_lock);
  agl_lock_row_set_item (row, gtk_list_item_get_item (item));
  if (!is_lock)
    return;
  g_hash_table_add (self->rows, row);
  agl_ticker_add (self->ticker, row);
}

static void
on_unbind (GtkSignalListItemFactory *factory, GtkListItem *item, gpointer user_data)
{
  AglLockList *self = user_data;
  AglLockRow *row = AGL_LOCK_ROW (gtk_list_item_get_child (item));

  agl_ticker_remove (self->ticker, row);
  g_hash_table_remove (self->rows, row);
  agl_lock_row_set_item (row, NULL);
}

static AglLockRow *
find_row (AglLockList *self, gpointer item)
{
  GHashTableIter iter;
  gpointer row;

  g_hash_table_iter_init (&iter, self->rows);
  while (g_hash_table_iter_next (&iter, &row, NULL))
    if ((gpointer)agl_lock_row_get_entry (row) == item)
      return row;
  return NULL;
}

static void
open_menu (AglLockList *self, gpointer item)
{
  AglLockRow *row = find_row (self, item);

  if (row != NULL)
    agl_lock_row_open_menu (row);
}

static void
on_activate (GtkListView *view, guint position, gpointer user_data)
{
  AglLockList *self = user_data;
  g_autoptr (GObject) item = g_list_model_get_item (G_LIST_MODEL (self->selection), position);

  open_menu (self, item);
}

/* --- keys --- */

static void
on_menu_key (AglLockList *self, AglLockEntry *lock)
{
  open_menu (self, lock);
}

static void
on_escape (AglLockList *self, AglLockEntry *lock)
{
  agl_lock_entry_set_trouble (lock, NULL);
}

/* What holds it lives: then it takes force, and that is asked for first. */
static void
on_delete (AglLockList *self, AglLockEntry *lock)
{
  const char *action = agl_lock_entry_is_claim (lock) ? "win.release" : "win.force-release";

  gtk_widget_activate_action (GTK_WIDGET (self), action, "t", agl_lock_entry_get_id (lock));
}

/* The lock whose row has the focus, which Tab moves too, else the selected one; NULL: none. */
static AglLockEntry *
current_lock (AglLockList *self)
{
  GtkRoot *root = gtk_widget_get_root (GTK_WIDGET (self));
  GtkWidget *focus = root == NULL ? NULL : gtk_root_get_focus (root);
  GObject *item = gtk_single_selection_get_selected_item (self->selection);
  GHashTableIter iter;
  gpointer row;

  g_hash_table_iter_init (&iter, self->rows);
  while (focus != NULL && g_hash_table_iter_next (&iter, &row, NULL))
    if (focus == gtk_widget_get_parent (row) || gtk_widget_is_ancestor (focus, row))
      return agl_lock_row_get_entry (row);
  return AGL_IS_LOCK_ENTRY (item) ? AGL_LOCK_ENTRY (item) : NULL;
}

typedef struct
{
  const char *trigger, *action; /* an action of the window, or */
  void (*handler) (AglLockList *self, AglLockEntry *lock);
} Key;

static const Key keys[] = {
  { "<Control>c", "win.copy-path", NULL },
  { "<Control>o", "win.open-folder", NULL },
  { "<Control>t", "win.open-terminal", NULL },
  { "Delete", NULL, on_delete },
  { "Escape", NULL, on_escape },
  { "Menu", NULL, on_menu_key },
  { "<Shift>F10", NULL, on_menu_key },
};

static gboolean
on_key (GtkWidget *widget, GVariant *arguments, gpointer user_data)
{
  AglLockList *self = AGL_LOCK_LIST (widget);
  AglLockEntry *lock = current_lock (self);
  const Key *key = user_data;

  if (lock == NULL)
    return FALSE;
  if (key->handler != NULL)
    key->handler (self, lock);
  else
    gtk_widget_activate_action (widget, key->action, "t", agl_lock_entry_get_id (lock));
  return TRUE;
}

static void
add_keys (AglLockList *self)
{
  GtkEventController *controller = gtk_shortcut_controller_new ();

  for (gsize i = 0; i < G_N_ELEMENTS (keys); i++)
    gtk_shortcut_controller_add_shortcut (
        GTK_SHORTCUT_CONTROLLER (controller),
        gtk_shortcut_new (gtk_shortcut_trigger_parse_string (keys[i].trigger),
                          gtk_callback_action_new (on_key, (gpointer)&keys[i], NULL)));
  gtk_widget_add_controller (GTK_WIDGET (self), controller);
}

/* --- for others --- */

void
agl_lock_list_set_items (AglLockList *self, GListModel *items)
{
  g_return_if_fail (AGL_IS_LOCK_LIST (self));

  gtk_single_selection_set_model (self->selection, items);
}

gboolean
agl_lock_list_show_lock (AglLockList *self, guint64 id)
{
  guint n = g_list_model_get_n_items (G_LIST_MODEL (self->selection));

  g_return_val_if_fail (AGL_IS_LOCK_LIST (self), FALSE);

  for (guint i = 0; i < n; i++)
    {
      g_autoptr (GObject) item = g_list_model_get_item (G_LIST_MODEL (self->selection), i);

      if (!AGL_IS_LOCK_ENTRY (item) || agl_lock_entry_get_id (AGL_LOCK_ENTRY (item)) != id)
        continue;
      gtk_single_selection_set_selected (self->selection, i);
      gtk_widget_activate_action (GTK_WIDGET (self->view), "list.scroll-to-item", "u", i);
      return TRUE;
    }
  return FALSE;
}

void
agl_lock_list_take_focus (AglLockList *self)
{
  g_return_if_fail (AGL_IS_LOCK_LIST (self));

  gtk_widget_grab_focus (GTK_WIDGET (self->view));
}

/* --- GObject --- */

static void
agl_lock_list_map (GtkWidget *widget)
{
  agl_ticker_set_running (AGL_LOCK_LIST (widget)->ticker, TRUE);
  GTK_WIDGET_CLASS (agl_lock_list_parent_class)->map (widget);
}

static void
agl_lock_list_unmap (GtkWidget *widget)
{
  GTK_WIDGET_CLASS (agl_lock_list_parent_class)->unmap (widget);
  agl_ticker_set_running (AGL_LOCK_LIST (widget)->ticker, FALSE);
}

static void
agl_lock_list_dispose (GObject *object)
{
  AglLockList *self = AGL_LOCK_LIST (object);

  /* Its rows are unbound while there is still something to unbind them from. */
  adw_bin_set_child (ADW_BIN (self), NULL);
  g_clear_object (&self->selection);
  G_OBJECT_CLASS (agl_lock_list_parent_class)->dispose (object);
}

static void
agl_lock_list_finalize (GObject *object)
{
  AglLockList *self = AGL_LOCK_LIST (object);

  agl_ticker_free (self->ticker);
  g_hash_table_unref (self->rows);
  G_OBJECT_CLASS (agl_lock_list_parent_class)->finalize (object);
}

static void
agl_lock_list_class_init (AglLockListClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = agl_lock_list_dispose;
  G_OBJECT_CLASS (klass)->finalize = agl_lock_list_finalize;
  GTK_WIDGET_CLASS (klass)->map = agl_lock_list_map;
  GTK_WIDGET_CLASS (klass)->unmap = agl_lock_list_unmap;
}

static void
agl_lock_list_init (AglLockList *self)
{
  GtkListItemFactory *factory = gtk_signal_list_item_factory_new ();
  GtkWidget *scrolled = gtk_scrolled_window_new ();
  GtkWidget *clamp = adw_clamp_scrollable_new ();

  self->rows = g_hash_table_new (NULL, NULL);
  self->ticker = agl_ticker_new (tell_age);
  self->selection = gtk_single_selection_new (NULL);
  gtk_single_selection_set_autoselect (self->selection, FALSE);
  gtk_single_selection_set_can_unselect (self->selection, TRUE);
  g_signal_connect (factory, "setup", G_CALLBACK (on_setup), self);
  g_signal_connect (factory, "bind", G_CALLBACK (on_bind), self);
  g_signal_connect (factory, "unbind", G_CALLBACK (on_unbind), self);
  self->view =
      GTK_LIST_VIEW (gtk_list_view_new (GTK_SELECTION_MODEL (g_object_ref (self->selection)), factory));
  g_signal_connect (self->view, "activate", G_CALLBACK (on_activate), self);
  gtk_widget_add_css_class (GTK_WIDGET (self->view), "lock-list");
  gtk_accessible_update_property (GTK_ACCESSIBLE (self->view), GTK_ACCESSIBLE_PROPERTY_LABEL, _ ("Locks"),
                                  -1);
  adw_clamp_scrollable_set_maximum_size (ADW_CLAMP_SCROLLABLE (clamp), 800);
  adw_clamp_scrollable_set_child (ADW_CLAMP_SCROLLABLE (clamp), GTK_WIDGET (self->view));
  gtk_scrolled_window_set_policy (GTK_SCROLLED_WINDOW (scrolled), GTK_POLICY_NEVER, GTK_POLICY_AUTOMATIC);
  gtk_scrolled_window_set_child (GTK_SCROLLED_WINDOW (scrolled), clamp);
  gtk_widget_set_vexpand (scrolled, TRUE);
  adw_bin_set_child (ADW_BIN (self), scrolled);
  add_keys (self);
}
