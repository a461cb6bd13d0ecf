/* SPDX-License-Identifier: MIT */
#include "core/held.h"
