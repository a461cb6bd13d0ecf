/* SPDX-License-Identifier: MIT */
#include "core/lock-file.h"

#include <limits.h>
#include <string.h>

#include "common/error.h"
#include "common/names.h"
#include "sample-lock.h"

static AglSavedLock *
parse (const char *text)
{
  g_autoptr (GError) error = NULL;
  AglSavedLock *saved = agl_saved_lock_parse (text, strlen (text), &error);

  g_assert_no_error (error);
  g_assert_nonnull (saved);
  return saved;
}

static void
assert_harmless (const char *text)
{
  gsize length = strlen (text);

  g_assert_cmpuint (length, <=, AGL_MAX_LOCK_FILE_BYTES);
  g_assert_cmpint (text[length - 1], ==, '\n');
  for (gsize i = 0; i < length - 1; i++)
    g_assert_true (text[i] >= 0x20 && text[i] < 0x7f);
}

static void
test_round_trip (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (g_test_rand_int ());

  for (guint i = 0; i < 3000; i++)
    {
      g_autoptr (AglLock) lock = sample_lock_new_random (rand);
      g_autoptr (GError) error = NULL;
      g_autofree char *text = agl_lock_file_format (lock, "boot/1", NULL, &error);
      g_autoptr (AglSavedLock) saved = NULL;

      g_assert_no_error (error);
      assert_harmless (text);
      saved = parse (text);
      sample_lock_assert_equal (lock, saved->lock);
      g_assert_null (saved->lock->holder);
      g_assert_false (saved->over);
      g_assert_cmpint (saved->lock->cwd, ==,
                       lock->follow_cwd && !lock->manual ? AGL_CWD_UNKNOWN : AGL_CWD_IGNORED);
    }
}

static void
test_handle (void)
{
  const AglDirectoryId id = { 1, 2 };
  g_autoptr (AglLock) lock = sample_lock_new (7, "/x");
  g_autoptr (GBytes) found = NULL;
  g_autoptr (AglDirectory) real = NULL;
  g_autoptr (AglSubject) subject = NULL;
  g_autoptr (AglProcess) self = agl_process_open (getpid (), NULL);
  g_autofree char *text = NULL;
  g_autoptr (AglSavedLock) saved = NULL;

  /* A handle as this machine gives it; where it gives none, there is none to be saved. */
  subject = agl_subject_new (self, getuid (), getgid (), NULL, 0, FALSE);
  real = agl_directory_find (subject, g_get_tmp_dir (), -1, AGL_ACCESS_REACH, AGL_PATIENCE_BLOCK, NULL);
  g_assert_nonnull (real);
  found = agl_directory_dup_handle (real);
  agl_directory_unref (lock->directory);
  lock->directory = agl_directory_new_saved (&id, found, "/x", TRUE, NULL, 0);
  text = agl_lock_file_format (lock, "boot/1", NULL, NULL);
  saved = parse (text);
  sample_lock_assert_equal (lock, saved->lock);
}

static void
test_world (void)
{
  const char *here = agl_process_world ();
  g_autofree char *boot = g_strndup (here, strchr (here, '/') - here);
  g_autofree char *elsewhere = g_strconcat (boot, "/1", NULL);
  g_autofree char *longer_boot = g_strconcat (boot, "0/1", NULL);
  g_autofree char *shorter_boot = g_strndup (boot, strlen (boot) - 1);
  g_autofree char *shorter = g_strconcat (shorter_boot, "/1", NULL);
  const struct
  {
    const char *world;
    gboolean same_world, same_boot;
  } cases[] = {
    { here, TRUE, TRUE },
    { elsewhere, FALSE, TRUE },
    { "00000000-0000-0000-0000-000000000000/1", FALSE, FALSE },
    { longer_boot, FALSE, FALSE },
    { shorter, FALSE, FALSE },
    { "0/1", FALSE, FALSE },
  };
  g_autoptr (AglLock) lock = sample_lock_new (7, "/x");

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *text = agl_lock_file_format (lock, cases[i].world, NULL, NULL);
      g_autoptr (AglSavedLock) saved = parse (text);

      g_assert_cmpstr (saved->world, ==, cases[i].world);
      g_assert_cmpint (saved->same_world, ==, cases[i].same_world);
      g_assert_cmpint (saved->same_boot, ==, cases[i].same_boot);
    }
}

static void
test_supersedes (void)
{
  g_autoptr (AglLock) lock = sample_lock_new (7, "/x");
  g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (guint64));
  g_autofree char *text = NULL;
  g_autoptr (AglSavedLock) saved = NULL;

  for (guint64 id = 8; id < 1000; id++)
    g_array_append_val (ids, id);
  text = agl_lock_file_format (lock, "boot/1", ids, NULL);
  saved = parse (text);
  g_assert_cmpuint (saved->supersedes->len, ==, ids->len);
  g_assert_cmpmem (saved->supersedes->data, ids->len * sizeof (guint64), ids->data,
                   ids->len * sizeof (guint64));
}

/* What could not be read back is not written. */
static void
test_unsaveable (void)
{
  g_autofree char *long_text = g_strnfill (AGL_MAX_TEXT_BYTES + 1, 'x');
  g_autofree char *long_name = g_strnfill (PATH_MAX, 'x');
  g_autofree char *long_path = g_strconcat ("/", long_name, NULL);

  for (guint i = 0; i < 9; i++)
    {
      g_autoptr (AglLock) lock = sample_lock_new (7, i == 0 ? "relative" : i == 1 ? long_path : "/x");
      g_autoptr (GError) error = NULL;
      g_autofree char *text = NULL;

      if (i == 2)
        lock->id = 0;
      if (i == 3)
        lock->id = AGL_MAX_LOCK_ID + 1;
      if (i == 4)
        lock->texts.reason = g_steal_pointer (&long_text);
      if (i == 5)
        lock->texts.agent = g_strdup ("\xff");
      if (i == 6)
        lock->token.kind = AGL_TOKEN_NONE;
      if (i == 7)
        lock->uid = (uid_t)-1;
      if (i == 8)
        lock->acquired_at_usec = -1;
      text = agl_lock_file_format (lock, "boot/1", NULL, &error);
      g_assert_null (text);
      g_assert_error (error, AGL_ERROR, AGL_ERROR_UNAVAILABLE);
    }
}

/* A good file with one thing changed. */
#define WORLD  "\"world\":\"b/1\","
#define PLACE  "\"path\":\"/x\",\"dev\":\"1\",\"ino\":\"2\",\"foreign\":false,\"ancestors\":[\"1:2\"]"
#define HOLDER "\"holder\":{\"pid\":5,\"token\":\"pidfs:9\"},"
#define ASKER  "\"acquirer\":{\"pid\":5,\"token\":\"start:9\"},"
#define FLAGS  "\"shared\":false,\"subtree\":false,\"manual\":false,\"follow-cwd\":true,"
#define TIMES  "\"acquired-at\":1,"
#define GOOD                                                                                           \
  "{\"version\":1,\"id\":42," WORLD "\"directory\":{" PLACE "}," HOLDER ASKER "\"uid\":0," FLAGS TIMES \
  "\"command\":\"c\"}"

static char *
replace (const char *old, const char *new)
{
  g_auto (GStrv) parts = g_strsplit (GOOD, old, 2);

  g_assert_cmpuint (g_strv_length (parts), ==, 2);
  return g_strjoinv (new, parts);
}

static void
assert_refused (const char *text, gssize length)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (AglSavedLock) saved =
      agl_saved_lock_parse (text, length < 0 ? strlen (text) : (gsize)length, &error);

  if (saved != NULL)
    g_test_message ("accepted: %s", text);
  g_assert_null (saved);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA);
  g_assert_cmpstr (error->message, !=, "");
}

static void
test_refused (void)
{
  static const struct
  {
    const char *old, *new;
  } cases[] = {
    { "\"version\":1", "\"version\":2" },
    { "\"version\":1", "\"version\":0" },
    { "\"version\":1,", "" },
    { "\"version\":1", "\"version\":true" },
    { "\"version\":1", "\"version\":1.0" },
    { "\"id\":42", "\"id\":0" },
    { "\"id\":42", "\"id\":-1" },
    { "\"id\":42", "\"id\":\"42\"" },
    { "\"id\":42", "\"id\":9007199254740992" },
    { "\"id\":42", "\"id\":18446744073709551658" },
    { "\"id\":42", "\"id\":0x2a" },
    { "\"id\":42", "\"id\":null" },
    { "\"id\":42", "\"id\":[42]" },
    { WORLD, "" },
    { WORLD, "\"world\":\"\"," },
    { WORLD, "\"world\":\"boot\"," },
    { WORLD, "\"world\":\"/1\"," },
    { WORLD, "\"world\":\"boot/\"," },
    { WORLD, "\"world\":7," },
    { "\"directory\":{" PLACE "}", "\"directory\":\"/x\"" },
    { "\"path\":\"/x\"", "\"path\":\"x\"" },
    { "\"path\":\"/x\"", "\"path\":\"\"" },
    { "\"path\":\"/x\"", "\"path\":1" },
    { "\"path\":\"/x\"", "\"path\":\"/x\\u0000y\"" },
    { "\"path\":\"/x\"", "\"path\":\"/x\",\"path-bytes\":\"\"" },
    { "\"path\":\"/x\"", "\"path\":\"/x\",\"path-bytes\":\"2f0041\"" },
    { "\"path\":\"/x\"", "\"path\":\"/x\",\"path-bytes\":\"ff\"" },
    { "\"path\":\"/x\"", "\"path\":\"/x\",\"path-bytes\":\"2f7\"" },
    { "\"path\":\"/x\"", "\"path\":\"/x\",\"path-bytes\":\"2f7g\"" },
    { "\"dev\":\"1\"", "\"dev\":1" },
    { "\"dev\":\"1\"", "\"dev\":\"\"" },
    { "\"dev\":\"1\"", "\"dev\":\"-1\"" },
    { "\"dev\":\"1\"", "\"dev\":\" 1\"" },
    { "\"dev\":\"1\"", "\"dev\":\"18446744073709551616\"" },
    { "\"ino\":\"2\"", "\"ino\":\"2x\"" },
    { "\"foreign\":false", "\"foreign\":0" },
    { "\"foreign\":false", "\"foreign\":false,\"handle\":\"\"" },
    { "\"foreign\":false", "\"foreign\":false,\"handle\":\"xx\"" },
    { "\"ancestors\":[\"1:2\"]", "\"ancestors\":{}" },
    { "[\"1:2\"]", "[1]" },
    { "[\"1:2\"]", "[\"1\"]" },
    { "[\"1:2\"]", "[\"1:2:3\"]" },
    { "[\"1:2\"]", "[\"1:\"]" },
    { "[\"1:2\"]", "[null]" },
    { HOLDER, "" },
    { HOLDER, "\"holder\":5," },
    { "\"pid\":5,\"token\":\"pidfs:9\"", "\"pid\":0,\"token\":\"pidfs:9\"" },
    { "\"pid\":5,\"token\":\"pidfs:9\"", "\"pid\":-5,\"token\":\"pidfs:9\"" },
    { "\"pid\":5,\"token\":\"pidfs:9\"", "\"pid\":2147483648,\"token\":\"pidfs:9\"" },
    { "\"pid\":5,\"token\":\"pidfs:9\"", "\"pid\":5" },
    { "\"token\":\"pidfs:9\"", "\"token\":\"pidfs:\"" },
    { "\"token\":\"pidfs:9\"", "\"token\":\"pidfs:-9\"" },
    { "\"token\":\"pidfs:9\"", "\"token\":\"other:9\"" },
    { "\"token\":\"pidfs:9\"", "\"token\":9" },
    { "\"token\":\"start:9\"", "\"token\":\"\"" },
    { ASKER, "" },
    { "\"manual\":false", "\"manual\":true" },
    { "\"manual\":false", "\"manual\":\"no\"" },
    { "\"shared\":false,", "" },
    { "\"subtree\":false", "\"subtree\":null" },
    { "\"follow-cwd\":true,", "" },
    { "\"uid\":0", "\"uid\":4294967295" },
    { "\"uid\":0", "\"uid\":-1" },
    { TIMES, "" },
    { TIMES, "\"acquired-at\":-1," },
    { TIMES, TIMES "\"expires-at\":0," },
    { TIMES, TIMES "\"expires-at\":\"1\"," },
    { ",\"command\":\"c\"", "" },
    { "\"command\":\"c\"", "\"command\":1" },
    { "\"command\":\"c\"", "\"command\":\"c\",\"agent\":null" },
    { "\"command\":\"c\"", "\"command\":\"c\",\"supersedes\":1" },
    { "\"command\":\"c\"", "\"command\":\"c\",\"supersedes\":[0]" },
    { "\"command\":\"c\"", "\"command\":\"c\",\"supersedes\":[42]" },
    { "\"command\":\"c\"", "\"command\":\"c\",\"supersedes\":[\"7\"]" },
    { "\"command\":\"c\"", "\"command\":\"c\",\"supersedes\":[[7]]" },
    /* no characters */
    { "\"command\":\"c\"", "\"command\":\"\\ud800\"" },
    { "\"command\":\"c\"", "\"command\":\"\\ud800\\u0041\"" },
    { "\"command\":\"c\"", "\"command\":\"\\ud800\\ud800\"" },
    { "\"command\":\"c\"", "\"command\":\"\\udc00\"" },
    { "\"command\":\"c\"", "\"command\":\"\\ud83e\\udd8\"" },
    /* not as this service writes */
    { "\"command\":\"c\"", "\"command\":\"\xc3\xa4\"" },
    { "\"command\":\"c\"", "\"command\":\"\x1b[31m\"" },
    { "\"command\":\"c\"", "\"command\":\"\\x41\"" },
    { "\"command\":\"c\"", "\"command\":'c'" },
    { "\"command\":\"c\"", "/* c */\"command\":\"c\"" },
    { "\"command\":\"c\"", "\"command\":\"c" },
    { "\"command\":\"c\"", "\"command\":\"c\",\"x\":[[[[[[]]]]]]" },
    { "\"command\":\"c\"}", "\"command\":\"c\"" },
    { "\"command\":\"c\"}", "\"command\":\"c\"}}" },
  };

  agl_saved_lock_free (parse (GOOD));
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *text = replace (cases[i].old, cases[i].new);

      assert_refused (text, -1);
    }
  assert_refused ("", -1);
  assert_refused ("\n", -1);
  assert_refused ("null", -1);
  assert_refused ("[]", -1);
  assert_refused ("{}", -1);
  assert_refused ("\0{}", 3);
  assert_refused ("\"", -1);
  assert_refused ("\"\\", -1);
}

static void
test_cut_short (void)
{
  for (gsize length = 0; length < strlen (GOOD); length++)
    assert_refused (GOOD, length);
}

static void
test_too_long (void)
{
  g_autofree char *blanks = g_strnfill (AGL_MAX_LOCK_FILE_BYTES, ' ');
  g_autofree char *text = g_strconcat (GOOD, blanks, NULL);
  g_autofree char *deep = g_strnfill (AGL_MAX_LOCK_FILE_BYTES, '[');
  g_autofree char *agent = g_strnfill (AGL_MAX_TEXT_BYTES + 1, 'a');
  g_autofree char *members = g_strdup_printf ("\"command\":\"c\",\"agent\":\"%s\"", agent);
  g_autofree char *long_agent = replace ("\"command\":\"c\"", members);

  assert_refused (text, -1);
  assert_refused (deep, -1);
  assert_refused (long_agent, -1);
}

static void
test_unknown_members_are_passed_over (void)
{
  g_autofree char *text = replace ("\"uid\":0", "\"uid\":0,\"mood\":{\"x\":[1,null]}");

  agl_saved_lock_free (parse (text));
}

static void
test_names (void)
{
  static const char *const strange[] = { "",
                                         "json",
                                         ".json",
                                         "42",
                                         "42.js",
                                         "042.json",
                                         "42.json ",
                                         "0.json",
                                         "-1.json",
                                         "42.over",
                                         "42.over-",
                                         "42.over-exite",
                                         "42.over-exitedx",
                                         "42.Json",
                                         "9007199254740992.json",
                                         "18446744073709551658.json",
                                         "x42.json",
                                         "42.json~" };
  AglReleaseReason reason;
  gboolean over;
  guint64 id;

  for (guint i = 0; i < AGL_N_RELEASE_REASONS; i++)
    {
      g_autofree char *name = agl_lock_file_over_name (42, i);

      g_assert_true (agl_lock_file_parse_name (name, &id, &over, &reason));
      g_assert_cmpuint (id, ==, 42);
      g_assert_true (over);
      g_assert_cmpint (reason, ==, i);
    }
  g_assert_true (agl_lock_file_parse_name ("9007199254740991.json", &id, &over, &reason));
  g_assert_cmpuint (id, ==, AGL_MAX_LOCK_ID);
  g_assert_false (over);
  for (gsize i = 0; i < G_N_ELEMENTS (strange); i++)
    g_assert_false (agl_lock_file_parse_name (strange[i], &id, &over, &reason));
  g_assert_cmpuint (agl_lock_file_guess_id ("42.json.bad"), ==, 42);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/lock-file/round-trip", test_round_trip);
  g_test_add_func ("/lock-file/handle", test_handle);
  g_test_add_func ("/lock-file/world", test_world);
  g_test_add_func ("/lock-file/supersedes", test_supersedes);
  g_test_add_func ("/lock-file/unsaveable", test_unsaveable);
  g_test_add_func ("/lock-file/refused", test_refused);
  g_test_add_func ("/lock-file/cut-short", test_cut_short);
  g_test_add_func ("/lock-file/too-long", test_too_long);
  g_test_add_func ("/lock-file/unknown-members-are-passed-over", test_unknown_members_are_passed_over);
  g_test_add_func ("/lock-file/names", test_names);
  return g_test_run ();
}
