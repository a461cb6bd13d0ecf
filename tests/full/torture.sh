#!/bin/sh
# SPDX-License-Identifier: MIT
# Agents at work while the service is killed a hundred times. AGENTCTL_LOCKS_TORTURE_KILLS: how often.
set -u
cd "$(dirname "$0")/../integration" || exit 1
export AGENTCTL_LOCKS_TORTURE_KILLS="${AGENTCTL_LOCKS_TORTURE_KILLS:-100}"
export AGENTCTL_LOCKS_MESSAGES="${AGENTCTL_LOCKS_MESSAGES:-10000}"
export PYTHONDONTWRITEBYTECODE=1
failed=0
passed=0
for test in torture random_messages; do
    if /usr/bin/python3 "$test.py"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
