/* SPDX-License-Identifier: MIT */
#include "service/mini-bus.h"
