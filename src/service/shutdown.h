/* SPDX-License-Identifier: MIT */
#pragma once
#include "service/service.h"

/* The end of a service's work: each call under way is answered, if only with AGL_ERROR_UNAVAILABLE, and so is
 * what arrives meanwhile; nothing is released. To be called while the doors are still open. Iterates the main
 * context; takes as long as it takes to send what was said, and no longer than a peer that does not read is
 * worth. */
void agl_shutdown (AglService *service);
