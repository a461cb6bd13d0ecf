/* SPDX-License-Identifier: MIT */
#include "applet/lock-groups.h"

struct _AglLockGroup
{
  GObject parent_instance;
  char *repository;
};

G_DEFINE_FINAL_TYPE (AglLockGroup, agl_lock_group, G_TYPE_OBJECT)

struct _AglLockGroups
{
  GObject parent_instance;
  GListModel *locks;
  GPtrArray *items;     /* AglLockEntry, AglLockGroup */
  GHashTable *headings; /* repository → AglLockGroup, so that a heading stays the same object */
  guint regroup_source;
};

static void agl_lock_groups_list_init (GListModelInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (AglLockGroups,
                               agl_lock_groups,
                               G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (G_TYPE_LIST_MODEL, agl_lock_groups_list_init))

/* --- headings --- */

static void
agl_lock_group_finalize (GObject *object)
{
  g_free (AGL_LOCK_GROUP (object)->repository);
  G_OBJECT_CLASS (agl_lock_group_parent_class)->finalize (object);
}

static void
agl_lock_group_class_init (AglLockGroupClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = agl_lock_group_finalize;
}

static void
agl_lock_group_init (AglLockGroup *self)
{
}

const char *
agl_lock_group_get_repository (AglLockGroup *self)
{
  g_return_val_if_fail (AGL_IS_LOCK_GROUP (self), "");
  return self->repository;
}

/* @headings: those of the list that is being made. */
static AglLockGroup *
take_heading (AglLockGroups *self, GHashTable *headings, const char *repository)
{
  AglLockGroup *group = g_hash_table_lookup (self->headings, repository);

  if (group != NULL)
    g_object_ref (group);
  else
    {
      group = g_object_new (AGL_TYPE_LOCK_GROUP, NULL);
      group->repository = g_strdup (repository);
    }
  g_hash_table_insert (headings, group->repository, g_object_ref (group));
  return group;
}

static GHashTable *
new_headings (void)
{
  return g_hash_table_new_full (g_str_hash, g_str_equal, NULL, g_object_unref);
}

/* --- grouping --- */

/* The locks of each repository, in their order. */
static GHashTable *
sort_by_repository (GListModel *locks)
{
  GHashTable *members =
      g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify)g_ptr_array_unref);
  guint n = g_list_model_get_n_items (locks);

  for (guint i = 0; i < n; i++)
    {
      g_autoptr (AglLockEntry) entry = g_list_model_get_item (locks, i);
      const char *repository = agl_lock_entry_get_repository (entry);
      GPtrArray *group;

      if (repository == NULL)
        continue;
      group = g_hash_table_lookup (members, repository);
      if (group == NULL)
        {
          group = g_ptr_array_new ();
          g_hash_table_insert (members, (gpointer)repository, group);
        }
      g_ptr_array_add (group, entry);
    }
  return members;
}

static gboolean
is_in_several_directories (const GPtrArray *group)
{
  for (guint i = 1; i < group->len; i++)
    if (!g_str_equal (agl_lock_entry_get_directory (group->pdata[0]),
                      agl_lock_entry_get_directory (group->pdata[i])))
      return TRUE;
  return FALSE;
}

static GPtrArray *
arrange (AglLockGroups *self)
{
  g_autoptr (GHashTable) members = sort_by_repository (self->locks);
  g_autoptr (GHashTable) headings = new_headings ();
  GPtrArray *items = g_ptr_array_new_with_free_func (g_object_unref);
  guint n = g_list_model_get_n_items (self->locks);

  for (guint i = 0; i < n; i++)
    {
      g_autoptr (AglLockEntry) entry = g_list_model_get_item (self->locks, i);
      const char *repository = agl_lock_entry_get_repository (entry);
      const GPtrArray *group = repository == NULL ? NULL : g_hash_table_lookup (members, repository);
      gboolean has_heading;

      if (group == NULL)
        {
          agl_lock_entry_set_grouped (entry, FALSE);
          g_ptr_array_add (items, g_steal_pointer (&entry));
          continue;
        }
      if (group->pdata[0] != entry) /* it stands with the oldest already */
        continue;
      has_heading = is_in_several_directories (group);
      if (has_heading)
        g_ptr_array_add (items, take_heading (self, headings, repository));
      for (guint j = 0; j < group->len; j++)
        {
          agl_lock_entry_set_grouped (group->pdata[j], has_heading);
          g_ptr_array_add (items, g_object_ref (group->pdata[j]));
        }
    }
  g_hash_table_unref (self->headings);
  self->headings = g_steal_pointer (&headings);
  return items;
}

/* --- telling what is different --- */

/* Where each item is to be, counted from 1. */
static GHashTable *
index_items (GPtrArray *items)
{
  GHashTable *positions = g_hash_table_new (NULL, NULL);

  for (guint i = 0; i < items->len; i++)
    g_hash_table_insert (positions, items->pdata[i], GUINT_TO_POINTER (i + 1));
  return positions;
}

/* Which of the present items stay where they are among each other: TRUE for each that does not. */
static gboolean *
choose_leaving (AglLockGroups *self, GHashTable *positions)
{
  gboolean *leaving = g_new0 (gboolean, self->items->len + 1);
  guint last = 0;

  for (guint i = 0; i < self->items->len; i++)
    {
      guint position = GPOINTER_TO_UINT (g_hash_table_lookup (positions, self->items->pdata[i]));

      leaving[i] = position <= last;
      last = MAX (last, position);
    }
  return leaving;
}

static void
remove_leaving (AglLockGroups *self, const gboolean *leaving)
{
  guint end = self->items->len;

  while (end > 0)
    {
      guint begin = end;

      while (begin > 0 && leaving[begin - 1])
        begin--;
      if (begin < end)
        {
          g_ptr_array_remove_range (self->items, begin, end - begin);
          g_list_model_items_changed (G_LIST_MODEL (self), begin, end - begin, 0);
        }
      end = begin == 0 ? 0 : begin - 1;
    }
}

static void
add_missing (AglLockGroups *self, GPtrArray *wanted)
{
  guint begin = 0;

  while (begin < wanted->len)
    {
      gpointer next = begin < self->items->len ? self->items->pdata[begin] : NULL;
      guint end = begin;

      while (end < wanted->len && wanted->pdata[end] != next)
        {
          g_ptr_array_insert (self->items, (gint)end, g_object_ref (wanted->pdata[end]));
          end++;
        }
      if (begin < end)
        g_list_model_items_changed (G_LIST_MODEL (self), begin, 0, end - begin);
      begin = end + 1;
    }
}

/* Runs of rows that go, then runs that come, and what stays is not spoken of: a view makes every row anew
 * that is, and here the first and the last often change together. */
static void
regroup (AglLockGroups *self)
{
  g_autoptr (GPtrArray) wanted = arrange (self);
  g_autoptr (GHashTable) positions = index_items (wanted);
  g_autofree gboolean *leaving = choose_leaving (self, positions);

  g_clear_handle_id (&self->regroup_source, g_source_remove);
  remove_leaving (self, leaving);
  add_missing (self, wanted);
}

static gboolean
on_regroup (gpointer user_data)
{
  AglLockGroups *self = user_data;

  self->regroup_source = 0;
  regroup (self);
  return G_SOURCE_REMOVE;
}

void
agl_lock_groups_regroup (AglLockGroups *self)
{
  g_return_if_fail (AGL_IS_LOCK_GROUPS (self));

  if (self->regroup_source == 0)
    self->regroup_source = g_idle_add (on_regroup, self);
}

static void
on_items_changed (GListModel *locks, guint position, guint removed, guint added, gpointer user_data)
{
  regroup (user_data);
}

AglLockGroups *
agl_lock_groups_new (GListModel *locks)
{
  AglLockGroups *self = g_object_new (AGL_TYPE_LOCK_GROUPS, NULL);

  self->locks = g_object_ref (locks);
  g_signal_connect_object (locks, "items-changed", G_CALLBACK (on_items_changed), self, 0);
  regroup (self);
  return self;
}

/* --- GListModel and GObject --- */

static GType
agl_lock_groups_get_item_type (GListModel *model)
{
  return G_TYPE_OBJECT;
}

static guint
agl_lock_groups_get_n_items (GListModel *model)
{
  return AGL_LOCK_GROUPS (model)->items->len;
}

static gpointer
agl_lock_groups_get_item (GListModel *model, guint position)
{
  AglLockGroups *self = AGL_LOCK_GROUPS (model);

  return position < self->items->len ? g_object_ref (self->items->pdata[position]) : NULL;
}

static void
agl_lock_groups_list_init (GListModelInterface *iface)
{
  iface->get_item_type = agl_lock_groups_get_item_type;
  iface->get_n_items = agl_lock_groups_get_n_items;
  iface->get_item = agl_lock_groups_get_item;
}

static void
agl_lock_groups_finalize (GObject *object)
{
  AglLockGroups *self = AGL_LOCK_GROUPS (object);

  g_clear_handle_id (&self->regroup_source, g_source_remove);
  g_ptr_array_unref (self->items);
  g_hash_table_unref (self->headings);
  g_clear_object (&self->locks);
  G_OBJECT_CLASS (agl_lock_groups_parent_class)->finalize (object);
}

static void
agl_lock_groups_class_init (AglLockGroupsClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = agl_lock_groups_finalize;
}

static void
agl_lock_groups_init (AglLockGroups *self)
{
  self->items = g_ptr_array_new_with_free_func (g_object_unref);
  self->headings = new_headings ();
}
