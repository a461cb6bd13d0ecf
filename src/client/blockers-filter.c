/* SPDX-License-Identifier: MIT */
#include "client/blockers-filter.h"

#include "client/lock-columns.h"

static gboolean
lets_sharers_in (GVariant *blocker)
{
  gboolean shared = FALSE;
  const char *kind;

  g_variant_lookup (blocker, "shared", "b", &shared);
  return shared || (g_variant_lookup (blocker, "kind", "&s", &kind) && g_str_equal (kind, "unregistered"));
}

GVariant *
agl_blockers_filter (GVariant *blockers, pid_t holder, gboolean shared, gboolean *others_first)
{
  GVariantBuilder builder;
  GVariant *found;
  gboolean has_sharers = FALSE;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("aa{sv}"));
  for (gsize i = 0; i < g_variant_n_children (blockers); i++)
    {
      g_autoptr (GVariant) blocker = g_variant_get_child_value (blockers, i);

      if (holder != 0 && agl_row_number (blocker, "pid", 0) == (guint64)holder)
        continue;
      if (shared && lets_sharers_in (blocker))
        has_sharers = TRUE;
      else
        g_variant_builder_add_value (&builder, blocker);
    }
  found = g_variant_ref_sink (g_variant_builder_end (&builder));
  if (others_first != NULL)
    *others_first = has_sharers && g_variant_n_children (found) == 0;
  return found;
}
