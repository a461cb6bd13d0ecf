/* SPDX-License-Identifier: MIT */
#pragma once
#include <glib.h>

/* What the service counts, in the text format that Prometheus reads
 * (https://prometheus.io/docs/instrumenting/exposition_formats/).
 *
 * @properties: a{sv}, as the service has them. @locks: aa{sv}, as List gives them. What a service of another
 * version does not tell is left out, what it tells beyond is passed over. Caller frees. */
char *agl_exposition_format (GVariant *properties, GVariant *locks);
