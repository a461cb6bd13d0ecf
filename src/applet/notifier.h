/* SPDX-License-Identifier: MIT */
#pragma once
#include "applet/notices.h"

/* Tells notices as the desktop's notifications (GNotification), under the application's name. */
typedef struct _AglNotifier AglNotifier;

/* @application: borrowed. */
AglNotifier *agl_notifier_new (GApplication *application);
void agl_notifier_free (AglNotifier *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AglNotifier, agl_notifier_free)

/* With the notifier as user_data. */
extern const AglNoticesOutlet agl_notifier_outlet;
