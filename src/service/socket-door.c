/* SPDX-License-Identifier: MIT */
#include "service/socket-door.h"
