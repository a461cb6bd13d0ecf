/* SPDX-License-Identifier: MIT */
#include "service/match-rule.h"
