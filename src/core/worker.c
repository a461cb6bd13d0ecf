/* SPDX-License-Identifier: MIT */
#include "core/worker.h"
