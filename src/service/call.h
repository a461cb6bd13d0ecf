/* SPDX-License-Identifier: MIT */
#pragma once
#include "service/service.h"

/* One method call on its way from the door to its reply: who calls, what it names, what it is allowed. A
 * method's body runs once the caller is known, and once more should the authority allow what was refused; it
 * ends in exactly one of agl_call_return and agl_call_fail, now or later. */
typedef struct _AglCall AglCall;
typedef void (*AglCallStep) (AglCall *call);

struct _AglCall
{
  AglService *service;
  GDBusMethodInvocation *invocation; /* NULL once answered */
  AglCaller *caller;
  AglAsker asker; /* the caller's; borrowed; privileged too when the authority allowed it for this call */
  AglCallStep body;
  gboolean asked_authority;

  /* The arguments, as far as the method has them. */
  guint64 id;
  char *text; /* a directory or a ticket */
  GVariant *options;

  /* What the body found. */
  AglDirectory *directory;
  AglCallStep then; /* after the directory was looked for */
  AglCall **seeker; /* what the thread that looks for it comes back with; NULL: none does */
  gboolean may_lack_directory;
  gpointer data; /* the method's own */
  GDestroyNotify free_data;
};

/* So many calls of one caller may be under way at once, waits included; more end in AGL_ERROR_LIMIT_EXCEEDED.
 * Well above what the waiters of one user come to by default, well below what would burden anybody. */
#define AGL_MAX_CALLS_PER_CALLER 1024

/* Identifies the caller and runs @body. @text, @options: copied, referenced; NULL where the method has none.
 */
void agl_call_start (AglService *service,
                     GDBusMethodInvocation *invocation,
                     AglCallStep body,
                     guint64 id,
                     const char *text,
                     GVariant *options);

/* @value: floating, the method's reply tuple; NULL for an empty one. Frees @call. */
void agl_call_return (AglCall *call, GVariant *value);

/* Whether privilege would help. */
typedef enum
{
  AGL_CALL_FINAL,
  AGL_CALL_OVERRIDABLE
} AglCallAppeal;

/* Ends the call with @error (taken), or, when it is AGL_ERROR_NOT_PERMITTED and OVERRIDABLE, asks the
 * authority first and runs the body again if that allows it. */
void agl_call_fail (AglCall *call, GError *error, AglCallAppeal appeal);

/* Sets call->directory from call->text or, when @fd_index >= 0, from that descriptor of the message, and goes
 * on with
 * @then; or fails the call. In a worker thread when the filesystem might keep us waiting. */
void agl_call_find_directory (AglCall *call, gint32 fd_index, AglAccess access, AglCallStep then);

/* The same, but where there is no such directory call->directory is NULL and the call goes on. */
void agl_call_try_directory (AglCall *call, gint32 fd_index, AglAccess access, AglCallStep then);

/* Ends a call of its caller's @seeking with @error (taken), now. */
void agl_call_abandon (AglCall *call, GError *error);

/* @pid as the caller counts, as we do. -1 with AGL_ERROR_NO_SUCH_PROCESS when it cannot be told. */
pid_t agl_call_translate_pid (AglCall *call, guint32 pid, GError **error);

/* A copy of the message's descriptor @index; -1 with AGL_ERROR_INVALID_OPTION or AGL_ERROR_UNAVAILABLE. */
int agl_call_take_fd (AglCall *call, gint32 index, const char *key, GError **error);

/* The process that a call names by @pid (as the caller counts) or @pidfd_index, and its user; checks that the
 * asker may act for it. NULL with an error: *appeal says whether privilege would help. */
AglProcess *agl_call_open_process (
    AglCall *call, guint32 pid, gint32 pidfd_index, uid_t *uid, AglCallAppeal *appeal, GError **error);

/* TRUE when the call's asker may read the free texts of @uid's locks. */
gboolean agl_call_may_read_texts (const AglCall *call, uid_t uid);

/* Before texts are left out of an answer: asks the authority, once for each call and without troubling
 * anybody, whether the caller is privileged, and then does @step, it may be before this returns. FALSE: that
 * is known already, and nothing is done. */
gboolean agl_call_ask_for_texts (AglCall *call, AglCallStep step);
