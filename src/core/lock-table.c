/* SPDX-License-Identifier: MIT */
#include "core/lock-table.h"
