/* SPDX-License-Identifier: MIT */
#include "core/process-watch.h"
