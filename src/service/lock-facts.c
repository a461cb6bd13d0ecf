/* SPDX-License-Identifier: MIT */
#include "service/lock-facts.h"

#include "common/text.h"

#include <string.h>

#define ALL_CHANGES                                                                                   \
  (AGL_CHANGED_HOLDER | AGL_CHANGED_MODE | AGL_CHANGED_FOLLOW | AGL_CHANGED_CWD | AGL_CHANGED_WAITERS \
   | AGL_CHANGED_TEXTS | AGL_CHANGED_DIRECTORY)

char *
agl_path_to_display (const char *path)
{
  return g_utf8_validate (path, -1, NULL) ? g_strdup (path) : agl_text_escape (path, -1);
}

static void
add_directory (GVariantBuilder *facts, const AglDirectory *directory)
{
  const char *path = agl_directory_get_path (directory);

  g_variant_builder_add (facts, "{sv}", "directory", g_variant_new_take_string (agl_path_to_display (path)));
  if (!g_utf8_validate (path, -1, NULL))
    g_variant_builder_add (facts, "{sv}", "directory-bytes",
                           g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, path, strlen (path), 1));
}

static void
add_text (GVariantBuilder *facts, const char *key, const char *text)
{
  if (text != NULL)
    g_variant_builder_add (facts, "{sv}", key, g_variant_new_string (text));
}

static void
add (GVariantBuilder *facts, const AglLock *lock, AglChange what, gboolean with_texts)
{
  if ((what & AGL_CHANGED_DIRECTORY) != 0)
    add_directory (facts, lock->directory);
  if ((what & AGL_CHANGED_HOLDER) != 0)
    {
      g_variant_builder_add (facts, "{sv}", "kind",
                             g_variant_new_string (lock->manual ? "manual" : "process"));
      g_variant_builder_add (facts, "{sv}", "pid", g_variant_new_uint32 ((guint32)lock->token.pid));
      g_variant_builder_add (facts, "{sv}", "uid", g_variant_new_uint32 (lock->uid));
      g_variant_builder_add (facts, "{sv}", "command", g_variant_new_string (lock->command));
    }
  if ((what & AGL_CHANGED_MODE) != 0)
    {
      g_variant_builder_add (facts, "{sv}", "shared",
                             g_variant_new_boolean ((lock->mode & AGL_MODE_SHARED) != 0));
      g_variant_builder_add (facts, "{sv}", "subtree",
                             g_variant_new_boolean ((lock->mode & AGL_MODE_SUBTREE) != 0));
    }
  if ((what & AGL_CHANGED_FOLLOW) != 0)
    g_variant_builder_add (facts, "{sv}", "follow-cwd", g_variant_new_boolean (lock->follow_cwd));
  if ((what & AGL_CHANGED_CWD) != 0)
    g_variant_builder_add (facts, "{sv}", "cwd", g_variant_new_string (agl_cwd_to_string (lock->cwd)));
  if ((what & AGL_CHANGED_WAITERS) != 0)
    g_variant_builder_add (facts, "{sv}", "waiters", g_variant_new_uint32 (lock->n_waiters));
  if ((what & AGL_CHANGED_TEXTS) != 0 && with_texts)
    {
      add_text (facts, "agent", lock->texts.agent);
      add_text (facts, "session", lock->texts.session);
      add_text (facts, "reason", lock->texts.reason);
    }
}

GVariant *
agl_lock_facts (const AglLock *lock, gboolean with_texts)
{
  GVariantBuilder facts;

  g_variant_builder_init (&facts, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&facts, "{sv}", "id", g_variant_new_uint64 (lock->id));
  add (&facts, lock, ALL_CHANGES, with_texts);
  g_variant_builder_add (&facts, "{sv}", "acquired-at",
                         g_variant_new_uint64 ((guint64)lock->acquired_at_usec));
  g_variant_builder_add (&facts, "{sv}", "acquired-by", g_variant_new_uint32 ((guint32)lock->acquirer.pid));
  if (lock->expires_at_usec != 0)
    g_variant_builder_add (&facts, "{sv}", "expires-at",
                           g_variant_new_uint64 ((guint64)lock->expires_at_usec));
  return g_variant_builder_end (&facts);
}

GVariant *
agl_lock_changed_facts (const AglLock *lock, AglChange what, gboolean with_texts)
{
  GVariantBuilder facts;

  g_variant_builder_init (&facts, G_VARIANT_TYPE_VARDICT);
  add (&facts, lock, what, with_texts);
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
