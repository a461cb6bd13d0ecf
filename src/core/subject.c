/* SPDX-License-Identifier: MIT */
#include "core/subject.h"
