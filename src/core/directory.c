/* SPDX-License-Identifier: MIT */
#include "core/directory.h"
