/* SPDX-License-Identifier: MIT */
#pragma once
#include <gio/gio.h>

/* A GMenuModel as com.canonical.dbusmenu has it: numbered items with properties. Sections become separators.
 * A copy of one moment: later changes of the model are another layout. No bus in it. */
typedef struct _AglMenuLayout AglMenuLayout;

/* @earlier: what was shown before, or NULL. An item that does the same (and stands for the same) keeps its
 * number, and no number is used for two: a click on what people saw never does something else. */
AglMenuLayout *agl_menu_layout_new (GMenuModel *model, const AglMenuLayout *earlier);
void agl_menu_layout_free (AglMenuLayout *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AglMenuLayout, agl_menu_layout_free)

/* FALSE: people would see a difference. */
gboolean agl_menu_layout_equal (const AglMenuLayout *self, const AglMenuLayout *other);

gboolean agl_menu_layout_has (const AglMenuLayout *self, gint32 id);

/* (ia{sv}av) from item @id on, floating; @depth: -1 for all that is below; @names: NULL or empty for all
 * properties. NULL: no such item. */
GVariant *
agl_menu_layout_describe (const AglMenuLayout *self, gint32 id, gint32 depth, const char *const *names);

/* a{sv}, floating; NULL: no such item. */
GVariant *agl_menu_layout_properties (const AglMenuLayout *self, gint32 id, const char *const *names);

/* Of every item. int32; caller unrefs. */
GArray *agl_menu_layout_ids (const AglMenuLayout *self);

/* The action of that item, without "app."; NULL: it has none. *target: borrowed, NULL for none. */
const char *agl_menu_layout_action (const AglMenuLayout *self, gint32 id, GVariant **target);
