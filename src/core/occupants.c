/* SPDX-License-Identifier: MIT */
#include "core/occupants.h"
