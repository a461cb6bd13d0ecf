/* SPDX-License-Identifier: MIT */
#include "client/command.h"
const AglCommand agl_command_import = { .usage = { .name = "import", .summary = "x" } };
