/* SPDX-License-Identifier: MIT */
#pragma once

/* What the message bus itself is asked by. */
#define AGL_BUS_DRIVER      "org.freedesktop.DBus"
#define AGL_BUS_DRIVER_PATH "/org/freedesktop/DBus"

/* A bus that does not answer within this is not going to; its own answer takes well under a millisecond. */
#define AGL_BUS_TIMEOUT_MSEC 10000
