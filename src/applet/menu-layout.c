/* SPDX-License-Identifier: MIT */
#include "applet/menu-layout.h"

#include "applet/tray-menu.h"

#define ACTION_PREFIX "app."

typedef struct
{
  gint32 id;
  char *key; /* what it stands for */
  GVariant *properties;
  char *action;
  GVariant *target;
  GPtrArray *children; /* Item */
} Item;

struct _AglMenuLayout
{
  Item *root;
  GHashTable *by_id;  /* gint32 → Item, borrowed */
  GHashTable *by_key; /* → Item, borrowed */
  gint32 last_id;     /* of this and all earlier ones */
};

static void
item_free (gpointer data)
{
  Item *item = data;

  g_free (item->key);
  g_clear_pointer (&item->properties, g_variant_unref);
  g_free (item->action);
  g_clear_pointer (&item->target, g_variant_unref);
  g_ptr_array_unref (item->children);
  g_free (item);
}

/* Two that stand for the same in one layout are told apart by their order. */
static char *
make_unique (AglMenuLayout *self, const char *base)
{
  char *key = g_strdup (base);

  for (guint n = 2; g_hash_table_contains (self->by_key, key); n++)
    {
      g_free (key);
      key = g_strdup_printf ("%s#%u", base, n);
    }
  return key;
}

static Item *
add_item (AglMenuLayout *self, Item *parent, const char *key, const AglMenuLayout *earlier)
{
  Item *item = g_new0 (Item, 1);
  Item *before;

  item->key = make_unique (self, key);
  item->children = g_ptr_array_new_with_free_func (item_free);
  before = earlier != NULL ? g_hash_table_lookup (earlier->by_key, item->key) : NULL;
  item->id = before != NULL ? before->id : ++self->last_id;
  g_hash_table_insert (self->by_id, GINT_TO_POINTER (item->id), item);
  g_hash_table_insert (self->by_key, item->key, item);
  if (parent != NULL)
    g_ptr_array_add (parent->children, item);
  return item;
}

static void
add_separator (AglMenuLayout *self, Item *parent, const AglMenuLayout *earlier)
{
  g_autofree char *key = g_strdup_printf ("separator of %s", parent->key);
  Item *item = add_item (self, parent, key, earlier);
  GVariantDict properties;

  g_variant_dict_init (&properties, NULL);
  g_variant_dict_insert (&properties, "type", "s", "separator");
  item->properties = g_variant_ref_sink (g_variant_dict_end (&properties));
}

static void append_items (AglMenuLayout *self, Item *parent, GMenuModel *model, const AglMenuLayout *earlier);

static char *
make_key (const char *label, const char *action, GVariant *target)
{
  g_autofree char *printed = target != NULL ? g_variant_print (target, FALSE) : NULL;

  if (action == NULL)
    return g_strdup_printf ("label %s", label);
  return g_strdup_printf ("action %s %s", action, printed != NULL ? printed : "");
}

static void
append_item (AglMenuLayout *self, Item *parent, GMenuModel *model, int position, const AglMenuLayout *earlier)
{
  g_autoptr (GMenuModel) submenu = g_menu_model_get_item_link (model, position, G_MENU_LINK_SUBMENU);
  g_autoptr (GVariant) target =
      g_menu_model_get_item_attribute_value (model, position, G_MENU_ATTRIBUTE_TARGET, NULL);
  g_autofree char *label = NULL;
  g_autofree char *action = NULL;
  g_autofree char *icon = NULL;
  g_autofree char *key = NULL;
  GVariantDict properties;
  Item *item;

  g_menu_model_get_item_attribute (model, position, G_MENU_ATTRIBUTE_LABEL, "s", &label);
  g_menu_model_get_item_attribute (model, position, G_MENU_ATTRIBUTE_ACTION, "s", &action);
  g_menu_model_get_item_attribute (model, position, AGL_TRAY_MENU_ICON, "s", &icon);
  key = make_key (label, action, target);
  item = add_item (self, parent, key, earlier);
  g_variant_dict_init (&properties, NULL);
  g_variant_dict_insert (&properties, "label", "s", label);
  if (icon != NULL)
    g_variant_dict_insert (&properties, "icon-name", "s", icon);
  if (submenu != NULL)
    g_variant_dict_insert (&properties, "children-display", "s", "submenu");
  else if (action == NULL)
    g_variant_dict_insert (&properties, "enabled", "b", FALSE);
  item->properties = g_variant_ref_sink (g_variant_dict_end (&properties));
  if (action != NULL && g_str_has_prefix (action, ACTION_PREFIX))
    item->action = g_strdup (action + sizeof ACTION_PREFIX - 1);
  item->target = g_steal_pointer (&target);
  if (submenu != NULL)
    append_items (self, item, submenu, earlier);
}

static void
append_items (AglMenuLayout *self, Item *parent, GMenuModel *model, const AglMenuLayout *earlier)
{
  int n = g_menu_model_get_n_items (model);

  for (int i = 0; i < n; i++)
    {
      g_autoptr (GMenuModel) section = g_menu_model_get_item_link (model, i, G_MENU_LINK_SECTION);

      if (section == NULL)
        {
          append_item (self, parent, model, i, earlier);
          continue;
        }
      if (g_menu_model_get_n_items (section) == 0)
        continue;
      if (parent->children->len > 0)
        add_separator (self, parent, earlier);
      append_items (self, parent, section, earlier);
    }
}

AglMenuLayout *
agl_menu_layout_new (GMenuModel *model, const AglMenuLayout *earlier)
{
  AglMenuLayout *self = g_new0 (AglMenuLayout, 1);
  GVariantDict properties;

  self->by_id = g_hash_table_new (NULL, NULL);
  self->by_key = g_hash_table_new (g_str_hash, g_str_equal);
  self->last_id = earlier != NULL ? earlier->last_id : -1;
  self->root = add_item (self, NULL, "menu", earlier); /* 0 */
  g_variant_dict_init (&properties, NULL);
  g_variant_dict_insert (&properties, "children-display", "s", "submenu");
  self->root->properties = g_variant_ref_sink (g_variant_dict_end (&properties));
  append_items (self, self->root, model, earlier);
  return self;
}

void
agl_menu_layout_free (AglMenuLayout *self)
{
  if (self == NULL)
    return;
  g_hash_table_unref (self->by_id);
  g_hash_table_unref (self->by_key);
  item_free (self->root);
  g_free (self);
}

/* --- what it says --- */

static const Item *
find (const AglMenuLayout *self, gint32 id)
{
  return g_hash_table_lookup (self->by_id, GINT_TO_POINTER (id));
}

gboolean
agl_menu_layout_has (const AglMenuLayout *self, gint32 id)
{
  return find (self, id) != NULL;
}

static GVariant *
select_properties (const Item *item, const char *const *names)
{
  GVariantDict chosen;

  if (names == NULL || names[0] == NULL)
    return item->properties;
  g_variant_dict_init (&chosen, NULL);
  for (gsize i = 0; names[i] != NULL; i++)
    {
      g_autoptr (GVariant) value = g_variant_lookup_value (item->properties, names[i], NULL);

      if (value != NULL)
        g_variant_dict_insert_value (&chosen, names[i], value);
    }
  return g_variant_dict_end (&chosen);
}

static GVariant *
describe (const Item *item, gint32 depth, const char *const *names)
{
  GVariantBuilder children;

  g_variant_builder_init (&children, G_VARIANT_TYPE ("av"));
  for (guint i = 0; depth != 0 && i < item->children->len; i++)
    g_variant_builder_add (&children, "v",
                           describe (item->children->pdata[i], depth > 0 ? depth - 1 : -1, names));
  return g_variant_new ("(i@a{sv}av)", item->id, select_properties (item, names), &children);
}

GVariant *
agl_menu_layout_describe (const AglMenuLayout *self, gint32 id, gint32 depth, const char *const *names)
{
  const Item *item = find (self, id);

  return item != NULL ? describe (item, depth, names) : NULL;
}

GVariant *
agl_menu_layout_properties (const AglMenuLayout *self, gint32 id, const char *const *names)
{
  const Item *item = find (self, id);

  return item != NULL ? select_properties (item, names) : NULL;
}

GArray *
agl_menu_layout_ids (const AglMenuLayout *self)
{
  GArray *ids = g_array_new (FALSE, FALSE, sizeof (gint32));
  GHashTableIter iter;
  gpointer id;

  g_hash_table_iter_init (&iter, self->by_id);
  while (g_hash_table_iter_next (&iter, &id, NULL))
    {
      gint32 number = GPOINTER_TO_INT (id);

      g_array_append_val (ids, number);
    }
  return ids;
}

gboolean
agl_menu_layout_equal (const AglMenuLayout *self, const AglMenuLayout *other)
{
  g_autoptr (GVariant) mine = g_variant_ref_sink (agl_menu_layout_describe (self, 0, -1, NULL));
  g_autoptr (GVariant) theirs = g_variant_ref_sink (agl_menu_layout_describe (other, 0, -1, NULL));

  return g_variant_equal (mine, theirs);
}

const char *
agl_menu_layout_action (const AglMenuLayout *self, gint32 id, GVariant **target)
{
  const Item *item = find (self, id);

  *target = item != NULL ? item->target : NULL;
  return item != NULL ? item->action : NULL;
}
