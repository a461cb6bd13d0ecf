/* SPDX-License-Identifier: MIT */
#pragma once
#include <gio/gio.h>
#include <gio/gunixfdlist.h>

#include "client/options.h"
#include "common/paths.h"

/* An instance of the service, as a client sees it: one connection, through a bus or directly. */
typedef struct
{
  GDBusConnection *connection;
  char *bus_name;       /* NULL on a direct socket, where nobody else is */
  char *door;           /* for messages: "unix:path=/run/user/1000/agentctl-locks/bus" */
  gboolean interactive; /* a person is there who may be asked for a password */
  gboolean may_appeal;  /* the direct socket of the machine's service, found as such: appeal.h */
} AglService;

void agl_service_free (AglService *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AglService, agl_service_free)

/* Answers to calls that do not wait come at once; a service that takes longer than this is stuck. */
#define AGL_CALL_TIMEOUT_MSEC 25000

/* With a person to ask, polkit's question included. */
#define AGL_INTERACTIVE_TIMEOUT_MSEC (5 * 60 * 1000)

/* Finds the instance that @where and the environment mean: what was named; else the system's when there is
 * one; else the user's. @may_start: start the user's instance where none runs and no bus would start it.
 * Blocks, for a bounded time, in the thread-default main context. Errors: AGL_EXIT_ERROR with
 * AGL_EXIT_NO_SERVICE, saying what was tried. */
AglService *agl_service_find (const AglWhere *where, gboolean may_start, GError **error);

/* The same, but what does not run is not started, by a bus neither. */
AglService *agl_service_find_running (const AglWhere *where, GError **error);

/* Finds it again after it went away, giving it time to come back by itself before starting one. Iterates the
 * default main context meanwhile. @limit_msec: -1 for as long as it takes; then nothing is started. */
AglService *agl_service_find_again (const AglWhere *where, gint limit_msec, GError **error);

/* The connection to @address, bounded in time also where the other end accepts and then keeps silent.
 * @bus_name: NULL for a direct socket, whose other end is the service itself. */
AglService *agl_service_connect (const char *address, const char *bus_name, GError **error);

/* Starts the user's instance, as a process of its own that outlives this one, and waits until it says that it
 * is ready. Errors: AGL_EXIT_ERROR with AGL_EXIT_NO_SERVICE and what it said on its way out. */
gboolean agl_service_start (const char *runtime_dir, GError **error);

/* The session bus that is there; NULL: none. Caller frees. */
char *agl_service_session_bus_address (void);

/* The Scope of the instance; the user's when that cannot be told. */
AglScope agl_service_get_scope (AglService *self);

/* One call that does not wait for a lock. What the direct socket of the machine's service does not permit is
 * asked again over the system bus (appeal.h). @parameters is consumed; @fds may be NULL.
 * Errors: those of the service, stripped of GDBus's prefix; AGL_EXIT_NO_SERVICE when it does not answer. */
GVariant *agl_service_call (
    AglService *self, const char *method, GVariant *parameters, GUnixFDList *fds, GError **error);

/* The flags of a call: whether somebody may be asked for a password. */
GDBusCallFlags agl_service_call_flags (const AglService *self);

/* Who is in the way of a lock on @directory, aa{sv}, for a message about it: NULL when that is not answered
 * soon. Caller unrefs. */
GVariant *agl_service_ask_blockers (AglService *self, const char *directory);

/* All properties of the service, a{sv}. Errors: as above. */
GVariant *agl_service_get_properties (AglService *self, GError **error);

/* The types that the methods reply with. */
const GVariantType *agl_service_reply_type (const char *method);

/* A property that is a string; NULL when that is not answered soon. Caller frees. */
char *agl_service_ask_property (AglService *self, const char *name);

/* The process that the service is, also when it does not answer; 0: cannot be told. */
pid_t agl_service_get_pid (AglService *self);

/* Turns an error of a call into one to be shown: the remote prefix off; who does not answer for a time-out;
 * which of the two is older for what is not understood; the user's language before the service's words. */
void agl_service_explain_error (AglService *self, GError *error);

/* AGL_EXIT_ERROR with AGL_EXIT_NO_SERVICE: whoever listens at @address does not answer. */
void agl_service_set_stuck_error (GError **error, const char *address);
