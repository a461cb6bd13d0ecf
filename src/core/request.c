/* SPDX-License-Identifier: MIT */
#include "core/request.h"
