/* SPDX-License-Identifier: MIT */
#pragma once
#include <glib.h>

/* What libFuzzer calls, with each input. */
int LLVMFuzzerTestOneInput (const guint8 *data, size_t n_bytes);
