/* SPDX-License-Identifier: MIT */
#include "common/text.h"

#include <string.h>

#include "common/names.h"
#include "common/user.h"

static void
test_escape (void)
{
  static const struct
  {
    const char *in, *out;
  } cases[] = {
    { "", "" },
    { "plain text, /with/path", "plain text, /with/path" },
    { "größe 日本 🦀", "größe 日本 🦀" },
    { "a\nb\tc\\d", "a\\nb\\tc\\\\d" },
    { "\033[31mred", "\\x1b[31mred" },
    { "\x7f", "\\x7f" },
    { "\xc2\x9b"
      "31m",
      "\\u{9b}31m" },
    { "\xe2\x80\xae"
      "gpj.exe",
      "\\u{202e}gpj.exe" },
    { "\xe2\x80\x8b", "\\u{200b}" },
    { "\xe2\x80\xa8", "\\u{2028}" },
    { "bad \xff\xfe end", "bad \\xff\\xfe end" },
    { "cut \xe2\x82", "cut \\xe2\\x82" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *out = agl_text_escape (cases[i].in, -1);

      g_assert_cmpstr (out, ==, cases[i].out);
      g_assert_true (g_utf8_validate (out, -1, NULL));
    }
}

static void
test_escape_counts_bytes_and_keeps_nul_visible (void)
{
  g_autofree char *out = agl_text_escape ("a\0b", 3);

  g_assert_cmpstr (out, ==, "a\\x00b");
}

static void
test_acceptable (void)
{
  g_autofree char *longest = g_strnfill (AGL_MAX_TEXT_BYTES, 'x');
  g_autofree char *too_long = g_strnfill (AGL_MAX_TEXT_BYTES + 1, 'x');

  g_assert_true (agl_text_is_acceptable (""));
  g_assert_true (agl_text_is_acceptable (longest));
  g_assert_false (agl_text_is_acceptable (too_long));
  g_assert_false (agl_text_is_acceptable ("\xff"));
}

static void
test_shell_word (void)
{
  static const struct
  {
    const char *in, *out;
  } cases[] = {
    { "", "\"\"" },
    { "/home/u/größe", "\"/home/u/größe\"" },
    { "/with a space; and more", "\"/with a space; and more\"" },
    { "/it's", "\"/it's\"" },
    { "/$(x)", NULL },
    { "/`x`", NULL },
    { "/x\"y", NULL },
    { "/x\\y", NULL },
    { "/x!y", NULL },
    { "/x\ny", NULL },
    { "/\xff", NULL },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *out = agl_text_shell_word (cases[i].in);

      g_assert_cmpstr (out, ==, cases[i].out);
    }
}

static void
test_user (void)
{
  g_autofree char *root = agl_user_dup_name (0);
  g_autofree char *nobody = agl_user_dup_name (4294967290u);

  g_assert_cmpstr (root, ==, "root");
  g_assert_cmpstr (nobody, ==, "UID 4294967290");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/text/escape", test_escape);
  g_test_add_func ("/text/escape-counts-bytes-and-keeps-nul-visible",
                   test_escape_counts_bytes_and_keeps_nul_visible);
  g_test_add_func ("/text/acceptable", test_acceptable);
  return g_test_run ();
  g_test_add_func ("/text/shell-word", test_shell_word);
  g_test_add_func ("/text/user", test_user);
}
