/* SPDX-License-Identifier: MIT */
#include "applet/lock-entry.h"

#include <string.h>

struct _AglLockEntry
{
  GObject parent_instance;
  guint64 id;
  char *directory, *path, *kind, *command, *agent, *session, *reason, *cwd;
  guint pid, uid, waiters;
  gboolean shared, subtree, follow_cwd;
  guint64 acquired_at, expires_at;
  char *repository, *trouble;
  gboolean grouped;
};

G_DEFINE_FINAL_TYPE (AglLockEntry, agl_lock_entry, G_TYPE_OBJECT)

typedef enum
{
  FACT_TEXT,
  FACT_FLAG,
  FACT_NUMBER, /* u */
  FACT_LARGE   /* t */
} FactType;

/* One property each, numbered from 1 in this order. */
static const struct
{
  const char *key;
  FactType type;
  gsize offset;
  AglLockChanges change;
} facts_known[] = {
  { "id", FACT_LARGE, G_STRUCT_OFFSET (AglLockEntry, id), 0 },
  { "directory", FACT_TEXT, G_STRUCT_OFFSET (AglLockEntry, directory), AGL_LOCK_CHANGED_DIRECTORY },
  { "kind", FACT_TEXT, G_STRUCT_OFFSET (AglLockEntry, kind), AGL_LOCK_CHANGED_HOLDER },
  { "pid", FACT_NUMBER, G_STRUCT_OFFSET (AglLockEntry, pid), AGL_LOCK_CHANGED_HOLDER },
  { "uid", FACT_NUMBER, G_STRUCT_OFFSET (AglLockEntry, uid), AGL_LOCK_CHANGED_HOLDER },
  { "command", FACT_TEXT, G_STRUCT_OFFSET (AglLockEntry, command), AGL_LOCK_CHANGED_HOLDER },
  { "agent", FACT_TEXT, G_STRUCT_OFFSET (AglLockEntry, agent), AGL_LOCK_CHANGED_TEXTS },
  { "session", FACT_TEXT, G_STRUCT_OFFSET (AglLockEntry, session), AGL_LOCK_CHANGED_TEXTS },
  { "reason", FACT_TEXT, G_STRUCT_OFFSET (AglLockEntry, reason), AGL_LOCK_CHANGED_TEXTS },
  { "shared", FACT_FLAG, G_STRUCT_OFFSET (AglLockEntry, shared), AGL_LOCK_CHANGED_MODE },
  { "subtree", FACT_FLAG, G_STRUCT_OFFSET (AglLockEntry, subtree), AGL_LOCK_CHANGED_MODE },
  { "follow-cwd", FACT_FLAG, G_STRUCT_OFFSET (AglLockEntry, follow_cwd), AGL_LOCK_CHANGED_MODE },
  { "cwd", FACT_TEXT, G_STRUCT_OFFSET (AglLockEntry, cwd), AGL_LOCK_CHANGED_CWD },
  { "acquired-at", FACT_LARGE, G_STRUCT_OFFSET (AglLockEntry, acquired_at), AGL_LOCK_CHANGED_TIMES },
  { "expires-at", FACT_LARGE, G_STRUCT_OFFSET (AglLockEntry, expires_at), AGL_LOCK_CHANGED_TIMES },
  { "waiters", FACT_NUMBER, G_STRUCT_OFFSET (AglLockEntry, waiters), AGL_LOCK_CHANGED_WAITERS },
};

#define N_FACTS (G_N_ELEMENTS (facts_known))
enum
{
  PROP_REPOSITORY = N_FACTS + 1,
  PROP_TROUBLE,
  PROP_GROUPED,
  N_PROPERTIES
};
static GParamSpec *properties[N_PROPERTIES];

/* --- one fact --- */

static gboolean
set_text (char **place, const char *value)
{
  if (g_strcmp0 (*place, value) == 0)
    return FALSE;
  g_free (*place);
  *place = g_strdup (value);
  return TRUE;
}

static gboolean
take_number (FactType type, gpointer place, GVariant *value)
{
  guint64 number;

  if (g_variant_is_of_type (value, G_VARIANT_TYPE_UINT32))
    number = g_variant_get_uint32 (value);
  else if (g_variant_is_of_type (value, G_VARIANT_TYPE_UINT64))
    number = g_variant_get_uint64 (value);
  else
    return FALSE;
  if (type == FACT_NUMBER)
    {
      guint *small = place;
      guint before = *small;

      *small = (guint)MIN (number, G_MAXUINT);
      return *small != before;
    }
  if (*(guint64 *)place == number)
    return FALSE;
  *(guint64 *)place = number;
  return TRUE;
}

/* TRUE when it is another value than before. */
static gboolean
take_fact (FactType type, gpointer place, GVariant *value)
{
  gboolean *flag = place;

  switch (type)
    {
    case FACT_TEXT:
      return g_variant_is_of_type (value, G_VARIANT_TYPE_STRING)
             && set_text (place, g_variant_get_string (value, NULL));
    case FACT_FLAG:
      if (!g_variant_is_of_type (value, G_VARIANT_TYPE_BOOLEAN) || *flag == g_variant_get_boolean (value))
        return FALSE;
      *flag = !*flag;
      return TRUE;
    case FACT_NUMBER:
    case FACT_LARGE:
      return take_number (type, place, value);
    }
  g_return_val_if_reached (FALSE);
}

/* A name that is not UTF-8 comes as bytes as well. */
static void
take_path (AglLockEntry *self, GVariant *facts)
{
  g_autoptr (GVariant) bytes = g_variant_lookup_value (facts, "directory-bytes", G_VARIANT_TYPE_BYTESTRING);
  const char *data;
  gsize length;

  g_free (self->path);
  self->path = NULL;
  if (bytes == NULL)
    return;
  data = g_variant_get_fixed_array (bytes, &length, 1);
  self->path = g_strndup (data, length);
}

AglLockChanges
agl_lock_entry_update (AglLockEntry *self, GVariant *facts)
{
  AglLockChanges changes = 0;

  g_return_val_if_fail (AGL_IS_LOCK_ENTRY (self), 0);
  g_return_val_if_fail (g_variant_is_of_type (facts, G_VARIANT_TYPE_VARDICT), 0);

  g_variant_ref_sink (facts);
  g_object_freeze_notify (G_OBJECT (self));
  for (guint i = 1; i < N_FACTS; i++) /* without the id, which is what it is */
    {
      g_autoptr (GVariant) value = g_variant_lookup_value (facts, facts_known[i].key, NULL);

      if (value == NULL
          || !take_fact (facts_known[i].type, G_STRUCT_MEMBER_P (self, facts_known[i].offset), value))
        continue;
      changes |= facts_known[i].change;
      g_object_notify_by_pspec (G_OBJECT (self), properties[i + 1]);
    }
  if ((changes & AGL_LOCK_CHANGED_DIRECTORY) != 0)
    take_path (self, facts);
  g_object_thaw_notify (G_OBJECT (self));
  g_variant_unref (facts);
  return changes;
}

guint64
agl_lock_entry_id_of (GVariant *facts)
{
  guint64 id = 0;

  return g_variant_lookup (facts, "id", "t", &id) ? id : 0;
}

AglLockEntry *
agl_lock_entry_new (guint64 id, GVariant *facts)
{
  AglLockEntry *self = g_object_new (AGL_TYPE_LOCK_ENTRY, NULL);

  self->id = id;
  agl_lock_entry_update (self, facts);
  return self;
}

/* --- what is not the service's --- */

void
agl_lock_entry_set_repository (AglLockEntry *self, const char *repository)
{
  g_return_if_fail (AGL_IS_LOCK_ENTRY (self));

  if (set_text (&self->repository, repository))
    g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_REPOSITORY]);
}

void
agl_lock_entry_set_trouble (AglLockEntry *self, const char *trouble)
{
  g_return_if_fail (AGL_IS_LOCK_ENTRY (self));

  if (set_text (&self->trouble, trouble))
    g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_TROUBLE]);
}

void
agl_lock_entry_set_grouped (AglLockEntry *self, gboolean grouped)
{
  g_return_if_fail (AGL_IS_LOCK_ENTRY (self));

  if (self->grouped == grouped)
    return;
  self->grouped = grouped;
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_GROUPED]);
}

gboolean
agl_lock_entry_is_grouped (AglLockEntry *self)
{
  g_return_val_if_fail (AGL_IS_LOCK_ENTRY (self), FALSE);
  return self->grouped;
}

/* --- reading --- */

#define GETTER(type, name)                                    \
  type agl_lock_entry_get_##name (AglLockEntry *self)         \
  {                                                           \
    g_return_val_if_fail (AGL_IS_LOCK_ENTRY (self), (type)0); \
    return self->name;                                        \
  }
#define TEXT_GETTER(name)                                    \
  const char *agl_lock_entry_get_##name (AglLockEntry *self) \
  {                                                          \
    g_return_val_if_fail (AGL_IS_LOCK_ENTRY (self), "");     \
    return self->name;                                       \
  }

GETTER (guint64, id)
GETTER (guint, pid)
GETTER (guint, uid)
GETTER (gboolean, shared)
GETTER (gboolean, subtree)
GETTER (gboolean, follow_cwd)
GETTER (guint64, acquired_at)
GETTER (guint64, expires_at)
GETTER (guint, waiters)
TEXT_GETTER (directory)
TEXT_GETTER (command)
TEXT_GETTER (agent)
TEXT_GETTER (session)
TEXT_GETTER (reason)
TEXT_GETTER (cwd)
TEXT_GETTER (repository)
TEXT_GETTER (trouble)

const char *
agl_lock_entry_get_path (AglLockEntry *self)
{
  g_return_val_if_fail (AGL_IS_LOCK_ENTRY (self), "");
  return self->path != NULL ? self->path : self->directory;
}

gboolean
agl_lock_entry_is_claim (AglLockEntry *self)
{
  g_return_val_if_fail (AGL_IS_LOCK_ENTRY (self), FALSE);
  return g_str_equal (self->kind, "manual");
}

gboolean
agl_lock_entry_is_outside (AglLockEntry *self)
{
  g_return_val_if_fail (AGL_IS_LOCK_ENTRY (self), FALSE);
  return g_str_equal (self->cwd, "outside");
}

gboolean
agl_lock_entry_is_unknown (AglLockEntry *self)
{
  g_return_val_if_fail (AGL_IS_LOCK_ENTRY (self), FALSE);
  return g_str_equal (self->cwd, "unknown");
}

/* --- GObject --- */

static void
agl_lock_entry_get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  AglLockEntry *self = AGL_LOCK_ENTRY (object);
  gpointer place = NULL;

  if (id == PROP_REPOSITORY || id == PROP_TROUBLE)
    {
      g_value_set_string (value, id == PROP_TROUBLE ? self->trouble : self->repository);
      return;
    }
  if (id == PROP_GROUPED)
    {
      g_value_set_boolean (value, self->grouped);
      return;
    }
  if (id < 1 || id > N_FACTS)
    {
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
      return;
    }
  place = G_STRUCT_MEMBER_P (self, facts_known[id - 1].offset);
  switch (facts_known[id - 1].type)
    {
    case FACT_TEXT:
      g_value_set_string (value, *(char **)place);
      break;
    case FACT_FLAG:
      g_value_set_boolean (value, *(gboolean *)place);
      break;
    case FACT_NUMBER:
      g_value_set_uint (value, *(guint *)place);
      break;
    case FACT_LARGE:
      g_value_set_uint64 (value, *(guint64 *)place);
      break;
    }
}

static void
agl_lock_entry_finalize (GObject *object)
{
  AglLockEntry *self = AGL_LOCK_ENTRY (object);

  for (guint i = 0; i < N_FACTS; i++)
    if (facts_known[i].type == FACT_TEXT)
      g_free (*(char **)G_STRUCT_MEMBER_P (self, facts_known[i].offset));
  g_free (self->path);
  g_free (self->repository);
  g_free (self->trouble);
  G_OBJECT_CLASS (agl_lock_entry_parent_class)->finalize (object);
}

static GParamSpec *
make_property (const char *name, FactType type)
{
  GParamFlags flags = G_PARAM_READABLE | G_PARAM_STATIC_STRINGS;

  switch (type)
    {
    case FACT_TEXT:
      return g_param_spec_string (name, NULL, NULL, NULL, flags);
    case FACT_FLAG:
      return g_param_spec_boolean (name, NULL, NULL, FALSE, flags);
    case FACT_NUMBER:
      return g_param_spec_uint (name, NULL, NULL, 0, G_MAXUINT, 0, flags);
    case FACT_LARGE:
      return g_param_spec_uint64 (name, NULL, NULL, 0, G_MAXUINT64, 0, flags);
    }
  g_return_val_if_reached (NULL);
}

static void
agl_lock_entry_class_init (AglLockEntryClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->get_property = agl_lock_entry_get_property;
  object_class->finalize = agl_lock_entry_finalize;
  for (guint i = 0; i < N_FACTS; i++)
    properties[i + 1] = make_property (facts_known[i].key, facts_known[i].type);
  properties[PROP_REPOSITORY] = make_property ("repository", FACT_TEXT);
  properties[PROP_TROUBLE] = make_property ("trouble", FACT_TEXT);
  properties[PROP_GROUPED] = make_property ("grouped", FACT_FLAG);
  g_object_class_install_properties (object_class, N_PROPERTIES, properties);
}

static void
agl_lock_entry_init (AglLockEntry *self)
{
  for (guint i = 0; i < N_FACTS; i++)
    if (facts_known[i].type == FACT_TEXT)
      *(char **)G_STRUCT_MEMBER_P (self, facts_known[i].offset) = g_strdup ("");
}
