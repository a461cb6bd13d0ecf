/* SPDX-License-Identifier: MIT */
#pragma once
#include "client/exit-status.h"
#include "client/options.h"

/* One command of agentctl-locks. @run gets its options parsed and checked; on failure it sets @error, which
 * is shown to the user and decides the exit status; else what it returns is the status. */
typedef struct
{
  AglUsage usage;
  int (*run) (const AglOptions *options, GError **error);
} AglCommand;

extern const AglCommand agl_command_acquire;
extern const AglCommand agl_command_check;
extern const AglCommand agl_command_claim;
extern const AglCommand agl_command_doctor;
extern const AglCommand agl_command_explain;
extern const AglCommand agl_command_import;
extern const AglCommand agl_command_list;
extern const AglCommand agl_command_metrics;
extern const AglCommand agl_command_monitor;
extern const AglCommand agl_command_occupants;
extern const AglCommand agl_command_release;
extern const AglCommand agl_command_run;
extern const AglCommand agl_command_transfer;
extern const AglCommand agl_command_wait;
