/* SPDX-License-Identifier: MIT */
#include <json-glib/json-glib.h>
#include <string.h>

#include "client/exit-status.h"
#include "client/status-line.h"

#define TWO                                                                                         \
  "[{'kind': <'process'>, 'directory': <'/home/me/a<b>'>, 'pid': <uint32 7>, 'agent': <'claude'>}," \
  " {'kind': <'manual'>, 'directory': <'/srv/x'>, 'agent': <'me & you'>}]"

static char *
line_of (const char *how, const char *locks, guint n_waiters, gboolean is_online)
{
  g_auto (AglStatusFormat) format = { 0 };
  g_autoptr (GVariant) rows = g_variant_ref_sink (g_variant_new_parsed (locks));
  AglStatus status = { .locks = rows, .n_waiters = n_waiters, .is_online = is_online, .home = "/home/me" };
  g_autoptr (GError) error = NULL;

  g_assert_true (agl_status_format_parse (how, &format, &error));
  g_assert_no_error (error);
  return agl_status_line (&status, &format);
}

static void
assert_plain (const char *how, const char *expected)
{
  g_autofree char *line = line_of (how, TWO, 3, TRUE);

  g_assert_cmpstr (line, ==, expected);
}

static void
test_plain (void)
{
  assert_plain ("plain", "waiting 2");
  assert_plain ("plain:", "");
  assert_plain ("plain:{locks}/{waiters}/{process}/{manual}/{state}", "2/3/1/1/waiting");
  assert_plain ("plain:{who}", "claude, me & you");
  assert_plain ("plain:{directories}", "~/a<b>, /srv/x");
  assert_plain ("plain:{{locks}} } {locks}}", "{locks} } 2}");
}

static void
test_wrong_formats (void)
{
  static const char *const wrong[] = {
    "", "i3", "waybar:x", "plain:{lock}", "plain:{", "plain:a {locks", "plain:\xff"
  };

  for (gsize i = 0; i < G_N_ELEMENTS (wrong); i++)
    {
      g_auto (AglStatusFormat) format = { 0 };
      g_autoptr (GError) error = NULL;

      g_assert_false (agl_status_format_parse (wrong[i], &format, &error));
      g_assert_error (error, AGL_EXIT_ERROR, AGL_EXIT_USAGE);
    }
}

static void
test_tmux (void)
{
  g_autofree char *idle = line_of ("tmux", "@aa{sv} []", 0, TRUE);
  g_autofree char *held = line_of ("tmux", TWO, 0, TRUE);
  g_autofree char *waiting = line_of ("tmux", TWO, 1, TRUE);
  g_autofree char *offline = line_of ("tmux", TWO, 0, FALSE);

  g_assert_cmpstr (idle, ==, "");
  g_assert_cmpstr (held, ==, "#[fg=yellow]locks 2#[default]");
  g_assert_cmpstr (waiting, ==, "#[fg=red]locks 2 +1#[default]");
  g_assert_cmpstr (offline, ==, "#[fg=brightblack]locks 2#[default]");
}

static void
assert_waybar (const char *locks,
               guint n_waiters,
               gboolean is_online,
               const char *text,
               const char *state,
               const char *tooltip)
{
  g_autofree char *line = line_of ("waybar", locks, n_waiters, is_online);
  g_autoptr (JsonNode) node = json_from_string (line, NULL);
  JsonObject *object;

  g_assert_null (strchr (line, '\n'));
  g_assert_nonnull (node);
  object = json_node_get_object (node);
  g_assert_cmpstr (json_object_get_string_member (object, "text"), ==, text);
  g_assert_cmpstr (json_object_get_string_member (object, "class"), ==, state);
  g_assert_cmpstr (json_object_get_string_member (object, "alt"), ==, state);
  g_assert_cmpstr (json_object_get_string_member (object, "tooltip"), ==, tooltip);
}

static void
test_waybar (void)
{
  assert_waybar ("@aa{sv} []", 0, TRUE, "", "free", "No directory is locked.");
  assert_waybar (TWO, 0, TRUE, "2", "held", "~/a&lt;b&gt;  claude [7]\n/srv/x  me &amp; you");
  assert_waybar (TWO, 1, TRUE, "2 +1", "waiting",
                 "~/a&lt;b&gt;  claude [7]\n/srv/x  me &amp; you\n1 request is waiting");
  assert_waybar ("@aa{sv} []", 0, FALSE, "", "offline",
                 "The service is away; what it said last:\nNo directory is locked.");
}

static void
test_many (void)
{
  GString *locks = g_string_new ("[");
  g_autofree char *text = NULL;
  g_autofree char *line = NULL;

  for (guint i = 0; i < 23; i++)
    g_string_append_printf (locks, "%s{'kind': <'manual'>, 'directory': <'/%u'>}", i == 0 ? "" : ", ", i);
  text = g_string_free (g_string_append_c (locks, ']'), FALSE);
  line = line_of ("waybar", text, 0, TRUE);
  g_assert_nonnull (strstr (line, "/19"));
  g_assert_null (strstr (line, "/20"));
  g_assert_nonnull (strstr (line, "and 3 more"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/status/plain", test_plain);
  g_test_add_func ("/status/wrong-formats", test_wrong_formats);
  g_test_add_func ("/status/tmux", test_tmux);
  g_test_add_func ("/status/waybar", test_waybar);
  g_test_add_func ("/status/many", test_many);
  return g_test_run ();
}
