/* SPDX-License-Identifier: MIT */
#include "core/process.h"
