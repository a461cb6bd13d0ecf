/* SPDX-License-Identifier: MIT */
#include "client/options.h"

#include <locale.h>

#include "client/exit-status.h"
#include "client/suggest.h"
#include "common/names.h"

static const GOptionEntry entries[] = {
  { "wait", 'w', G_OPTION_FLAG_OPTIONAL_ARG, G_OPTION_ARG_CALLBACK, NULL, NULL, NULL },
  { "code", 'E', 0, G_OPTION_ARG_INT, NULL, NULL, NULL },
  { "quiet", 'q', 0, G_OPTION_ARG_NONE, NULL, NULL, NULL },
  { "agent", 0, 0, G_OPTION_ARG_FILENAME, NULL, NULL, NULL },
  { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, NULL, NULL, NULL },
  { NULL },
};

static void
test_expand (void)
{
  static const struct
  {
    const char *in, *out;
  } cases[] = {
    { "", "" },
    { "dir", "dir" },
    { "-w dir", "--wait= dir" },
    { "--wait dir", "--wait= dir" },
    { "--wait=2 dir", "--wait=2 dir" },
    { "-w0.5 dir", "--wait=0.5 dir" },
    { "-w=5", "--wait=5" },
    { "-qw dir", "-q --wait= dir" },
    { "-qw5", "-q --wait=5" },
    { "-E3", "-E 3" },
    { "-E 3", "-E 3" },
    { "-qE3 -q", "-q -E 3 -q" },
    { "--agent -w dir", "--agent -w dir" }, /* a value, whatever it looks like */
    { "-E -w dir", "-E -w dir" },
    { "--agent=x -w", "--agent=x --wait=" },
    { "--agent x -w", "--agent x --wait=" },
    { "-q -- -w -E3 --wait", "-q -- -w -E3 --wait" },
    { "-x", "-x" },
    { "-qxw", "-q -xw" },
    { "-", "-" },
    { "-h", "-h" },
    { "--unknown -w", "--unknown --wait=" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_auto (GStrv) in = g_strsplit (cases[i].in, " ", -1);
      g_auto (GStrv) out = agl_options_expand ((const char *const *)in, entries);
      g_autofree char *joined = g_strjoinv (" ", out);

      g_assert_cmpstr (joined, ==, cases[i].out);
    }
}

#define ALL_GROUPS ((AglOptionGroups)((AGL_OPTIONS_AGENT << 1) - 1))

static const AglUsage plain = { .name = "plain", .groups = ALL_GROUPS, .max_arguments = 1 };
static const AglUsage launcher = { .name = "launcher",
                                   .synopsis = "[DIR] -- COMMAND…",
                                   .groups = AGL_OPTIONS_WAIT | AGL_OPTIONS_QUIET,
                                   .max_arguments = 1,
                                   .takes_command_line = TRUE };

/* @line is split at spaces. */
static gboolean
parse (AglOptions *options, const AglUsage *usage, const char *line, GError **error)
{
  g_auto (GStrv) args = *line == '\0' ? g_new0 (char *, 1) : g_strsplit (line, " ", -1);

  return agl_options_parse (options, usage, (const char *const *)args, error);
}

static void
test_defaults (void)
{
  g_auto (AglOptions) options = { 0 };
  g_autoptr (GError) error = NULL;

  g_assert_true (parse (&options, &plain, "", &error));
  g_assert_no_error (error);
  g_assert_false (options.wait);
  g_assert_cmpint (options.wait_msec, ==, -1);
  g_assert_cmpint (options.conflict_status, ==, 75);
  g_assert_cmpint (options.uid, ==, -1);
  g_assert_null (options.arguments);
  g_assert_null (options.trailing);
}

static void
test_values (void)
{
  g_auto (AglOptions) options = { 0 };
  g_autoptr (GError) error = NULL;

  g_assert_true (
      parse (&options, &plain,
             "dir -w1.5 -E9 --id=18446744073709551615 --pid 42 --ttl=1h30m --agent=claude --reason "
             "größe --uid=0 -q",
             &error));
  g_assert_no_error (error);
  g_assert_true (options.wait);
  g_assert_cmpint (options.wait_msec, ==, 1500);
  g_assert_cmpint (options.conflict_status, ==, 9);
  g_assert_cmpuint (options.id, ==, G_MAXUINT64);
  g_assert_cmpint (options.pid, ==, 42);
  g_assert_cmpuint (options.ttl_sec, ==, 5400);
  g_assert_cmpstr (options.agent, ==, "claude");
  g_assert_cmpstr (options.reason, ==, "größe");
  g_assert_cmpint (options.uid, ==, 0);
  g_assert_true (options.quiet);
  g_assert_cmpstr (options.arguments[0], ==, "dir");
  g_assert_null (options.arguments[1]);
}

static void
test_wrong (void)
{
  static const char *const lines[] = {
    "a b",
    "--unknown",
    "--id=0",
    "--id=-1",
    "--id=18446744073709551616",
    "--id=x",
    "--id=",
    "--id",
    "--pid=0",
    "--pid=2147483648",
    "--pid=1x",
    "--uid=4294967295",
    "-E256",
    "-E-1",
    "--wait=x",
    "--wait=-1",
    "--wait=1e3",
    "--wait=5000000",
    "--ttl=0",
    "--ttl=1y",
    "--ttl=",
    "--ttl=5000000000",
    "--wait --nonblock",
    "--wait --join",
    "--wait --steal",
    "--join --steal",
    "--system --user",
    "--system --address=unix:path=/x",
    "--user --address=unix:path=/x",
    "--json --output=id",
    "--json --quiet",
    "--json=no",
    "--steal=no",
    "--quiet=",
    "--follow-cwd --no-follow-cwd",
    "--directory=/ --under=/",
    "--reason=\xff",
  };

  for (gsize i = 0; i < G_N_ELEMENTS (lines); i++)
    {
      g_auto (AglOptions) options = { 0 };
      g_autoptr (GError) error = NULL;

      g_test_message ("%s", lines[i]);
      g_assert_false (parse (&options, &plain, lines[i], &error));
      g_assert_error (error, AGL_EXIT_ERROR, AGL_EXIT_USAGE);
    }
}

static void
test_text_too_long (void)
{
  g_auto (AglOptions) fits = { 0 };
  g_auto (AglOptions) too_long = { 0 };
  g_autoptr (GError) error = NULL;
  g_autofree char *text = g_strnfill (AGL_MAX_TEXT_BYTES, 'x');
  g_autofree char *longest = g_strconcat ("--reason=", text, NULL);
  g_autofree char *longer = g_strconcat (longest, "x", NULL);

  g_assert_true (parse (&fits, &plain, longest, &error));
  g_assert_false (parse (&too_long, &plain, longer, &error));
  g_assert_error (error, AGL_EXIT_ERROR, AGL_EXIT_USAGE);
}

/* What looks like an option with too much may be the value of another. */
static void
test_a_value_that_looks_like_an_option (void)
{
  g_auto (AglOptions) options = { 0 };
  g_autoptr (GError) error = NULL;

  g_assert_true (parse (&options, &plain, "--reason --json=no -- --steal=no", &error));
  g_assert_no_error (error);
  g_assert_cmpstr (options.reason, ==, "--json=no");
  g_assert_cmpstr (options.arguments[0], ==, "--steal=no");
  g_assert_false (options.json);
}

static void
test_other_groups_are_refused (void)
{
  g_auto (AglOptions) options = { 0 };
  g_autoptr (GError) error = NULL;

  g_assert_false (parse (&options, &launcher, "--json -- true", &error));
  g_assert_error (error, AGL_EXIT_ERROR, AGL_EXIT_USAGE);
}

static void
test_command_line (void)
{
  g_auto (AglOptions) options = { 0 };
  g_auto (AglOptions) bare = { 0 };
  g_autoptr (GError) error = NULL;

  g_assert_true (parse (&options, &launcher, "-w dir -- sh -w -- --help", &error));
  g_assert_no_error (error);
  g_assert_true (options.wait);
  g_assert_cmpstr (options.arguments[0], ==, "dir");
  g_assert_cmpstr (options.trailing[0], ==, "sh");
  g_assert_cmpstr (options.trailing[1], ==, "-w");
  g_assert_cmpstr (options.trailing[2], ==, "--");
  g_assert_cmpstr (options.trailing[3], ==, "--help");
  g_assert_null (options.trailing[4]);

  g_assert_true (parse (&bare, &launcher, "-- true", &error));
  g_assert_null (bare.arguments);
}

static void
test_command_line_missing (void)
{
  static const char *const lines[] = { "", "dir", "dir true", "--", "dir --", "a b -- true" };

  for (gsize i = 0; i < G_N_ELEMENTS (lines); i++)
    {
      g_auto (AglOptions) options = { 0 };
      g_autoptr (GError) error = NULL;

      g_test_message ("%s", lines[i]);
      g_assert_false (parse (&options, &launcher, lines[i], &error));
      g_assert_error (error, AGL_EXIT_ERROR, AGL_EXIT_USAGE);
    }
}

static void
test_takes_next (void)
{
  g_assert_true (agl_options_takes_next ("--address"));
  g_assert_true (agl_options_takes_next ("-o"));
  g_assert_true (agl_options_takes_next ("--output"));
  g_assert_false (agl_options_takes_next ("--address=x"));
  g_assert_false (agl_options_takes_next ("--user"));
  g_assert_false (agl_options_takes_next ("-w"));
  g_assert_false (agl_options_takes_next ("--wait"));
  g_assert_false (agl_options_takes_next ("--"));
  g_assert_false (agl_options_takes_next ("-"));
}

static void
test_suggest (void)
{
  static const char *const names[] = { "run", "acquire", "claim", "release", "list", "check", "wait", NULL };

  g_assert_cmpstr (agl_suggest ("lst", names), ==, "list");
  g_assert_cmpstr (agl_suggest ("lits", names), ==, "list");
  g_assert_cmpstr (agl_suggest ("aquire", names), ==, "acquire");
  g_assert_cmpstr (agl_suggest ("rel", names), ==, "release");
  g_assert_cmpstr (agl_suggest ("rnu", names), ==, "run");
  g_assert_cmpstr (agl_suggest ("hcekc", names), ==, "check");
  g_assert_null (agl_suggest ("frobnicate", names));
  g_assert_null (agl_suggest ("", names));
  g_assert_null (agl_suggest ("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", names));
}

int
main (int argc, char **argv)
{
  setlocale (LC_ALL, "C.UTF-8");
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/client-options/expand", test_expand);
  g_test_add_func ("/client-options/defaults", test_defaults);
  g_test_add_func ("/client-options/values", test_values);
  g_test_add_func ("/client-options/wrong", test_wrong);
  g_test_add_func ("/client-options/text-too-long", test_text_too_long);
  g_test_add_func ("/client-options/a-value-that-looks-like-an-option",
                   test_a_value_that_looks_like_an_option);
  g_test_add_func ("/client-options/other-groups-are-refused", test_other_groups_are_refused);
  g_test_add_func ("/client-options/command-line", test_command_line);
  g_test_add_func ("/client-options/command-line-missing", test_command_line_missing);
  g_test_add_func ("/client-options/takes-next", test_takes_next);
  g_test_add_func ("/client-options/suggest", test_suggest);
  return g_test_run ();
}
