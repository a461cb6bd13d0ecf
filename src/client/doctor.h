/* SPDX-License-Identifier: MIT */
#pragma once
#include <gio/gio.h>

#include "client/census.h"
#include "client/service.h"

/* One examination by `agentctl-locks doctor`: what it looks at, and what it found odd. It asks and reads, and
 * changes nothing. */
typedef struct
{
  AglService *service; /* NULL: none runs */
  AglScope scope;
  AglCensus *census;
  GVariant *locks;     /* aa{sv}: all that the service has */
  char *cwd;           /* where it was asked */
  char *where;         /* " --user" and the like, as it was asked, for the next steps */
  GPtrArray *findings; /* GVariant a{sv}: "kind", facts of that kind, "next": a command line */
} AglDoctor;

/* Each looks for some kinds; cmd-doctor.c lists and describes all of them. */
void agl_doctor_check_agents (AglDoctor *self);  /* agent-without-lock, two-agents, leftover-process */
void agl_doctor_check_holders (AglDoctor *self); /* holder-outside, lock-unknown */
void
agl_doctor_check_service (AglDoctor *self); /* several-instances, broken-catalogue-file, set-aside-file */
void agl_doctor_check_worktrees (AglDoctor *self); /* worktree-lock */

/* Starts a finding of @kind. */
void agl_doctor_begin (GVariantDict *facts, const char *kind);
/* Ends it. @next, @...: printf(3)-like, what to do: a command line that works where this one was typed. */
void agl_doctor_note (AglDoctor *self, GVariantDict *facts, const char *next, ...) G_GNUC_PRINTF (3, 4);

/* "sudo " where it takes that to touch what is @uid's, else "". */
const char *agl_doctor_sudo (uid_t uid);

/* A path as a fact: as it is where that is text, else escaped for display. (transfer floating) */
GVariant *agl_doctor_path (const char *path);

/* Whether @one is whose locks the service is about: the machine's service is about everybody's. */
gboolean agl_doctor_is_concerned (const AglDoctor *self, const AglInhabitant *one);

/* Directories that matter: those of locks, those where agents work, and where the doctor was asked.
 * Element-type char *, each once. */
GPtrArray *agl_doctor_list_places (const AglDoctor *self);
