/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "client/exposition.h"

static char *
format (const char *properties, const char *locks)
{
  g_autoptr (GVariant) props = g_variant_ref_sink (g_variant_new_parsed (properties));
  g_autoptr (GVariant) rows = g_variant_ref_sink (g_variant_new_parsed (locks));

  return agl_exposition_format (props, rows);
}

static void
assert_line (const char *text, const char *line)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);

  if (!g_strv_contains ((const char *const *)lines, line))
    g_error ("no line “%s” in:\n%s", line, text);
}

static void
test_locks (void)
{
  g_autofree char *text = format ("{'WaiterCount': <uint32 3>}",
                                  "[{'kind': <'process'>}, {'kind': <'process'>, 'shared': <true>},"
                                  " {'kind': <'manual'>, 'subtree': <true>}]");

  assert_line (text, "agentctl_locks_active{type=\"auto\"} 2");
  assert_line (text, "agentctl_locks_active{type=\"manual\"} 1");
  assert_line (text, "agentctl_locks_held{kind=\"process\",mode=\"exclusive\"} 1");
  assert_line (text, "agentctl_locks_held{kind=\"process\",mode=\"shared\"} 1");
  assert_line (text, "agentctl_locks_held{kind=\"manual\",mode=\"exclusive-subtree\"} 1");
  assert_line (text, "agentctl_locks_held{kind=\"manual\",mode=\"shared-subtree\"} 0");
  assert_line (text, "agentctl_locks_waiters 3");
}

static void
test_histogram (void)
{
  g_autofree char *text =
      format ("{'Histograms': <{'hold-seconds-le-60': uint64 4, 'hold-seconds-le-5': uint64 1,"
              " 'hold-seconds-le-x': uint64 9, 'hold-count': uint64 5, 'hold-usec-sum': uint64 61000007}>,"
              " 'Counters': <{'released-exited': uint64 2}>}",
              "@aa{sv} []");
  const char *first = strstr (text, "le=\"5\"} 1\n");
  const char *second = strstr (text, "le=\"60\"} 4\n");

  g_assert_nonnull (first);
  g_assert_nonnull (second);
  g_assert_true (first < second);
  assert_line (text, "agentctl_locks_hold_seconds_bucket{le=\"+Inf\"} 5");
  assert_line (text, "agentctl_locks_hold_seconds_sum 61.000007");
  assert_line (text, "agentctl_locks_hold_seconds_count 5");
  assert_line (text, "agentctl_locks_released_total{reason=\"exited\"} 2");
  g_assert_null (strstr (text, "wait_seconds"));
  g_assert_null (strstr (text, "le=\"x\""));
}

static void
test_labels (void)
{
  g_autofree char *text = format ("{'Version': <'1\"\\\\2\\n'>, 'Scope': <'user'>}", "@aa{sv} []");

  assert_line (text, "agentctl_locks_build_info{version=\"1\\\"\\\\2\\n\",scope=\"user\"} 1");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/metrics/locks", test_locks);
  g_test_add_func ("/metrics/histogram", test_histogram);
  g_test_add_func ("/metrics/labels", test_labels);
  return g_test_run ();
}
