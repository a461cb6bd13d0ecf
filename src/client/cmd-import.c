/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n.h>
#include <glib/gstdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "client/acquire.h"
#include "client/agentctl-file.h"
#include "client/command.h"
#include "client/failure.h"
#include "client/json.h"
#include "client/place.h"
#include "common/error.h"
#include "common/text.h"
#include "core/proc-text.h"

/* A process that began later than its lock is another one by the same number. The two times come from
 * different clocks, which a correction may have set apart by a little; a number is not used again so soon. */
#define CLOCK_SLACK_USEC (5 * G_USEC_PER_SEC)

typedef enum
{
  RESULT_TAKEN, /* it is a lock of the service now */
  RESULT_OVER,  /* its process is dead: nothing to take over */
  RESULT_LEFT   /* somebody has to look at it */
} Result;

static const char *const result_names[] = { "taken", "over", "left" };

typedef struct
{
  const AglOptions *options;
  AglService *service;
  char *limit; /* the message of the limit that was reached; NULL: none */
  guint n[G_N_ELEMENTS (result_names)];
  GVariantBuilder rows; /* for --json */
} Import;

/* --- the file --- */

static gboolean
read_file (const char *path, char **data, gsize *n_bytes, GError **error)
{
  g_autofree char *shown = agl_text_escape (path, -1);
  g_autoptr (GError) local = NULL;
  struct stat st;

  if (stat (path, &st) < 0)
    g_set_error (error, AGL_EXIT_ERROR, AGL_EXIT_FAILED, "%s: %s", shown, g_strerror (errno));
  else if (!S_ISREG (st.st_mode))
    g_set_error (error, AGL_EXIT_ERROR, AGL_EXIT_FAILED, _ ("%s is no ordinary file"), shown);
  else if (st.st_size > AGL_AGENTCTL_FILE_BYTES)
    g_set_error (error, AGL_EXIT_ERROR, AGL_EXIT_FAILED,
                 _ ("%s is larger than 64 MiB: no lock file of agentctl is"), shown);
  else if (g_file_get_contents (path, data, n_bytes, &local))
    return TRUE;
  else
    g_set_error_literal (error, AGL_EXIT_ERROR, AGL_EXIT_FAILED, local->message);
  return FALSE;
}

/* --- one entry --- */

/* When @process began, in microseconds since the epoch; -1: cannot be told. */
static gint64
read_start_usec (AglProcess *process)
{
  char text[AGL_PROC_TEXT_BYTES];
  char path[32];
  struct timespec boot;
  gsize n_bytes;
  guint64 ticks;
  gint64 booted_usec;

  g_snprintf (path, sizeof path, "/proc/%d/stat", (int)agl_process_get_pid (process));
  if (!agl_proc_read_text (path, text, &n_bytes) || !agl_process_parse_stat (text, n_bytes, NULL, &ticks)
      || !agl_process_is_alive (process) || clock_gettime (CLOCK_BOOTTIME, &boot) < 0)
    return -1;
  booted_usec = g_get_real_time () - boot.tv_sec * G_USEC_PER_SEC - boot.tv_nsec / 1000;
  return booted_usec + (gint64)(ticks * G_USEC_PER_SEC / (guint64)sysconf (_SC_CLK_TCK));
}

static guint64
ask (Import *self, const AglAgentctlEntry *entry, AglProcess *process, gboolean follow_cwd, GError **error)
{
  g_autoptr (GUnixFDList) fds = NULL;
  g_autoptr (GVariant) reply = NULL;
  GVariantBuilder builder;
  const char *who = entry->kind == AGL_AGENTCTL_MANUAL ? entry->by : NULL;
  guint64 id;

  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  /* Beside each other, as agentctl let them be. */
  g_variant_builder_add (&builder, "{sv}", "conflict", g_variant_new_string ("join"));
  if (process == NULL)
    g_variant_builder_add (&builder, "{sv}", "manual", g_variant_new_boolean (TRUE));
  else if (agl_acquire_add_process (self->service, agl_process_get_pid (process), &builder, &fds, error))
    g_variant_builder_add (&builder, "{sv}", "follow-cwd", g_variant_new_boolean (follow_cwd));
  else
    {
      g_variant_builder_clear (&builder);
      return 0;
    }
  /* Alive after its number was used: so the number meant this process and not a later one. */
  if (process != NULL && !agl_process_is_alive (process))
    {
      g_variant_builder_clear (&builder);
      g_set_error (error, AGL_ERROR, AGL_ERROR_NO_SUCH_PROCESS, _ ("there is no process %d"), entry->pid);
      return 0;
    }
  if (who != NULL)
    g_variant_builder_add (&builder, "{sv}", "agent", g_variant_new_string (who));
  if (entry->session != NULL)
    g_variant_builder_add (&builder, "{sv}", "session", g_variant_new_string (entry->session));
  if (entry->why != NULL)
    g_variant_builder_add (&builder, "{sv}", "reason", g_variant_new_string (entry->why));
  reply = agl_service_call (self->service, "Acquire", g_variant_new ("(sa{sv})", entry->directory, &builder),
                            fds, error);
  if (reply == NULL)
    return 0;
  g_variant_get (reply, "(t)", &id);
  return id;
}

static gboolean
has_text (GVariant *lock, const char *key, const char *expected)
{
  const char *text = NULL;

  g_variant_lookup (lock, key, "&s", &text);
  return g_strcmp0 (text, expected) == 0;
}

/* The claim that an earlier import made of @entry; 0: none. With @error where that cannot be asked. */
static guint64
find_claim (Import *self, const AglAgentctlEntry *entry, GError **error)
{
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GVariant) locks = NULL;
  GVariantBuilder filter;
  GVariantIter iter;
  GVariant *lock;
  guint64 id = 0;

  g_variant_builder_init (&filter, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&filter, "{sv}", "directory", g_variant_new_string (entry->directory));
  g_variant_builder_add (&filter, "{sv}", "kind", g_variant_new_string ("manual"));
  g_variant_builder_add (&filter, "{sv}", "uid", g_variant_new_uint32 (getuid ()));
  reply = agl_service_call (self->service, "List", g_variant_new ("(a{sv})", &filter), NULL, error);
  if (reply == NULL)
    return 0;
  g_variant_get (reply, "(@aa{sv})", &locks);
  g_variant_iter_init (&iter, locks);
  while (g_variant_iter_loop (&iter, "@a{sv}", &lock))
    if (id == 0 && has_text (lock, "agent", entry->by) && has_text (lock, "reason", entry->why))
      g_variant_lookup (lock, "id", "t", &id);
  return id;
}

static guint64
take_manual (Import *self, const AglAgentctlEntry *entry, GError **error)
{
  g_autoptr (GError) local = NULL;
  guint64 id = find_claim (self, entry, &local);

  if (local != NULL)
    g_propagate_error (error, g_steal_pointer (&local));
  else if (id == 0)
    id = ask (self, entry, NULL, FALSE, error);
  return id;
}

static guint64
take_auto (Import *self, const AglAgentctlEntry *entry, GError **error)
{
  g_autoptr (GError) local = NULL;
  g_autoptr (AglProcess) process = agl_process_open (entry->pid, &local);
  gint64 started_usec;
  guint64 id;

  if (g_error_matches (local, AGL_ERROR, AGL_ERROR_NO_SUCH_PROCESS))
    g_set_error (error, AGL_ERROR, AGL_ERROR_NO_SUCH_PROCESS, _ ("there is no process %d"), entry->pid);
  else if (process == NULL)
    g_propagate_error (error, g_steal_pointer (&local));
  if (process == NULL)
    return 0;
  started_usec = read_start_usec (process);
  if (entry->locked_at_usec >= 0 && started_usec > entry->locked_at_usec + CLOCK_SLACK_USEC)
    {
      g_set_error (error, AGL_ERROR, AGL_ERROR_NO_SUCH_PROCESS,
                   _ ("process %d is another one, which began after that lock"), entry->pid);
      return 0;
    }
  id = ask (self, entry, process, TRUE, &local);
  /* Elsewhere: whether it is that process, the time alone can tell. Then it is agentctl's kind of lock: as
   * long as the process lives. */
  if (id == 0 && g_error_matches (local, AGL_ERROR, AGL_ERROR_NOT_IN_DIRECTORY) && entry->locked_at_usec >= 0
      && started_usec >= 0)
    {
      g_clear_error (&local);
      id = ask (self, entry, process, FALSE, &local);
    }
  if (local != NULL)
    g_propagate_error (error, g_steal_pointer (&local));
  return id;
}

/* 0 with @error, which is NO_SUCH_PROCESS where there is nothing to take over. */
static guint64
take (Import *self, const AglAgentctlEntry *entry, GError **error)
{
  switch (entry->kind)
    {
    case AGL_AGENTCTL_MANUAL:
      return take_manual (self, entry, error);
    case AGL_AGENTCTL_AUTO:
      return take_auto (self, entry, error);
    case AGL_AGENTCTL_SESSION:
      g_set_error_literal (
          error, AGL_EXIT_ERROR, AGL_EXIT_FAILED,
          _ ("it names a session and no process, so nothing can prove that it is over; lock it "
             "for the agent's process with “acquire --pid”"));
      return 0;
    case AGL_AGENTCTL_UNREADABLE:
      g_set_error_literal (error, AGL_EXIT_ERROR, AGL_EXIT_FAILED, _ ("it is damaged, or no lock"));
      return 0;
    }
  g_return_val_if_reached (0);
}

static void
report (Import *self, const AglAgentctlEntry *entry, Result result, guint64 id, const char *message)
{
  g_autofree char *shown =
      entry->directory == NULL ? NULL : agl_place_display (entry->directory, g_get_home_dir ());
  g_autofree char *number = g_strdup_printf ("%" G_GUINT64_FORMAT, id);
  GVariantBuilder row;

  self->n[result]++;
  if (self->options->json)
    {
      g_variant_builder_init (&row, G_VARIANT_TYPE_VARDICT);
      g_variant_builder_add (&row, "{sv}", "line", g_variant_new_uint32 (entry->line));
      g_variant_builder_add (&row, "{sv}", "result", g_variant_new_string (result_names[result]));
      if (entry->directory != NULL)
        g_variant_builder_add (&row, "{sv}", "directory", g_variant_new_string (entry->directory));
      if (id != 0)
        g_variant_builder_add (&row, "{sv}", "id", g_variant_new_uint64 (id));
      g_variant_builder_add (&self->rows, "@a{sv}", g_variant_builder_end (&row));
    }
  else if (message != NULL)
    /* Translators: the line of a file, a directory (or nothing), what is the matter with it */
    g_printerr (_ ("line %u: %s: %s\n"), entry->line, shown == NULL ? "?" : shown, message);
  else if (!self->options->quiet)
    /* Translators: a directory, the number of a lock */
    g_print (_ ("Took over %s as lock %s.\n"), shown, number);
}

/* FALSE with @error: the service is gone, and asking on makes no sense. */
static gboolean
import_entry (Import *self, const AglAgentctlEntry *entry, GError **error)
{
  g_autoptr (GError) local = NULL;
  g_autofree char *message = NULL;
  guint64 id = 0;

  if (self->limit != NULL && entry->kind == AGL_AGENTCTL_MANUAL)
    {
      report (self, entry, RESULT_LEFT, 0, self->limit);
      return TRUE;
    }
  id = take (self, entry, &local);
  if (local != NULL && agl_exit_status_of (local, 0) == AGL_EXIT_NO_SERVICE)
    {
      g_propagate_error (error, g_steal_pointer (&local));
      return FALSE;
    }
  if (g_error_matches (local, AGL_ERROR, AGL_ERROR_LIMIT_EXCEEDED) && self->limit == NULL)
    self->limit = agl_failure_in_one_line (local);
  message = local == NULL ? NULL : agl_failure_in_one_line (local);
  if (id != 0)
    report (self, entry, RESULT_TAKEN, id, NULL);
  else
    report (self, entry,
            g_error_matches (local, AGL_ERROR, AGL_ERROR_NO_SUCH_PROCESS) ? RESULT_OVER : RESULT_LEFT, 0,
            message);
  return TRUE;
}

static gboolean
import_all (Import *self, GPtrArray *entries, GError **error)
{
  gboolean ok = TRUE;

  self->service = agl_service_find (&self->options->where, TRUE, error);
  if (self->service == NULL)
    return FALSE;
  g_variant_builder_init (&self->rows, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = 0; ok && i < entries->len; i++)
    ok = import_entry (self, g_ptr_array_index (entries, i), error);
  if (ok && self->options->json)
    agl_json_print (g_variant_builder_end (&self->rows), TRUE);
  else
    g_variant_builder_clear (&self->rows);
  if (ok && !self->options->json && !self->options->quiet)
    {
      /* Translators: three numbers of locks; what is over already needed no taking over */
      g_print (_ ("Taken over: %u. Over already: %u. Left to you: %u.\n"), self->n[RESULT_TAKEN],
               self->n[RESULT_OVER], self->n[RESULT_LEFT]);
    }
  g_clear_pointer (&self->service, agl_service_free);
  g_free (self->limit);
  return ok;
}

static int
import (const AglOptions *options, GError **error)
{
  Import self = { .options = options };
  g_autoptr (GPtrArray) entries = NULL;
  g_autofree char *data = NULL;
  gsize n_bytes;
  gboolean is_whole;

  if (options->arguments == NULL)
    {
      g_set_error_literal (error, AGL_EXIT_ERROR, AGL_EXIT_USAGE,
                           _ ("which file? agentctl's is ~/.agentctl/locks.json"));
      return 0;
    }
  if (!read_file (options->arguments[0], &data, &n_bytes, error))
    return 0;
  entries = agl_agentctl_file_parse (data, n_bytes, &is_whole);
  if (entries == NULL)
    {
      g_autofree char *shown = agl_text_escape (options->arguments[0], -1);

      g_set_error (error, AGL_EXIT_ERROR, AGL_EXIT_FAILED,
                   _ ("%s is no lock file of agentctl: there is no list in it"), shown);
      return 0;
    }
  if (!import_all (&self, entries, error))
    return 0;
  if (!is_whole)
    g_printerr (_ ("The file ends in the middle; what came before was read.\n"));
  return is_whole && self.n[RESULT_LEFT] == 0 ? AGL_EXIT_OK : AGL_EXIT_FAILED;
}

const AglCommand agl_command_import = {
  .usage = {
    .name = "import",
    .synopsis = N_ ("FILE"),
    .summary = N_ ("Take over the locks of agentctl's own lock manager"),
    .description = N_ (
      "Manual locks become claims, with who and why. Automatic ones whose process lives become locks of that\n"
      "process. The rest is reported, line by line; nothing in FILE is changed, and to do it again does no harm.\n"
      "\n"
      "  agentctl-locks import ~/.agentctl/locks.json\n"
      "\n"
      "Exits 0 when everything was taken over or is over, 64 wrong usage, 69 no service, 70 when something is left\n"
      "to you."),
    .groups = AGL_OPTIONS_JSON | AGL_OPTIONS_QUIET | AGL_OPTIONS_WHERE,
    .max_arguments = 1,
  },
  .run = import,
};
