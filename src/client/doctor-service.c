/* SPDX-License-Identifier: MIT */
#include <signal.h>
#include <glib/gi18n.h>
#include <string.h>
#include <unistd.h>

#include "client/doctor.h"
#include "common/names.h"
#include "core/agent-catalog.h"

/* The command's name as the kernel keeps it: all 15 bytes. */
#define DAEMON_NAME "agentctl-locksd"

/* Shipped ones are some 2 KiB, and the catalogue takes none larger than this. */
#define MAX_CATALOGUE_FILE_BYTES (64 * 1024)

typedef struct
{
  pid_t pid;
  AglScope scope;
  char *runtime_dir, *state_dir;
} Instance;

static void
instance_free (gpointer data)
{
  Instance *instance = data;

  g_free (instance->runtime_dir);
  g_free (instance->state_dir);
  g_free (instance);
}

/* --- which instances run --- */

/* "--option=VALUE" or "--option VALUE" among the arguments; NULL: not given. Caller frees. */
static char *
find_option (const char *const *argv, const char *option)
{
  gsize length = strlen (option);

  for (; *argv != NULL; argv++)
    {
      if (strncmp (*argv, option, length) != 0)
        continue;
      if ((*argv)[length] == '=')
        return g_strdup (*argv + length + 1);
      if ((*argv)[length] == '\0' && argv[1] != NULL)
        return g_strdup (argv[1]);
    }
  return NULL;
}

/* Our folder within what the process whose /proc/PID is @folder has as @variable; NULL: it has none, or we
 * may not look. Caller frees. */
static char *
find_in_environment (int folder, const char *variable)
{
  g_autofree char *path = g_strdup_printf ("/proc/self/fd/%d/environ", folder);
  g_autofree char *start = g_strconcat (variable, "=", NULL);
  g_autofree char *data = NULL;
  gsize n_bytes = 0;

  if (!g_file_get_contents (path, &data, &n_bytes, NULL))
    return NULL;
  for (const char *entry = data; entry < data + n_bytes; entry += strlen (entry) + 1)
    if (g_str_has_prefix (entry, start) && entry[strlen (start)] == '/')
      return g_build_filename (entry + strlen (start), "agentctl-locks", NULL);
  return NULL;
}

/* Where it keeps its files, by what it was started as. */
static void
read_folders (Instance *instance)
{
  g_autofree AglCommandLineBuffer *buffer = g_new (AglCommandLineBuffer, 1);
  int folder = agl_command_line_open (-1, instance->pid);

  if (folder >= 0 && agl_command_line_read_names (buffer, folder)
      && agl_command_line_read_arguments (buffer, folder))
    {
      instance->runtime_dir = find_option (buffer->line.argv, "--runtime-dir");
      instance->state_dir = find_option (buffer->line.argv, "--state-dir");
      for (const char *const *arg = buffer->line.argv; *arg != NULL; arg++)
        if (g_str_equal (*arg, "--system"))
          instance->scope = AGL_SCOPE_SYSTEM;
    }
  if (folder >= 0 && instance->scope == AGL_SCOPE_USER)
    {
      if (instance->runtime_dir == NULL)
        instance->runtime_dir = find_in_environment (folder, "XDG_RUNTIME_DIR");
      if (instance->state_dir == NULL)
        instance->state_dir = find_in_environment (folder, "XDG_STATE_HOME");
    }
  if (folder >= 0)
    close (folder);
  if (instance->runtime_dir == NULL)
    instance->runtime_dir = agl_paths_runtime_dir (instance->scope);
  if (instance->state_dir == NULL)
    instance->state_dir = agl_paths_state_dir (instance->scope);
}

static void
add_instance (GPtrArray *instances, pid_t pid)
{
  Instance *instance;

  for (guint i = 0; i < instances->len; i++)
    if (((Instance *)g_ptr_array_index (instances, i))->pid == pid)
      return;
  instance = g_new0 (Instance, 1);
  instance->pid = pid;
  instance->scope = AGL_SCOPE_USER;
  read_folders (instance);
  g_ptr_array_add (instances, instance);
}

/* Whoever answers to our name at @address, where somebody listens. A direct socket answers as a bus does. */
static void
add_who_answers (GPtrArray *instances, const char *address)
{
  g_autoptr (AglService) service = agl_service_connect (address, AGL_BUS_NAME, NULL);
  g_autoptr (GVariant) reply = NULL;
  guint32 pid;

  if (service == NULL)
    return;
  reply = g_dbus_connection_call_sync (service->connection, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                       "org.freedesktop.DBus", "GetConnectionUnixProcessID",
                                       g_variant_new ("(s)", AGL_BUS_NAME), G_VARIANT_TYPE ("(u)"),
                                       G_DBUS_CALL_FLAGS_NO_AUTO_START, AGL_CALL_TIMEOUT_MSEC, NULL, NULL);
  if (reply == NULL)
    return;
  g_variant_get (reply, "(u)", &pid);
  if (pid != 0)
    add_instance (instances, (pid_t)pid);
}

static void
add_direct (GPtrArray *instances, AglScope scope)
{
  g_autofree char *runtime_dir = agl_paths_runtime_dir (scope);
  g_autofree char *path = agl_paths_socket (runtime_dir);
  g_autofree char *address = agl_paths_socket_address (runtime_dir);

  if (access (path, F_OK) == 0)
    add_who_answers (instances, address);
}

/* Those that this user's commands may come to talk to, and those that he started. */
static GPtrArray *
list_instances (const AglDoctor *self)
{
  GPtrArray *instances = g_ptr_array_new_with_free_func (instance_free);
  g_autofree char *session_bus = agl_service_session_bus_address ();
  g_autofree char *system_bus = g_dbus_address_get_for_bus_sync (G_BUS_TYPE_SYSTEM, NULL, NULL);

  if (self->service != NULL)
    add_who_answers (instances, self->service->door);
  add_direct (instances, AGL_SCOPE_SYSTEM);
  add_direct (instances, AGL_SCOPE_USER);
  if (session_bus != NULL)
    add_who_answers (instances, session_bus);
  if (system_bus != NULL)
    add_who_answers (instances, system_bus);
  for (guint i = 0; i < agl_census_size (self->census); i++)
    {
      const AglInhabitant *one = agl_census_get (self->census, i);

      if (one->uid == geteuid () && g_str_equal (one->command, DAEMON_NAME))
        add_instance (instances, one->pid);
    }
  return instances;
}

static void
check_instances (AglDoctor *self, GPtrArray *instances)
{
  const Instance *last = NULL;
  GVariantBuilder list;
  GVariantDict facts;

  g_variant_builder_init (&list, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = 0; i < instances->len; i++)
    {
      const Instance *instance = g_ptr_array_index (instances, i);
      GVariantDict one;

      g_variant_dict_init (&one, NULL);
      g_variant_dict_insert (&one, "pid", "u", (guint32)instance->pid);
      g_variant_dict_insert (&one, "scope", "s", agl_scope_to_string (instance->scope));
      g_variant_dict_insert_value (&one, "runtime-dir", agl_doctor_path (instance->runtime_dir));
      g_variant_builder_add_value (&list, g_variant_dict_end (&one));
      /* A user's beside the machine's, else the one that is not the first to be asked. */
      if (last == NULL || instance->scope == AGL_SCOPE_USER)
        last = instance;
    }
  if (instances->len < 2)
    {
      g_variant_builder_clear (&list);
      return;
    }
  agl_doctor_begin (&facts, "several-instances");
  g_variant_dict_insert_value (&facts, "instances", g_variant_builder_end (&list));
  agl_doctor_note (self, &facts, "kill %d", (int)last->pid);
}

/* --- files --- */

static void
note_set_aside (AglDoctor *self, const char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    if (g_str_has_suffix (name, ".bad"))
      {
        g_autofree char *path = g_build_filename (folder, name, NULL);
        g_autofree char *quoted = g_shell_quote (path);
        GVariantDict facts;

        agl_doctor_begin (&facts, "set-aside-file");
        g_variant_dict_insert_value (&facts, "file", agl_doctor_path (path));
        agl_doctor_note (self, &facts, "rm %s", quoted);
      }
}

static void
check_state (AglDoctor *self, GPtrArray *instances)
{
  for (guint i = 0; i < instances->len; i++)
    {
      const Instance *instance = g_ptr_array_index (instances, i);
      g_autofree char *locks = g_build_filename (instance->runtime_dir, "locks", NULL);
      g_autofree char *claims = g_build_filename (instance->state_dir, "claims", NULL);

      note_set_aside (self, locks);
      note_set_aside (self, claims);
      note_set_aside (self, instance->state_dir);
    }
}

/* NULL: nothing is wrong with it. */
static char *
find_problem (const char *path)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *data = NULL;
  gsize n_bytes = 0;

  /* A link to /dev/null masks. */
  if (g_file_test (path, G_FILE_TEST_EXISTS) && !g_file_test (path, G_FILE_TEST_IS_REGULAR)
      && !g_file_test (path, G_FILE_TEST_IS_SYMLINK))
    return g_strdup (_ ("it is no regular file"));
  if (!g_file_get_contents (path, &data, &n_bytes, &error))
    return g_strdup (error->message);
  if (n_bytes > MAX_CATALOGUE_FILE_BYTES)
    return g_strdup_printf (
        ngettext ("it is larger than %d byte", "it is larger than %d bytes", MAX_CATALOGUE_FILE_BYTES),
        MAX_CATALOGUE_FILE_BYTES);
  return agl_agent_catalog_check (data, n_bytes, &error) ? NULL : g_strdup (error->message);
}

/* Edit it; then have the services that may be told so read it again. */
static char *
dup_editing (GPtrArray *instances, const char *path)
{
  g_autofree char *quoted = g_shell_quote (path);
  const char *sudo = access (path, W_OK) == 0 ? "" : "sudo ";
  GString *pids = g_string_new (NULL);
  char *command;

  for (guint i = 0; i < instances->len; i++)
    {
      pid_t pid = ((const Instance *)g_ptr_array_index (instances, i))->pid;

      /* Whether we may, that is all it tells. */
      if (*sudo != '\0' || kill (pid, 0) == 0)
        g_string_append_printf (pids, " %d", (int)pid);
    }
  command = g_strdup_printf ("%s\"${EDITOR:-vi}\" %s", sudo, quoted);
  if (pids->len > 0)
    {
      g_autofree char *edit = command;

      command = g_strdup_printf ("%s && %skill -HUP%s", edit, sudo, pids->str);
    }
  g_string_free (pids, TRUE);
  return command;
}

static void
check_catalogue_file (AglDoctor *self, GPtrArray *instances, const char *path)
{
  g_autofree char *problem = find_problem (path);
  g_autofree char *editing = NULL;
  GVariantDict facts;

  if (problem == NULL)
    return;
  agl_doctor_begin (&facts, "broken-catalogue-file");
  g_variant_dict_insert_value (&facts, "file", agl_doctor_path (path));
  g_variant_dict_insert_value (&facts, "problem", agl_doctor_path (problem));
  editing = dup_editing (instances, path);
  agl_doctor_note (self, &facts, "%s", editing);
}

static void
check_catalogue (AglDoctor *self, GPtrArray *instances)
{
  g_auto (GStrv) folders = agl_paths_agents_dirs (self->scope);

  for (char **folder = folders; *folder != NULL; folder++)
    {
      g_autoptr (GDir) dir = g_dir_open (*folder, 0, NULL);
      const char *name;

      while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
        {
          g_autofree char *path = g_build_filename (*folder, name, NULL);

          if (g_str_has_suffix (name, ".conf") && name[0] != '.')
            check_catalogue_file (self, instances, path);
        }
    }
}

void
agl_doctor_check_service (AglDoctor *self)
{
  g_autoptr (GPtrArray) instances = list_instances (self);

  check_instances (self, instances);
  check_catalogue (self, instances);
  check_state (self, instances);
}
