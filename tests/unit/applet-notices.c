/* SPDX-License-Identifier: MIT */
#include "applet/notices.h"

/* What people are told, without anything that tells them. */

typedef struct
{
  AglLockModel *model;
  AglChoices *choices;
  AglNotices *notices;
  GPtrArray *log; /* "+ID TITLE" and "-ID" */
  char *last_body;
  gint64 now_usec;
} World;

static void
on_show (const AglNotice *notice, gpointer user_data)
{
  World *world = user_data;

  g_ptr_array_add (world->log, g_strdup_printf ("+%s %s", notice->id, notice->title));
  g_free (world->last_body);
  world->last_body = g_strdup (notice->body);
}

static void
on_withdraw (const char *id, gpointer user_data)
{
  World *world = user_data;

  g_ptr_array_add (world->log, g_strdup_printf ("-%s", id));
}

static gint64
on_now (gpointer user_data)
{
  return ((World *)user_data)->now_usec;
}

static const AglNoticesOutlet outlet = { on_show, on_withdraw, on_now };

/* Everything is watched, and the list is there and empty. */
static void
world_init (World *world)
{
  *world = (World){ .model = agl_lock_model_new (),
                    .choices = agl_choices_new (),
                    .log = g_ptr_array_new_with_free_func (g_free) };
  g_object_set (world->choices, "watch-all", TRUE, NULL);
  world->notices = agl_notices_new (world->model, world->choices, &outlet, world);
}

static void
world_clear (World *world)
{
  g_object_unref (world->notices);
  g_object_unref (world->choices);
  g_object_unref (world->model);
  g_ptr_array_unref (world->log);
  g_free (world->last_body);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (World, world_clear)

/* @more: a{sv} in text form, or NULL. */
static GVariant *
facts_of (const char *directory, const char *more)
{
  g_autoptr (GVariant) given = g_variant_ref_sink (g_variant_new_parsed (more != NULL ? more : "@a{sv} {}"));
  GVariantDict facts;

  g_variant_dict_init (&facts, given);
  g_variant_dict_insert (&facts, "directory", "s", directory);
  g_variant_dict_insert (&facts, "command", "s", "claude");
  if (!g_variant_dict_contains (&facts, "cwd"))
    g_variant_dict_insert (&facts, "cwd", "s", "inside");
  return g_variant_dict_end (&facts);
}

static void
acquire (World *world, guint64 id, const char *directory, const char *more)
{
  agl_lock_model_take_acquired (world->model, id, facts_of (directory, more));
}

static void
release (World *world, guint64 id, const char *directory, const char *reason)
{
  agl_lock_model_take_released (world->model, id, reason, facts_of (directory, "{'waiters': <uint32 0>}"));
}

static void
change (World *world, guint64 id, const char *what)
{
  agl_lock_model_take_changed (world->model, id, g_variant_new_parsed (what));
}

/* What was told since the last time, with ", " between. */
static void
assert_told (World *world, const char *expected)
{
  g_autofree char *told = NULL;

  agl_lock_model_flush (world->model);
  g_ptr_array_add (world->log, NULL);
  told = g_strjoinv (", ", (char **)world->log->pdata);
  g_assert_cmpstr (told, ==, expected);
  g_ptr_array_set_size (world->log, 0);
}

static void
test_released (void)
{
  g_auto (World) world;

  world_init (&world);
  acquire (&world, 1, "/w/a", NULL);
  assert_told (&world, "");
  release (&world, 1, "/w/a", "exited");
  assert_told (&world, "+released-1 The lock of “a” has ended");
  g_assert_cmpstr (world.last_body, ==, "claude: its process has ended.\n/w/a");
  acquire (&world, 2, "/w/b", NULL);
  assert_told (&world, "");
  acquire (&world, 3, "/w/a", NULL);
  assert_told (&world, "-released-1");
  /* Told twice by a service that was killed: one event. */
  release (&world, 3, "/w/a", "released");
  release (&world, 3, "/w/a", "released");
  assert_told (&world, "+released-3 The lock of “a” has ended");
  g_assert_cmpstr (world.last_body, ==, "claude: it was released.\n/w/a");
}

static void
test_taken (void)
{
  g_auto (World) world;

  world_init (&world);
  acquire (&world, 1, "/w/a", NULL);
  release (&world, 1, "/w/a", "stolen");
  acquire (&world, 2, "/w/a", NULL);
  assert_told (&world, "+taken-1 “a” was taken over");
  release (&world, 2, "/w/a", "forced");
  assert_told (&world, "+taken-2 “a” was released by force");
  acquire (&world, 3, "/w/a", NULL);
  assert_told (&world, "-taken-1, -taken-2");
}

static void
test_left (void)
{
  g_auto (World) world;

  world_init (&world);
  acquire (&world, 1, "/w/a", NULL);
  assert_told (&world, "");
  change (&world, 1, "{'cwd': <'outside'>}");
  assert_told (&world, "+left-1 claude has left “a”");
  change (&world, 1, "{'cwd': <'inside'>}");
  assert_told (&world, "-left-1");
  change (&world, 1, "{'cwd': <'outside'>}");
  assert_told (&world, "+left-1 claude has left “a”");
  /* Not knowing is no proof that it left, nor that it did not: nothing stands that may be wrong. */
  change (&world, 1, "{'cwd': <'unknown'>}");
  assert_told (&world, "-left-1");
  change (&world, 1, "{'cwd': <'outside'>}");
  release (&world, 1, "/w/a", "left");
  assert_told (&world, "+released-1 The lock of “a” has ended");
  g_assert_cmpstr (world.last_body, ==, "claude: its process has left the directory.\n/w/a");
}

/* It went while we looked: what was said of it is taken back. */
static void
test_left_and_ended (void)
{
  g_auto (World) world;

  world_init (&world);
  acquire (&world, 1, "/w/a", NULL);
  assert_told (&world, "");
  change (&world, 1, "{'cwd': <'outside'>}");
  assert_told (&world, "+left-1 claude has left “a”");
  release (&world, 1, "/w/a", "exited");
  assert_told (&world, "-left-1, +released-1 The lock of “a” has ended");
}

static void
wait_for (World *world, guint64 id, const char *how_many)
{
  g_autofree char *what = g_strdup_printf ("{'waiters': <uint32 %s>}", how_many);

  change (world, id, what);
  agl_lock_model_flush (world->model);
}

static void
test_granted (void)
{
  g_auto (World) world;

  world_init (&world);
  g_object_set (world.choices, "notify-released", FALSE, NULL);
  acquire (&world, 1, "/w/a", NULL);
  assert_told (&world, "");
  wait_for (&world, 1, "2");
  release (&world, 1, "/w/a", "exited");
  acquire (&world, 2, "/w/a", NULL);
  assert_told (&world, "+granted-2 claude has “a” now");
  g_assert_cmpstr (world.last_body, ==, "Its wait is over.\n/w/a");
  release (&world, 2, "/w/a", "exited");
  assert_told (&world, "-granted-2");
}

static void
test_not_granted (void)
{
  g_auto (World) world;

  world_init (&world);
  g_object_set (world.choices, "notify-released", FALSE, "notify-taken", FALSE, NULL);
  /* Nobody waited. */
  acquire (&world, 1, "/w/a", NULL);
  release (&world, 1, "/w/a", "exited");
  acquire (&world, 2, "/w/a", NULL);
  assert_told (&world, "");
  /* Who waited gave up. */
  wait_for (&world, 2, "1");
  wait_for (&world, 2, "0");
  release (&world, 2, "/w/a", "exited");
  acquire (&world, 3, "/w/a", NULL);
  assert_told (&world, "");
  /* A thief does not wait, and goes before who does. */
  wait_for (&world, 3, "1");
  release (&world, 3, "/w/a", "stolen");
  acquire (&world, 4, "/w/a", "{'waiters': <uint32 1>}");
  assert_told (&world, "");
  /* Another directory. */
  release (&world, 4, "/w/a", "exited");
  acquire (&world, 5, "/w/ab", NULL);
  assert_told (&world, "");
  /* Much later it is a new request. */
  world.now_usec += AGL_NOTICES_GRANT_USEC + 1;
  acquire (&world, 6, "/w/a", NULL);
  assert_told (&world, "");
}

/* Who waits for two shared locks has the directory when both are gone, once. */
static void
test_granted_after_several (void)
{
  g_auto (World) world;

  world_init (&world);
  g_object_set (world.choices, "notify-released", FALSE, NULL);
  acquire (&world, 1, "/w/a", "{'shared': <true>}");
  acquire (&world, 2, "/w/a", "{'shared': <true>}");
  wait_for (&world, 1, "1");
  wait_for (&world, 2, "1");
  release (&world, 1, "/w/a", "exited");
  acquire (&world, 3, "/w/b", NULL);
  assert_told (&world, "");
  release (&world, 2, "/w/a", "exited");
  acquire (&world, 4, "/w/a", NULL);
  acquire (&world, 5, "/w/a", "{'shared': <true>}");
  assert_told (&world, "+granted-4 claude has “a” now");
}

static void
test_granted_below (void)
{
  g_auto (World) world;

  world_init (&world);
  g_object_set (world.choices, "notify-released", FALSE, NULL);
  acquire (&world, 1, "/w/a", "{'subtree': <true>}");
  assert_told (&world, "");
  wait_for (&world, 1, "1");
  release (&world, 1, "/w/a", "exited");
  acquire (&world, 2, "/w/abc", NULL);
  acquire (&world, 3, "/w/a/b/c", NULL);
  assert_told (&world, "+granted-3 claude has “c” now");
  wait_for (&world, 3, "1");
  release (&world, 3, "/w/a/b/c", "exited");
  acquire (&world, 4, "/w", NULL);
  acquire (&world, 5, "/w/a", "{'subtree': <true>}");
  assert_told (&world, "-granted-3, +granted-5 claude has “a” now");
}

/* Somebody waited already when we came. */
static void
test_granted_from_the_list (void)
{
  g_auto (World) world;
  GVariantBuilder list;

  world_init (&world);
  g_object_set (world.choices, "notify-released", FALSE, NULL);
  agl_lock_model_begin (world.model);
  g_variant_builder_init (&list, G_VARIANT_TYPE ("aa{sv}"));
  g_variant_builder_add_value (&list, facts_of ("/w/a", "{'id': <uint64 1>, 'waiters': <uint32 1>,"
                                                        " 'cwd': <'outside'>}"));
  agl_lock_model_take_list (world.model, g_variant_builder_end (&list));
  assert_told (&world, ""); /* outside: so it was when we came, and is no event */
  release (&world, 1, "/w/a", "exited");
  acquire (&world, 2, "/w/a", NULL);
  assert_told (&world, "+granted-2 claude has “a” now");
  agl_lock_model_clear (world.model);
  assert_told (&world, "-granted-2");
}

static void
test_choices (void)
{
  g_auto (World) world;

  world_init (&world);
  g_object_set (world.choices, "watch-all", FALSE, NULL);
  agl_choices_set_watched (world.choices, "/w/b", TRUE);
  acquire (&world, 1, "/w/a", NULL);
  acquire (&world, 2, "/w/b", NULL);
  release (&world, 1, "/w/a", "exited");
  release (&world, 2, "/w/b", "exited");
  assert_told (&world, "+released-2 The lock of “b” has ended");
  g_object_set (world.choices, "notify-left", FALSE, NULL);
  assert_told (&world, "");
  g_object_set (world.choices, "notify-released", FALSE, NULL);
  assert_told (&world, "-released-2");
  acquire (&world, 3, "/w/b", NULL);
  assert_told (&world, "");
  change (&world, 3, "{'cwd': <'outside'>}");
  release (&world, 3, "/w/b", "exited");
  assert_told (&world, "");
  acquire (&world, 4, "/w/b", NULL);
  release (&world, 4, "/w/b", "forced");
  assert_told (&world, "+taken-4 “b” was released by force");
}

/* Texts come from outside. */
static void
test_harmless (void)
{
  g_auto (World) world;

  world_init (&world);
  acquire (&world, 1,
           "/w/a\n\xe2\x80\xae"
           "b",
           "{'agent': <'evil\\nname'>}");
  release (&world, 1,
           "/w/a\n\xe2\x80\xae"
           "b",
           "a new reason");
  assert_told (&world, "+released-1 The lock of “a\\n\\u{202e}b” has ended");
  g_assert_cmpstr (world.last_body, ==, "evil\\nname: it has ended.\n/w/a\\n\\u{202e}b");
}

static void
test_not_too_many (void)
{
  g_auto (World) world;
  guint n_shown = 0, n_withdrawn = 0;

  world_init (&world);
  for (guint i = 1; i <= 3 * AGL_NOTICES_MAX; i++)
    {
      g_autofree char *directory = g_strdup_printf ("/w/%u", i);

      acquire (&world, i, directory, NULL);
      release (&world, i, directory, "exited");
    }
  agl_lock_model_flush (world.model);
  for (guint i = 0; i < world.log->len; i++)
    *(char *)world.log->pdata[i] == '+' ? n_shown++ : n_withdrawn++;
  g_assert_cmpuint (n_shown, ==, 3 * AGL_NOTICES_MAX);
  g_assert_cmpuint (n_shown - n_withdrawn, ==, AGL_NOTICES_MAX);
  agl_notices_withdraw_all (world.notices);
  g_assert_cmpuint (world.log->len, ==, 6 * AGL_NOTICES_MAX);
}

int
main (int argc, char **argv)
{
  g_setenv ("LC_ALL", "C.UTF-8", TRUE);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/applet/notices/released", test_released);
  g_test_add_func ("/applet/notices/taken", test_taken);
  g_test_add_func ("/applet/notices/left", test_left);
  g_test_add_func ("/applet/notices/left-and-ended", test_left_and_ended);
  g_test_add_func ("/applet/notices/granted", test_granted);
  g_test_add_func ("/applet/notices/not-granted", test_not_granted);
  g_test_add_func ("/applet/notices/granted-after-several", test_granted_after_several);
  g_test_add_func ("/applet/notices/granted-below", test_granted_below);
  g_test_add_func ("/applet/notices/granted-from-the-list", test_granted_from_the_list);
  g_test_add_func ("/applet/notices/choices", test_choices);
  g_test_add_func ("/applet/notices/harmless", test_harmless);
  g_test_add_func ("/applet/notices/not-too-many", test_not_too_many);
  return g_test_run ();
}
