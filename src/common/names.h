/* SPDX-License-Identifier: MIT */
#pragma once

/* The names that callers hold on to. They never change. */
#define AGL_BUS_NAME     "org.agentctl.Locks"
#define AGL_INTERFACE    "org.agentctl.Locks"
#define AGL_OBJECT_PATH  "/org/agentctl/Locks"
#define AGL_ERROR_PREFIX "org.agentctl.Locks.Error."

/* Which instance a client means, before anything else is looked at. */
#define AGL_ADDRESS_ENV "AGENTCTL_LOCKS_ADDRESS"

/* Free texts are shown to people: longer than this is no text but a load. */
#define AGL_MAX_TEXT_BYTES 1024
