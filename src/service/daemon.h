/* SPDX-License-Identifier: MIT */
#pragma once
#include "service/service.h"

/* One instance of the service, put together: doors, callers, keeper, store. */
typedef struct _AglDaemon AglDaemon;

/* As the command line says. Borrowed strings. */
typedef struct
{
  AglScope scope;
  const char *runtime_dir; /* NULL: the scope's */
  const char *state_dir;
  const char *config;
  char **listen; /* NULL-terminated D-Bus addresses; NULL: none */
  gboolean no_bus;
  gboolean replace;
  gboolean started_by_bus; /* stops when that is gone and nothing is held */
  guint idle_exit_sec;     /* 0: never */
} AglDaemonOptions;

/* Claims the runtime folder, takes up what is saved, opens the doors. Blocks; for start-up.
 * @loop: quit when the instance has been idle for long enough. Errors: any, with what to do next. */
AglDaemon *agl_daemon_new (const AglDaemonOptions *options, GMainLoop *loop, GError **error);
/* A clean stop: releases nothing. */
void agl_daemon_free (AglDaemon *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AglDaemon, agl_daemon_free)

/* Where another instance serves the same runtime folder: has it serve the bus of this process too
 * (invitation.h, with its errors). Blocks. */
gboolean agl_daemon_invite_other (const AglDaemonOptions *options, GError **error);
/* Serves the buses that other instances asked for. */
void agl_daemon_accept_invitations (AglDaemon *self);

/* Reads configuration and catalogue anew; keeps the old ones where the new are broken, and says so. */
void agl_daemon_reload (AglDaemon *self);
