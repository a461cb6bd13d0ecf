/* SPDX-License-Identifier: MIT */
#include "core/outsider.h"
