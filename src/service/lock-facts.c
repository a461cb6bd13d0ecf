/* SPDX-License-Identifier: MIT */
#include "service/lock-facts.h"

#include "common/text.h"

#include <string.h>

char *
agl_path_to_display (const char *path)
{
  return g_utf8_validate (path, -1, NULL) ? g_strdup (path) : agl_text_escape (path, -1);
}

static void
add_path (GVariantBuilder *facts, const char *path)
{
  g_variant_builder_add (facts, "{sv}", "directory", g_variant_new_take_string (agl_path_to_display (path)));
}

/* @length 0: there is nothing that "directory" does not say. */
static void
add_path_bytes (GVariantBuilder *facts, const char *path, gsize length)
{
  g_variant_builder_add (facts, "{sv}", "directory-bytes",
                         g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, path, length, 1));
}

static void
add_directory (GVariantBuilder *facts, const AglDirectory *directory)
{
  const char *path = agl_directory_get_path (directory);

  add_path (facts, path);
  if (!g_utf8_validate (path, -1, NULL))
    add_path_bytes (facts, path, strlen (path));
}

static void
add_text (GVariantBuilder *facts, const char *key, const char *text)
{
  if (text != NULL)
    g_variant_builder_add (facts, "{sv}", key, g_variant_new_string (text));
}

static void
add_holder (GVariantBuilder *facts, const AglLock *lock, AglChange what)
{
  if ((what & AGL_CHANGED_KIND) != 0)
    g_variant_builder_add (facts, "{sv}", "kind", g_variant_new_string (lock->manual ? "manual" : "process"));
  if ((what & AGL_CHANGED_PID) != 0)
    g_variant_builder_add (facts, "{sv}", "pid", g_variant_new_uint32 ((guint32)lock->token.pid));
  if ((what & AGL_CHANGED_UID) != 0)
    g_variant_builder_add (facts, "{sv}", "uid", g_variant_new_uint32 (lock->uid));
  if ((what & AGL_CHANGED_COMMAND) != 0)
    g_variant_builder_add (facts, "{sv}", "command", g_variant_new_string (lock->command));
}

static void
add_rest (GVariantBuilder *facts, const AglLock *lock, AglChange what)
{
  if ((what & AGL_CHANGED_SHARED) != 0)
    g_variant_builder_add (facts, "{sv}", "shared",
                           g_variant_new_boolean ((lock->mode & AGL_MODE_SHARED) != 0));
  if ((what & AGL_CHANGED_SUBTREE) != 0)
    g_variant_builder_add (facts, "{sv}", "subtree",
                           g_variant_new_boolean ((lock->mode & AGL_MODE_SUBTREE) != 0));
  if ((what & AGL_CHANGED_FOLLOW) != 0)
    g_variant_builder_add (facts, "{sv}", "follow-cwd", g_variant_new_boolean (lock->follow_cwd));
  if ((what & AGL_CHANGED_CWD) != 0)
    g_variant_builder_add (facts, "{sv}", "cwd", g_variant_new_string (agl_cwd_to_string (lock->cwd)));
  if ((what & AGL_CHANGED_WAITERS) != 0)
    g_variant_builder_add (facts, "{sv}", "waiters", g_variant_new_uint32 (lock->n_waiters));
  if ((what & AGL_CHANGED_AGENT) != 0)
    add_text (facts, "agent", lock->texts.agent);
  if ((what & AGL_CHANGED_SESSION) != 0)
    add_text (facts, "session", lock->texts.session);
  if ((what & AGL_CHANGED_REASON) != 0)
    add_text (facts, "reason", lock->texts.reason);
}

static void
add_expiry (GVariantBuilder *facts, const AglLock *lock)
{
  g_variant_builder_add (facts, "{sv}", "expires-at", g_variant_new_uint64 ((guint64)lock->expires_at_usec));
}

/* Those of the facts that not everybody may read. */
static AglChange
without_texts (AglChange what, gboolean with_texts)
{
  return with_texts ? what : what & ~AGL_CHANGED_TEXTS;
}

GVariant *
agl_lock_facts (const AglLock *lock, gboolean with_texts)
{
  const AglChange all = without_texts (~0, with_texts);
  GVariantBuilder facts;

  g_variant_builder_init (&facts, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&facts, "{sv}", "id", g_variant_new_uint64 (lock->id));
  add_directory (&facts, lock->directory);
  add_holder (&facts, lock, all);
  add_rest (&facts, lock, all);
  g_variant_builder_add (&facts, "{sv}", "acquired-at",
                         g_variant_new_uint64 ((guint64)lock->acquired_at_usec));
  g_variant_builder_add (&facts, "{sv}", "acquired-by", g_variant_new_uint32 ((guint32)lock->acquirer.pid));
  if (lock->expires_at_usec != 0)
    add_expiry (&facts, lock);
  return g_variant_builder_end (&facts);
}

GVariant *
agl_lock_changed_facts (const AglLock *lock, AglChange what, gboolean with_texts)
{
  const char *path = agl_directory_get_path (lock->directory);
  GVariantBuilder facts;

  what = without_texts (what, with_texts);
  if (what == 0)
    return NULL;
  g_variant_builder_init (&facts, G_VARIANT_TYPE_VARDICT);
  if ((what & AGL_CHANGED_DIRECTORY) != 0)
    add_path (&facts, path);
  if ((what & AGL_CHANGED_DIRECTORY_BYTES) != 0)
    add_path_bytes (&facts, path, g_utf8_validate (path, -1, NULL) ? 0 : strlen (path));
  add_holder (&facts, lock, what);
  add_rest (&facts, lock, what);
  if ((what & AGL_CHANGED_EXPIRY) != 0)
    add_expiry (&facts, lock);
  return g_variant_builder_end (&facts);
}

GVariant *
agl_outsider_facts (const AglOutsider *outsider, const AglDirectory *directory)
{
  GVariantBuilder facts;

  g_variant_builder_init (&facts, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&facts, "{sv}", "kind", g_variant_new_string ("unregistered"));
  g_variant_builder_add (&facts, "{sv}", "pid",
                         g_variant_new_uint32 ((guint32)agl_process_get_pid (outsider->process)));
  g_variant_builder_add (&facts, "{sv}", "uid", g_variant_new_uint32 (outsider->uid));
  g_variant_builder_add (&facts, "{sv}", "command", g_variant_new_string (outsider->command));
  g_variant_builder_add (&facts, "{sv}", "agent", g_variant_new_string (outsider->agent));
  add_directory (&facts, directory);
  return g_variant_builder_end (&facts);
}
