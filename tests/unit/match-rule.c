/* SPDX-License-Identifier: MIT */
#include "service/match-rule.h"

static const char *const sender_names[] = { ":1.0", "org.agentctl.Locks", NULL };

static void
test_valid (void)
{
  static const char *const rules[] = {
    "",
    "type='signal'",
    "type=signal",
    " type='signal', member ='Ping'",
    "type='signal',",
    "sender='org.freedesktop.DBus',path='/',interface='a.b',member='C',destination=':1.7'",
    "eavesdrop=true,type='method_call'",
    "eavesdrop='false'",
    "path_namespace='/org/agentctl'",
    "arg0='it''s, still one value'",
    "arg0='',arg1path='/a/',arg63='x'",
    "arg0namespace='org'",
    "arg0namespace='org.agentctl.Locks'",
    "arg0=\\'quoted\\'",
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rules); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (AglMatchRule) rule = agl_match_rule_parse (rules[i], &error);

      g_test_message ("%s", rules[i]);
      g_assert_no_error (error);
      g_assert_nonnull (rule);
      g_assert_true (agl_match_rule_equal (rule, rule));
    }
}

static void
test_invalid (void)
{
  static const char *const rules[] = {
    "type",
    "type=",
    "type='Signal'",
    "type='signal',type='signal'",
    "type='signal",
    "nonsense='x'",
    "='x'",
    "member='has space'",
    "member='a.b'",
    "interface='one'",
    "sender='.'",
    "destination='no dots'",
    "path='relative'",
    "path='/trailing/'",
    "path='/a',path_namespace='/a'",
    "path_namespace='/a/'",
    "arg='x'",
    "arg64='x'",
    "arg000='x'",
    "arg0='x',arg0path='/x'",
    "arg1namespace='org.a'",
    "arg0namespace='org..a'",
    "arg0namespace=''",
    "arg0other='x'",
    "eavesdrop='maybe'",
    "type='signal',\xf0\x9f\x94\x92='x'",
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rules); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (AglMatchRule) rule = agl_match_rule_parse (rules[i], &error);

      g_test_message ("%s", rules[i]);
      g_assert_error (error, G_DBUS_ERROR, G_DBUS_ERROR_MATCH_RULE_INVALID);
      g_assert_null (rule);
    }
}

static void
test_equal (void)
{
  static const struct
  {
    const char *a, *b;
    gboolean are_equal;
  } cases[] = {
    { "type='signal',member='A'", "member=A,type=signal", TRUE },
    { "arg1='x',arg0='y'", "arg0='y',arg1='x'", TRUE },
    { "", "eavesdrop='true'", TRUE },
    { "type='signal'", "", FALSE },
    { "member='A'", "member='B'", FALSE },
    { "path='/a'", "path_namespace='/a'", FALSE },
    { "arg0='x'", "arg0='y'", FALSE },
    { "arg0='x'", "arg1='x'", FALSE },
    { "arg0='/x'", "arg0path='/x'", FALSE },
    { "arg0='x'", "arg0='x',arg1='x'", FALSE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (AglMatchRule) a = agl_match_rule_parse (cases[i].a, NULL);
      g_autoptr (AglMatchRule) b = agl_match_rule_parse (cases[i].b, NULL);

      g_test_message ("%s / %s", cases[i].a, cases[i].b);
      g_assert_cmpint (agl_match_rule_equal (a, b), ==, cases[i].are_equal);
      g_assert_cmpint (agl_match_rule_equal (b, a), ==, cases[i].are_equal);
    }
}

/* Against LockAcquired("org.a.b", "/work/tree", objectpath "/org/a", 7). */
static void
test_matches (void)
{
  static const struct
  {
    const char *rule;
    gboolean matches;
  } cases[] = {
    { "", TRUE },
    { "type='signal'", TRUE },
    { "type='method_call'", FALSE },
    { "type='error'", FALSE },
    { "sender='org.agentctl.Locks'", TRUE },
    { "sender=':1.0'", TRUE },
    { "sender='org.freedesktop.DBus'", FALSE },
    { "sender=':1.1'", FALSE },
    { "interface='org.agentctl.Locks'", TRUE },
    { "interface='org.agentctl.Lock'", FALSE },
    { "member='LockAcquired'", TRUE },
    { "member='LockReleased'", FALSE },
    { "path='/org/agentctl/Locks'", TRUE },
    { "path='/org/agentctl'", FALSE },
    { "path_namespace='/org/agentctl/Locks'", TRUE },
    { "path_namespace='/org/agentctl'", TRUE },
    { "path_namespace='/org/agentctl/Lo'", FALSE },
    { "path_namespace='/'", TRUE },
    { "destination=':1.9'", FALSE },
    { "arg0='org.a.b'", TRUE },
    { "arg0='org.a'", FALSE },
    { "arg0namespace='org.a'", TRUE },
    { "arg0namespace='org.a.b'", TRUE },
    { "arg0namespace='org'", TRUE },
    { "arg0namespace='or'", FALSE },
    { "arg1='/work/tree'", TRUE },
    { "arg1path='/work/'", TRUE },
    { "arg1path='/work'", FALSE },
    { "arg1path='/work/tree/'", FALSE },
    { "arg2path='/org/'", TRUE },
    { "arg2='/org/a'", FALSE }, /* argN is of strings only */
    { "arg3='7'", FALSE },
    { "arg4='x'", FALSE },
    { "type='signal',sender='org.agentctl.Locks',member='LockAcquired',arg1path='/work/tree'", TRUE },
    { "type='signal',sender='org.agentctl.Locks',member='LockAcquired',arg1path='/work/other'", FALSE },
  };
  g_autoptr (GDBusMessage) message =
      g_dbus_message_new_signal ("/org/agentctl/Locks", "org.agentctl.Locks", "LockAcquired");
  g_autoptr (GDBusMessage) empty = g_dbus_message_new_signal ("/", "a.b", "C");
  g_autoptr (AglMatchRule) with_arg = agl_match_rule_parse ("arg0='x'", NULL);

  g_dbus_message_set_body (message, g_variant_new ("(ssou)", "org.a.b", "/work/tree", "/org/a", 7));
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (AglMatchRule) rule = agl_match_rule_parse (cases[i].rule, NULL);

      g_test_message ("%s", cases[i].rule);
      g_assert_cmpint (agl_match_rule_matches (rule, message, sender_names), ==, cases[i].matches);
    }
  g_assert_false (agl_match_rule_matches (with_arg, empty, sender_names));
}

/* The other way round: the message names a folder, the rule something in it. */
static void
test_folder_in_message (void)
{
  g_autoptr (GDBusMessage) message = g_dbus_message_new_signal ("/", "a.b", "C");
  g_autoptr (AglMatchRule) inside = agl_match_rule_parse ("arg0path='/a/b/c'", NULL);
  g_autoptr (AglMatchRule) beside = agl_match_rule_parse ("arg0path='/a/c'", NULL);

  g_dbus_message_set_body (message, g_variant_new ("(s)", "/a/b/"));
  g_assert_true (agl_match_rule_matches (inside, message, sender_names));
  g_assert_false (agl_match_rule_matches (beside, message, sender_names));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/match-rule/valid", test_valid);
  g_test_add_func ("/match-rule/invalid", test_invalid);
  g_test_add_func ("/match-rule/equal", test_equal);
  g_test_add_func ("/match-rule/matches", test_matches);
  g_test_add_func ("/match-rule/folder-in-message", test_folder_in_message);
  return g_test_run ();
}
