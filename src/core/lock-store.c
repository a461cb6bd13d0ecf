/* SPDX-License-Identifier: MIT */
#include "core/lock-store.h"
