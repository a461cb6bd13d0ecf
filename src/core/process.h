/* SPDX-License-Identifier: MIT */
#pragma once
#include <glib.h>
#include <sys/types.h>

/* Set to 1 this makes start times the tokens although the kernel has pidfs: for tests, and for a kernel whose
 * pidfs is broken. Read once, with the first process. */
#define AGL_DISABLE_PIDFS_ENV "AGENTCTL_LOCKS_DISABLE_PIDFS"

/* What tells one process from every other that ever had its number, as plain data that a file can hold.
 * On pidfs (Linux 6.9 and later) it is the inode number of its pidfd, unique until reboot; elsewhere its
 * start time in clock ticks since boot (proc_pid_stat(5), field 22) together with its number. It means
 * nothing beyond this boot and PID namespace: see agl_process_world(). */
typedef enum
{
  AGL_TOKEN_NONE,
  AGL_TOKEN_PIDFS,
  AGL_TOKEN_START_TIME
} AglTokenKind;

typedef struct
{
  AglTokenKind kind;
  pid_t pid;
  guint64 value;
} AglProcessToken;

/* AGL_TOKEN_NONE equals nothing, not even itself: nobody is nobody's twin. */
gboolean agl_process_token_equal (const AglProcessToken *a, const AglProcessToken *b);
/* "pidfs:1234" or "start:567890"; the PID is kept beside it. "" of AGL_TOKEN_NONE. Caller frees. */
char *agl_process_token_to_string (const AglProcessToken *token);
/* FALSE when @text is neither or @pid is no process's number; *@token is as it was then. */
gboolean agl_process_token_parse (const char *text, pid_t pid, AglProcessToken *token);

/* Which process, for as long as the machine is up: a PID is reused, an AglProcess is not.
 * Immutable, atomically counted; the pidfd is owned and closed with the last reference. */
typedef struct _AglProcess AglProcess;

/* @pid: as this service's PID namespace counts.
 * Errors: AGL_ERROR_NO_SUCH_PROCESS when there is none or it is dead (a zombie included), or
 * when it is the number of a thread; AGL_ERROR_UNAVAILABLE when descriptors or memory have run out;
 * AGL_ERROR_NOT_PERMITTED when it lives but /proc hides it (hidepid) and there is no pidfs to ask. */
AglProcess *agl_process_open (pid_t pid, GError **error);

/* @pidfd: taken over on success only. One of a thread (PIDFD_THREAD) stands for the thread's process.
 * Errors: AGL_ERROR_INVALID_OPTION when it is no pidfd; AGL_ERROR_NO_SUCH_PROCESS when it is dead or lives in
 * a PID namespace that this service cannot see into; AGL_ERROR_UNAVAILABLE and AGL_ERROR_NOT_PERMITTED as
 * above. */
AglProcess *agl_process_new_take_pidfd (int pidfd, GError **error);

/* The process that @token was read from, if it still lives.
 * Errors: AGL_ERROR_NO_SUCH_PROCESS is proof that it is dead; any other error proves nothing. */
AglProcess *agl_process_reopen (const AglProcessToken *token, GError **error);

AglProcess *agl_process_ref (AglProcess *self);
void agl_process_unref (AglProcess *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AglProcess, agl_process_unref)

pid_t agl_process_get_pid (const AglProcess *self);
int agl_process_get_pidfd (const AglProcess *self); /* stays owned by @self */
const AglProcessToken *agl_process_get_token (const AglProcess *self);

/* For GHashTable. Equal means the same process, whatever the pidfd. */
gboolean agl_process_equal (gconstpointer a, gconstpointer b);
guint agl_process_hash (gconstpointer self);

/* FALSE once it is dead, also while it is an unreaped zombie: a pidfd polls readable then (pidfd_open(2)). */
gboolean agl_process_is_alive (const AglProcess *self);

/* What /proc says of it. Each reads by number and then makes sure that it was still this process.
 * Errors: AGL_ERROR_NO_SUCH_PROCESS when it died; AGL_ERROR_NOT_PERMITTED, AGL_ERROR_UNAVAILABLE. */
typedef struct
{
  uid_t real_uid, effective_uid, saved_uid;
  gid_t effective_gid;
  pid_t parent;
} AglProcessStatus;
gboolean agl_process_read_status (const AglProcess *self, AglProcessStatus *status, GError **error);

/* The name people know it by: its comm, as ps and top show it, escaped for display. Never NULL; "" when it
 * cannot be read. Caller frees. */
char *agl_process_dup_command (const AglProcess *self);

/* TRUE when @self is @ancestor or was started by it, by its child, and so on, as far as living links tell.
 * A process whose parent died is a child of init or of a subreaper: then the link is gone, and this says
 * FALSE. */
gboolean agl_process_is_self_or_descendant_of (const AglProcess *self, const AglProcess *ancestor);

/* Within which tokens mean anything: the boot id and the PID namespace, "BOOT-ID/NUMBER". Static.
 * Never NULL: ends this process when /proc cannot tell, since to guess would release locks without proof. */
const char *agl_process_world (void);

/* Parses the contents of /proc/PID/stat: the command may contain spaces and parentheses, so fields count from
 * the last ')'. For the start time and the fuzzer. @parent, @start_time: (out) (nullable). FALSE when it is
 * not of that form. */
gboolean agl_process_parse_stat (const char *text, gsize n_bytes, pid_t *parent, guint64 *start_time);
