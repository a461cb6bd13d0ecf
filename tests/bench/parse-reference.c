/* SPDX-License-Identifier: MIT */

/* parse-reference FOLDER: reads and parses every lock file there with json-glib, and nothing more. */
#include <json-glib/json-glib.h>
#include <string.h>

int
main (int argc, char **argv)
{
  g_autoptr (GDir) folder = argc == 2 ? g_dir_open (argv[1], 0, NULL) : NULL;
  g_autoptr (JsonParser) parser = json_parser_new ();
  const char *name;
  guint n = 0;

  if (folder == NULL)
    return 64;
  while ((name = g_dir_read_name (folder)) != NULL)
    {
      g_autofree char *path = g_build_filename (argv[1], name, NULL);
      g_autofree char *text = NULL;
      gsize length;

      if (!g_file_get_contents (path, &text, &length, NULL))
        continue;
      if (json_parser_load_from_data (parser, text, length, NULL))
        n++;
    }
  g_print ("%u\n", n);
  return 0;
}
