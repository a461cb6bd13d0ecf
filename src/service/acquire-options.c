/* SPDX-License-Identifier: MIT */
#include "service/acquire-options.h"

#include "common/error.h"
#include "service/options.h"

static const AglOptionSpec specs[] = {
  { "pid", "u" },      { "pidfd", "h" },      { "directory-fd", "h" }, { "manual", "b" },
  { "ttl", "u" },      { "follow-cwd", "b" }, { "shared", "b" },       { "subtree", "b" },
  { "conflict", "s" }, { "timeout", "u" },    { "ticket", "s" },       { "detect-agents", "b" },
  { "agent", "s" },    { "session", "s" },    { "reason", "s" },       { NULL },
};

static gboolean
invalid (GError **error, const char *message)
{
  g_set_error_literal (error, AGL_ERROR, AGL_ERROR_INVALID_OPTION, message);
  return FALSE;
}

static gboolean
parse_conflict (AglOptions *options, AglConflict *conflict, GError **error)
{
  static const char *const names[] = { "fail", "wait", "join", "steal" };
  const char *given = agl_options_get_string (options, "conflict");

  *conflict = AGL_CONFLICT_FAIL;
  if (given == NULL)
    return TRUE;
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    if (g_str_equal (given, names[i]))
      {
        *conflict = (AglConflict)i;
        return TRUE;
      }
  return invalid (error, "Option 'conflict' is one of 'fail', 'wait', 'join' and 'steal'");
}

static gboolean
parse_texts (AglOptions *options, AglRequest *request, GError **error)
{
  return agl_options_get_text (options, "agent", &request->texts.agent, error)
         && agl_options_get_text (options, "session", &request->texts.session, error)
         && agl_options_get_text (options, "reason", &request->texts.reason, error)
         && agl_options_get_text (options, "ticket", &request->ticket, error);
}

static gboolean
check_together (AglOptions *options, gboolean manual, AglConflict conflict, GError **error)
{
  if (!agl_options_exclude (options, "pid", "pidfd", error))
    return FALSE;
  if (manual && (agl_options_has (options, "pid") || agl_options_has (options, "pidfd")))
    return invalid (
        error, "Options 'manual' and 'pid' or 'pidfd' exclude each other: no process holds a manual lock");
  if (manual && agl_options_get_boolean (options, "follow-cwd", FALSE))
    return invalid (error,
                    "Options 'manual' and 'follow-cwd' exclude each other: no process holds a manual lock");
  if (!manual && agl_options_has (options, "ttl"))
    return invalid (error, "Option 'ttl' goes with 'manual' only: other locks end with their process");
  if (agl_options_has (options, "ttl") && agl_options_get_uint32 (options, "ttl", 0) == 0)
    return invalid (error, "Option 'ttl' is at least 1 second");
  if (conflict != AGL_CONFLICT_WAIT && agl_options_has (options, "timeout"))
    return invalid (error, "Option 'timeout' goes with conflict 'wait' only");
  return TRUE;
}

gboolean
agl_acquire_options_parse (GVariant *options_variant,
                           gboolean detect_agents,
                           AglAcquireOptions *out,
                           GError **error)
{
  g_autoptr (AglRequest) request = agl_request_new ();
  g_autoptr (GHashTable) options = agl_options_parse (options_variant, specs, error);
  gboolean manual;
  guint32 pid;

  if (options == NULL || !parse_conflict (options, &request->conflict, error))
    return FALSE;
  manual = agl_options_get_boolean (options, "manual", FALSE);
  if (!check_together (options, manual, request->conflict, error)
      || !agl_options_get_pid (options, "pid", &pid, error) || !parse_texts (options, request, error))
    return FALSE;

  if (agl_options_get_boolean (options, "shared", FALSE))
    request->mode |= AGL_MODE_SHARED;
  if (agl_options_get_boolean (options, "subtree", FALSE))
    request->mode |= AGL_MODE_SUBTREE;
  request->follow_cwd = !manual && agl_options_get_boolean (options, "follow-cwd", TRUE);
  request->detect_agents = agl_options_get_boolean (options, "detect-agents", detect_agents);
  request->ttl_sec = agl_options_get_uint32 (options, "ttl", 0);
  request->timeout_msec =
      agl_options_has (options, "timeout") ? (gint64)agl_options_get_uint32 (options, "timeout", 0) : -1;

  out->pid = pid;
  out->pidfd = agl_options_get_handle (options, "pidfd");
  out->directory_fd = agl_options_get_handle (options, "directory-fd");
  out->manual = manual;
  out->request = g_steal_pointer (&request);
  return TRUE;
}

void
agl_acquire_options_clear (AglAcquireOptions *self)
{
  g_clear_pointer (&self->request, agl_request_unref);
}
