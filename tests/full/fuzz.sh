#!/bin/sh
# SPDX-License-Identifier: MIT
# Whatever a file or a /proc entry may hold: see tests/fuzz/run.sh for how long.
set -u
exec sh "$(dirname "$0")/../fuzz/run.sh"
