/* SPDX-License-Identifier: MIT */
#include "client/json.h"

#include <json-glib/json-glib.h>

#include "client/output.h"

char *
agl_json_from_variant (GVariant *value, gboolean pretty)
{
  g_autoptr (JsonNode) node = json_gvariant_serialize (value);

  return json_to_string (node, pretty);
}

void
agl_json_print (GVariant *value, gboolean pretty)
{
  g_autoptr (GVariant) owned = g_variant_ref_sink (value);
  g_autofree char *text = agl_json_from_variant (owned, pretty);
  g_autofree char *line = g_strconcat (text, "\n", NULL);

  /* Not g_print: JSON is UTF-8 whatever the locale says. */
  agl_output_put (line);
}
