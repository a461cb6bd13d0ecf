/* SPDX-License-Identifier: MIT */
#pragma once
#include <adwaita.h>

#include "applet/lock-model.h"

/* Asks whether @lock is to be released though its holder runs, saying what runs there. @confirmed is called
 * once or not at all; the question withdraws itself when the lock ends. */
void agl_force_dialog_present (GtkWindow *parent,
                               AglLockModel *model,
                               AglLockEntry *lock,
                               void (*confirmed) (AglLockEntry *lock, gpointer user_data),
                               gpointer user_data);
