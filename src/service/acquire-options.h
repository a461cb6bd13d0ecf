/* SPDX-License-Identifier: MIT */
#pragma once
#include "core/request.h"

/* The options of Acquire, by form alone: nothing is opened or looked up. */
typedef struct
{
  guint32 pid;         /* 0: not given */
  gint32 pidfd;        /* index into the message's descriptors; -1: not given */
  gint32 directory_fd; /* the same */
  gboolean manual;
  AglRequest
      *request; /* with mode, follow_cwd, conflict, timeout, ticket, ttl, detect_agents, texts filled in */
} AglAcquireOptions;

/* @detect_agents: what goes when the caller does not say. Errors: AGL_ERROR_INVALID_OPTION naming the key. */
gboolean
agl_acquire_options_parse (GVariant *options, gboolean detect_agents, AglAcquireOptions *out, GError **error);
void agl_acquire_options_clear (AglAcquireOptions *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (AglAcquireOptions, agl_acquire_options_clear)
