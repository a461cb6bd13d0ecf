/* SPDX-License-Identifier: MIT */
#include "core/lock.h"
