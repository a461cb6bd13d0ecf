/* SPDX-License-Identifier: MIT */
#pragma once
#include "client/table.h"

/* What the tables show, from the dictionaries that the service gives. Each ends with a NULL name. */
extern const AglColumn agl_lock_columns[];     /* of List */
extern const AglColumn agl_blocker_columns[];  /* of Check: locks and unregistered agents */
extern const AglColumn agl_occupant_columns[]; /* of Occupants */

/* Members of a lock; the second is what is assumed when it is not there. */
guint64 agl_row_number (GVariant *row, const char *key, guint64 otherwise); /* of type u or t */
gboolean agl_row_flag (GVariant *row, const char *key);
char *agl_row_text (GVariant *row, const char *key); /* escaped; NULL when absent; caller frees */

/* Who it is, the name that people know best first: the agent, else the command, else the user.
 * Never NULL; caller frees. */
char *agl_row_who (GVariant *row);
