/* SPDX-License-Identifier: MIT */
#pragma once
#include <gio/gio.h>

#include "core/told.h"

/* What a message tells goes with it through the filters to the stream that writes it, which notes that it has
 * left (told.h). A message that is dropped on the way, or whose connection is closed, tells nobody any more:
 * that is noted as well. */

/* @news: (transfer full). */
void agl_message_set_news (GDBusMessage *message, AglNews *news);
/* Where a filter replaces a message. */
void agl_message_move_news (GDBusMessage *from, GDBusMessage *to);

/* The last outgoing filter of a connection: hands news to its stream. To be called once, after those that
 * drop or replace messages. */
void agl_message_news_attach (GDBusConnection *connection);
