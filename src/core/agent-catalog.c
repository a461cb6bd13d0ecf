/* SPDX-License-Identifier: MIT */
#include "core/agent-catalog.h"
