/* SPDX-License-Identifier: MIT */
#include "core/subject.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/error.h"

/* The C library's setgroups(3) and capset wrappers change all threads or none of ours; the kernel's calls
 * change the calling thread (nptl(7)). Where the plain numbers are those of 16-bit ids there are others. */
#ifdef SYS_setfsuid32
#define NR_SETFSUID  SYS_setfsuid32
#define NR_SETFSGID  SYS_setfsgid32
#define NR_GETGROUPS SYS_getgroups32
#define NR_SETGROUPS SYS_setgroups32
#else
#define NR_SETFSUID  SYS_setfsuid
#define NR_SETFSGID  SYS_setfsgid
#define NR_GETGROUPS SYS_getgroups
#define NR_SETGROUPS SYS_setgroups
#endif

typedef struct __user_cap_data_struct Capabilities[_LINUX_CAPABILITY_U32S_3];

/* What the thread was before it acted for someone. */
typedef struct
{
  gboolean acting;
  gboolean changed; /* the first step towards the other was done */
  uid_t fsuid;
  gid_t fsgid;
  gid_t *groups;
  gsize n_groups;
  Capabilities capabilities;
} Own;

static __thread Own own;

AglSubject *
agl_subject_new (
    AglProcess *process, uid_t uid, gid_t gid, const gid_t *groups, gsize n_groups, gboolean impersonate)
{
  AglSubject *self = g_atomic_rc_box_new0 (AglSubject);

  self->process = process != NULL ? agl_process_ref (process) : NULL;
  self->uid = uid;
  self->gid = gid;
  self->groups = g_memdup2 (groups, n_groups * sizeof *groups);
  self->n_groups = n_groups;
  self->impersonate = impersonate;
  return self;
}

AglSubject *
agl_subject_ref (AglSubject *self)
{
  return g_atomic_rc_box_acquire (self);
}

static void
agl_subject_clear (gpointer data)
{
  AglSubject *self = data;

  g_clear_pointer (&self->process, agl_process_unref);
  g_free (self->groups);
}

void
agl_subject_unref (AglSubject *self)
{
  g_atomic_rc_box_release_full (self, agl_subject_clear);
}

static gboolean
get_capabilities (Capabilities capabilities)
{
  struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3, .pid = 0 };

  return syscall (SYS_capget, &header, capabilities) == 0;
}

static gboolean
set_capabilities (const Capabilities capabilities)
{
  struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3, .pid = 0 };

  return syscall (SYS_capset, &header, capabilities) == 0;
}

/* setfsuid(2) never fails in so many words: it returns the former id. -1 is nobody's and so only asks. */
static uid_t
get_fsuid (void)
{
  return (uid_t)syscall (NR_SETFSUID, (uid_t)-1);
}

static gid_t
get_fsgid (void)
{
  return (gid_t)syscall (NR_SETFSGID, (gid_t)-1);
}

static gboolean
set_fsuid (uid_t uid)
{
  syscall (NR_SETFSUID, uid);
  return get_fsuid () == uid;
}

static gboolean
set_fsgid (gid_t gid)
{
  syscall (NR_SETFSGID, gid);
  return get_fsgid () == gid;
}

static gboolean
set_groups (const gid_t *groups, gsize n_groups)
{
  return syscall (NR_SETGROUPS, n_groups, groups) == 0;
}

static gboolean
remember_own (void)
{
  long n_groups = syscall (NR_GETGROUPS, 0, NULL);

  if (n_groups < 0 || !get_capabilities (own.capabilities))
    return FALSE;
  own.groups = g_new (gid_t, (gsize)n_groups + 1);
  n_groups = syscall (NR_GETGROUPS, n_groups, own.groups);
  if (n_groups < 0)
    {
      int saved_errno = errno;

      g_clear_pointer (&own.groups, g_free);
      errno = saved_errno;
      return FALSE;
    }
  own.n_groups = (gsize)n_groups;
  own.fsuid = get_fsuid ();
  own.fsgid = get_fsgid ();
  return TRUE;
}

/* @own with what changing the identity of a thread takes. */
static void
raise_for_change (const Capabilities from, Capabilities capabilities)
{
  const guint32 of_change = (1u << CAP_SETUID) | (1u << CAP_SETGID);

  memcpy (capabilities, from, sizeof (Capabilities));
  capabilities[0].effective |= capabilities[0].permitted & of_change;
}

gboolean
agl_subject_rest (GError **error)
{
  const guint32 at_work = (1u << CAP_SETUID) | (1u << CAP_SETGID) | (1u << CAP_DAC_OVERRIDE);
  Capabilities capabilities;

  if (get_capabilities (capabilities))
    {
      capabilities[0].effective &= ~at_work;
      if (set_capabilities (capabilities))
        return TRUE;
    }
  g_set_error (error, AGL_ERROR, AGL_ERROR_UNAVAILABLE, "Cannot lay down capabilities: %s",
               g_strerror (errno));
  return FALSE;
}

/* The permitted ones stay, to come back with. Root is judged as root is elsewhere, as far as this service
 * may: without these two a root process could not enter others' directories. */
static void
keep_for (uid_t uid, Capabilities capabilities)
{
  const guint32 of_root = (1u << CAP_DAC_OVERRIDE) | (1u << CAP_DAC_READ_SEARCH);

  for (guint i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
    capabilities[i].effective = 0;
  if (uid == 0)
    capabilities[0].effective = capabilities[0].permitted & of_root;
}

static gboolean
become (const AglSubject *self)
{
  Capabilities capabilities;

  raise_for_change (own.capabilities, capabilities);
  if (!set_capabilities (capabilities) || !set_groups (self->groups, self->n_groups))
    return FALSE;
  own.changed = TRUE;
  keep_for (self->uid, capabilities);
  errno = EPERM; /* for the two that give no reason */
  return set_fsgid (self->gid) && set_fsuid (self->uid) && set_capabilities (capabilities);
}

/* The capabilities first, since the rest needs them, and last, since a fsuid that turns 0 raises some
 * (capabilities(7), "Effect of user ID changes"). */
static gboolean
become_own (void)
{
  Capabilities capabilities;

  raise_for_change (own.capabilities, capabilities);
  return set_capabilities (capabilities) && set_fsuid (own.fsuid) && set_fsgid (own.fsgid)
         && set_groups (own.groups, own.n_groups) && set_capabilities (own.capabilities);
}

static void
return_to_own (void)
{
  /* Before the first change there is nothing to take back but what was raised for it. */
  if (own.changed ? !become_own () : !set_capabilities (own.capabilities))
    g_error ("A thread that acted for a user cannot become this service again: %s", g_strerror (errno));
  g_clear_pointer (&own.groups, g_free);
  own.changed = FALSE;
  own.acting = FALSE;
}

gboolean
agl_subject_begin (const AglSubject *self, GError **error)
{
  int saved_errno;

  if (!self->impersonate)
    return TRUE;
  g_return_val_if_fail (!own.acting, FALSE);

  if (!remember_own ())
    {
      g_set_error (error, AGL_ERROR, AGL_ERROR_UNAVAILABLE, "Cannot tell this service's own rights: %s",
                   g_strerror (errno));
      return FALSE;
    }
  own.acting = TRUE;
  if (become (self))
    return TRUE;

  saved_errno = errno;
  return_to_own ();
  g_set_error (error, AGL_ERROR, AGL_ERROR_UNAVAILABLE,
               "Cannot act as user %u, which needs CAP_SETUID and CAP_SETGID: %s", (guint)self->uid,
               g_strerror (saved_errno));
  return FALSE;
}

void
agl_subject_end (const AglSubject *self)
{
  if (!self->impersonate)
    return;
  g_return_if_fail (own.acting);
  return_to_own ();
}
