/* SPDX-License-Identifier: MIT */
#include "service/callers.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <string.h>
#include <unistd.h>

#include "common/error.h"
#include "service/message-bus.h"
#include "service/socket-door.h"

struct _AglCallers
{
  gboolean impersonate;
  AglCallerGoneFunc gone;
  gpointer user_data;
  GCancellable *cancellable; /* of questions to a bus */
  GHashTable *entries;       /* set of Entry, by connection and name */
  GHashTable *lines;         /* GDBusConnection → GQueue of Asked, in order of arrival; none is empty */
};

/* A caller, or the attempt to learn who it is. */
typedef struct
{
  AglCallers *callers; /* NULL once forgotten while the bus is still being asked */
  GDBusConnection *connection;
  char *name; /* NULL: direct */
  guint subscription;
  AglCaller *caller; /* NULL until known */
  guint n_refs;
} Entry;

/* Who calls is answered in the order in which the calls came over a connection: whoever is known already does
 * not overtake one whom the bus is still asked about. The bus itself answers that, in order, and nobody else
 * can keep it from doing so. */
typedef struct
{
  Entry *entry;
  AglCallerFunc func;
  gpointer user_data;
} Asked;

static guint
entry_hash (gconstpointer data)
{
  const Entry *entry = data;

  return g_direct_hash (entry->connection) ^ (entry->name != NULL ? g_str_hash (entry->name) : 0);
}

static gboolean
entry_equal (gconstpointer a, gconstpointer b)
{
  const Entry *one = a, *other = b;

  return one->connection == other->connection && g_strcmp0 (one->name, other->name) == 0;
}

static void
entry_unref (Entry *entry)
{
  if (--entry->n_refs > 0)
    return;
  g_clear_pointer (&entry->caller, agl_caller_unref);
  g_object_unref (entry->connection);
  g_free (entry->name);
  g_free (entry);
}

static void
answer (Asked *asked, const GError *error)
{
  asked->func (error == NULL ? asked->entry->caller : NULL, error, asked->user_data);
  entry_unref (asked->entry);
  g_free (asked);
}

/* The next one in the line of @connection who is of @entry or, @entry being NULL, whose turn it is. */
static Asked *
take_from_line (AglCallers *self, GDBusConnection *connection, const Entry *entry)
{
  GQueue *line = g_hash_table_lookup (self->lines, connection);
  GList *link = line != NULL ? line->head : NULL;
  Asked *asked;

  if (entry == NULL && link != NULL && ((Asked *)link->data)->entry->caller == NULL)
    return NULL;
  while (entry != NULL && link != NULL && ((Asked *)link->data)->entry != entry)
    link = link->next;
  if (link == NULL)
    return NULL;
  asked = link->data;
  g_queue_delete_link (line, link);
  if (g_queue_is_empty (line))
    g_hash_table_remove (self->lines, connection);
  return asked;
}

/* Each may call back. */
static void
advance (AglCallers *self, GDBusConnection *connection)
{
  Asked *asked;

  while ((asked = take_from_line (self, connection, NULL)) != NULL)
    answer (asked, NULL);
}

/* Out of the table: whoever asks next under this name is asked about anew. */
static void
forget (Entry *entry, const GError *why)
{
  AglCallers *self = entry->callers;
  Asked *asked;

  if (self == NULL)
    return;
  entry->callers = NULL;
  if (entry->subscription != 0)
    g_dbus_connection_signal_unsubscribe (entry->connection, entry->subscription);
  entry->subscription = 0;
  g_hash_table_remove (self->entries, entry);
  if (entry->caller != NULL)
    {
      entry->caller->is_gone = TRUE;
      self->gone (entry->caller, self->user_data);
    }
  /* What one has asked who is known is done in its turn, though he left meanwhile. */
  while (entry->caller == NULL && (asked = take_from_line (self, entry->connection, entry)) != NULL)
    answer (asked, why);
  advance (self, entry->connection);
  entry_unref (entry);
}

static void
forget_gone (Entry *entry)
{
  g_autoptr (GError) why = g_error_new_literal (AGL_ERROR, AGL_ERROR_NO_SUCH_PROCESS,
                                                "The caller hung up before it was identified");

  forget (entry, why);
}

static void
on_name_owner_changed (GDBusConnection *connection,
                       const char *sender,
                       const char *path,
                       const char *interface,
                       const char *signal,
                       GVariant *parameters,
                       gpointer user_data)
{
  const char *new_owner;

  g_variant_get (parameters, "(&s&s&s)", NULL, NULL, &new_owner);
  if (*new_owner == '\0')
    forget_gone (user_data);
}

/* What nobody's directory is meant for: for who has no group that could be told. */
#define NO_GROUP 65534

/* The groups of a process as the bus read them from its socket, which are those it connected with. */
static gboolean
take_groups_of_bus (GArray *groups, GVariant *credentials)
{
  g_autoptr (GVariant) list = g_variant_lookup_value (credentials, "UnixGroupIDs", G_VARIANT_TYPE ("au"));
  const guint32 *ids;
  gsize n_ids;

  if (list == NULL)
    return FALSE;
  ids = g_variant_get_fixed_array (list, &n_ids, sizeof *ids);
  for (gsize i = 0; i < n_ids; i++)
    {
      gid_t gid = ids[i];

      g_array_append_val (groups, gid);
    }
  return n_ids > 0;
}

static const char *
append_number (GArray *groups, const char *text)
{
  char *end;
  gid_t gid;

  while (*text == ' ' || *text == '\t')
    text++;
  gid = (gid_t)g_ascii_strtoull (text, &end, 10);
  if (end == text)
    return NULL;
  g_array_append_val (groups, gid);
  return end;
}

/* Where the bus does not tell: from its status. The real group, not the effective one: since it connected the
 * process may have become a program that is set-group-id, and that group is not its user's to use. */
static void
take_groups_of_process (GArray *groups, const AglProcess *process)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/status", (int)agl_process_get_pid (process));
  g_autofree char *status = NULL;
  const char *line;

  if (!g_file_get_contents (path, &status, NULL, NULL) || !agl_process_is_alive (process))
    return;
  line = strstr (status, "\nGid:");
  if (line == NULL || append_number (groups, line + sizeof "\nGid:" - 1) == NULL)
    return;
  line = strstr (status, "\nGroups:");
  line = line != NULL ? line + sizeof "\nGroups:" - 1 : NULL;
  while (line != NULL)
    line = append_number (groups, line);
}

/* Of a caller on a bus. Without its groups it is judged as in none: less may be allowed, never more. */
static AglSubject *
subject_of (AglCallers *self, AglProcess *process, uid_t uid, GVariant *credentials)
{
  g_autoptr (GArray) groups = g_array_new (FALSE, FALSE, sizeof (gid_t));

  if (!self->impersonate)
    return agl_subject_new (process, uid, NO_GROUP, NULL, 0, FALSE);
  if (!take_groups_of_bus (groups, credentials) && process != NULL)
    take_groups_of_process (groups, process);
  return agl_subject_new (process, uid, groups->len > 0 ? g_array_index (groups, gid_t, 0) : NO_GROUP,
                          (const gid_t *)(gpointer)groups->data, groups->len, TRUE);
}

static void
identified (Entry *entry, AglSubject *subject)
{
  AglCaller *caller = g_rc_box_new0 (AglCaller);

  caller->asker.process = subject->process != NULL ? agl_process_ref (subject->process) : NULL;
  caller->asker.uid = subject->uid;
  caller->asker.privileged = subject->uid == 0;
  caller->subject = agl_subject_ref (subject);
  caller->connection = g_object_ref (entry->connection);
  caller->name = g_strdup (entry->name);
  entry->caller = caller;
  advance (entry->callers, entry->connection);
}

static void
fail (Entry *entry, const GError *cause)
{
  g_autoptr (GError) why =
      g_error_new (AGL_ERROR, AGL_ERROR_UNAVAILABLE, "The caller cannot be identified: %s", cause->message);

  forget (entry, why);
}

typedef struct
{
  Entry *entry;
  AglSubject *subject;
} Confirmation;

static void
on_confirmed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Confirmation *confirmation = user_data;
  Entry *entry = confirmation->entry;
  g_autoptr (AglSubject) subject = confirmation->subject;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  gboolean has_owner = FALSE;

  if (reply != NULL)
    g_variant_get (reply, "(b)", &has_owner);
  if (entry->callers == NULL)
    ;
  else if (reply == NULL)
    fail (entry, error);
  else if (!has_owner)
    forget_gone (entry);
  else
    identified (entry, subject);
  g_free (confirmation);
  entry_unref (entry);
}

/* The PID was the caller's when the bus read it; by now it may be another process's. But a name that is still
 * connected after the PID was opened means a process that was alive all the time: the one that was opened. */
static void
confirm (Entry *entry, AglSubject *subject)
{
  Confirmation *confirmation = g_new0 (Confirmation, 1);

  entry->n_refs++;
  confirmation->entry = entry;
  confirmation->subject = agl_subject_ref (subject);
  g_dbus_connection_call (entry->connection, AGL_BUS_DRIVER, AGL_BUS_DRIVER_PATH, AGL_BUS_DRIVER,
                          "NameHasOwner", g_variant_new ("(s)", entry->name), G_VARIANT_TYPE ("(b)"),
                          G_DBUS_CALL_FLAGS_NONE, AGL_BUS_TIMEOUT_MSEC, entry->callers->cancellable,
                          on_confirmed, confirmation);
}

static AglProcess *
process_from_fd (GVariant *credentials, GUnixFDList *fds)
{
  g_autoptr (AglProcess) process = NULL;
  gint32 index;
  int fd;

  if (fds == NULL || !g_variant_lookup (credentials, "ProcessFD", "h", &index) || index < 0
      || index >= g_unix_fd_list_get_length (fds))
    return NULL;
  fd = g_unix_fd_list_get (fds, index, NULL);
  if (fd < 0)
    return NULL;
  process = agl_process_new_take_pidfd (fd, NULL);
  if (process == NULL)
    close (fd);
  return g_steal_pointer (&process);
}

static void
take_credentials (Entry *entry, GVariant *credentials, GUnixFDList *fds)
{
  g_autoptr (AglProcess) process = process_from_fd (credentials, fds);
  g_autoptr (AglSubject) subject = NULL;
  g_autoptr (GError) error = NULL;
  guint32 uid, pid;

  if (!g_variant_lookup (credentials, "UnixUserID", "u", &uid))
    {
      g_set_error_literal (&error, AGL_ERROR, AGL_ERROR_UNAVAILABLE, "the bus does not tell its user");
      fail (entry, error);
      return;
    }
  if (process != NULL)
    {
      subject = subject_of (entry->callers, process, uid, credentials);
      identified (entry, subject);
      return;
    }
  if (g_variant_lookup (credentials, "ProcessID", "u", &pid) && pid != 0)
    {
      process = agl_process_open ((pid_t)pid, &error);
      if (process == NULL && !g_error_matches (error, AGL_ERROR, AGL_ERROR_NO_SUCH_PROCESS))
        {
          fail (entry, error);
          return;
        }
    }
  subject = subject_of (entry->callers, process, uid, credentials);
  confirm (entry, subject);
}

static void
on_credentials (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Entry *entry = user_data;
  g_autoptr (GUnixFDList) fds = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply =
      g_dbus_connection_call_with_unix_fd_list_finish (G_DBUS_CONNECTION (source), &fds, result, &error);

  if (entry->callers == NULL)
    ;
  else if (reply == NULL)
    fail (entry, error);
  else
    {
      g_autoptr (GVariant) credentials = g_variant_get_child_value (reply, 0);

      take_credentials (entry, credentials, fds);
    }
  entry_unref (entry);
}

/* Subscribed first: a caller that hangs up at any moment after this is heard of. */
static void
ask_bus (Entry *entry)
{
  entry->subscription = g_dbus_connection_signal_subscribe (
      entry->connection, AGL_BUS_DRIVER, AGL_BUS_DRIVER, "NameOwnerChanged", AGL_BUS_DRIVER_PATH, entry->name,
      G_DBUS_SIGNAL_FLAGS_NONE, on_name_owner_changed, entry, NULL);
  entry->n_refs++;
  g_dbus_connection_call_with_unix_fd_list (
      entry->connection, AGL_BUS_DRIVER, AGL_BUS_DRIVER_PATH, AGL_BUS_DRIVER, "GetConnectionCredentials",
      g_variant_new ("(s)", entry->name), G_VARIANT_TYPE ("(a{sv})"), G_DBUS_CALL_FLAGS_NONE,
      AGL_BUS_TIMEOUT_MSEC, NULL, entry->callers->cancellable, on_credentials, entry);
}

/* A kernel without SO_PEERPIDFD (before Linux 6.5) gives a number, of the process that connected. */
static void
ask_kernel (Entry *entry, const AglPeer *peer)
{
  AglCallers *self = entry->callers;
  g_autoptr (AglProcess) process = NULL;
  g_autoptr (AglSubject) subject = NULL;
  g_autoptr (GError) error = NULL;

  if (peer->pidfd >= 0)
    {
      int fd = fcntl (peer->pidfd, F_DUPFD_CLOEXEC, 3);

      if (fd < 0)
        g_set_error (&error, AGL_ERROR, AGL_ERROR_UNAVAILABLE, "fcntl: %s", g_strerror (errno));
      else
        process = agl_process_new_take_pidfd (fd, &error);
      if (process == NULL && fd >= 0)
        close (fd);
    }
  else if (peer->pid > 0)
    process = agl_process_open (peer->pid, &error);

  if (g_error_matches (error, AGL_ERROR, AGL_ERROR_UNAVAILABLE))
    {
      fail (entry, error);
      return;
    }
  subject = agl_subject_new (process, peer->uid, peer->gid, peer->groups, peer->n_groups, self->impersonate);
  identified (entry, subject);
}

static Entry *
entry_new (AglCallers *self, GDBusConnection *connection, const char *name)
{
  Entry *entry = g_new0 (Entry, 1);

  entry->callers = self;
  entry->connection = g_object_ref (connection);
  entry->name = g_strdup (name);
  entry->n_refs = 1;
  g_hash_table_add (self->entries, entry);
  return entry;
}

static void
join_line (AglCallers *self, Entry *entry, AglCallerFunc func, gpointer user_data)
{
  GQueue *line = g_hash_table_lookup (self->lines, entry->connection);
  Asked *asked = g_new0 (Asked, 1);

  if (line == NULL)
    {
      line = g_queue_new ();
      g_hash_table_insert (self->lines, entry->connection, line);
    }
  entry->n_refs++;
  asked->entry = entry;
  asked->func = func;
  asked->user_data = user_data;
  g_queue_push_tail (line, asked);
}

void
agl_callers_identify (AglCallers *self,
                      GDBusMethodInvocation *invocation,
                      AglCallerFunc func,
                      gpointer user_data)
{
  GDBusConnection *connection = g_dbus_method_invocation_get_connection (invocation);
  const AglPeer *peer = agl_socket_door_get_peer (connection);
  const Entry key = {
    .connection = connection,
    .name = peer != NULL ? NULL : (char *)g_dbus_method_invocation_get_sender (invocation),
  };
  Entry *entry = g_hash_table_lookup (self->entries, &key);
  gboolean is_new = entry == NULL;

  if (!is_new && entry->caller != NULL && !g_hash_table_contains (self->lines, connection))
    {
      func (entry->caller, NULL, user_data);
      return;
    }
  if (is_new)
    entry = entry_new (self, connection, key.name);
  join_line (self, entry, func, user_data);
  if (!is_new)
    return;
  if (peer != NULL)
    ask_kernel (entry, peer);
  else if (g_dbus_connection_is_closed (connection))
    forget_gone (entry); /* of a bus that ended meanwhile nothing can be asked */
  else
    ask_bus (entry);
}

typedef gboolean (*EntryMatch) (const Entry *entry, gconstpointer data);

static gboolean
is_of_connection (const Entry *entry, gconstpointer connection)
{
  return connection == NULL || entry->connection == connection;
}

static gboolean
is_unknown (const Entry *entry, gconstpointer unused)
{
  return entry->caller == NULL;
}

static void
forget_matching (AglCallers *self, EntryMatch matches, gconstpointer data)
{
  g_autoptr (GPtrArray) found = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer entry;

  g_hash_table_iter_init (&iter, self->entries);
  while (g_hash_table_iter_next (&iter, &entry, NULL))
    if (matches (entry, data))
      g_ptr_array_add (found, entry);
  for (guint i = 0; i < found->len; i++)
    forget_gone (g_ptr_array_index (found, i));
}

void
agl_callers_drop_connection (AglCallers *self, GDBusConnection *connection)
{
  forget_matching (self, is_of_connection, connection);
}

AglCallers *
agl_callers_new (gboolean impersonate, AglCallerGoneFunc gone, gpointer user_data)
{
  AglCallers *self = g_new0 (AglCallers, 1);

  self->impersonate = impersonate;
  self->gone = gone;
  self->user_data = user_data;
  self->cancellable = g_cancellable_new ();
  self->entries = g_hash_table_new (entry_hash, entry_equal);
  self->lines = g_hash_table_new_full (g_direct_hash, g_direct_equal, NULL, (GDestroyNotify)g_queue_free);
  return self;
}

void
agl_callers_stop (AglCallers *self)
{
  forget_matching (self, is_unknown, NULL);
  g_cancellable_cancel (self->cancellable);
}

void
agl_callers_free (AglCallers *self)
{
  forget_matching (self, is_of_connection, NULL);
  g_object_unref (self->cancellable);
  g_hash_table_unref (self->entries);
  g_hash_table_unref (self->lines);
  g_free (self);
}
