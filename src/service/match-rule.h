/* SPDX-License-Identifier: MIT */
#pragma once
#include <gio/gio.h>

/* A D-Bus match rule (D-Bus specification, "Match Rules"): type, sender, interface, member, path,
 * path_namespace, destination, argN, argNpath, arg0namespace. */
typedef struct _AglMatchRule AglMatchRule;

/* Errors: G_DBUS_ERROR_MATCH_RULE_INVALID. */
AglMatchRule *agl_match_rule_parse (const char *text, GError **error);
void agl_match_rule_free (AglMatchRule *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AglMatchRule, agl_match_rule_free)

/* Equal rules are removed by RemoveMatch whatever the order of their keys. */
gboolean agl_match_rule_equal (const AglMatchRule *a, const AglMatchRule *b);
/* @sender_names: NULL-terminated, every name the sender of @message goes by. */
gboolean
agl_match_rule_matches (const AglMatchRule *self, GDBusMessage *message, const char *const *sender_names);
