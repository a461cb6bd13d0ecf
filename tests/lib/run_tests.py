#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the tests of a finished build and counts their cases. Called by tests/run.sh.

What counts: each line of TAP is a case, and so is each program that ended otherwise than its TAP says (a
crash, a time-out, an early end). Skipped counts as failed: a test that did not run shows nothing. The long
ones, tests/full/*.sh, print TAP or end with "N passed, N failed".
"""
import argparse
import json
import os
import re
import subprocess
import sys
import tempfile

CASE = re.compile(r"^(not )?ok\b[ \t]*(\d+)?[ \t]*-?[ \t]*([^#]*)(#.*)?$")
PLAN = re.compile(r"^1\.\.(\d+)")
SUMMARY = re.compile(r"^(\d+) passed, (\d+) failed$")


class Tally:
    def __init__(self):
        self.passed = 0
        self.failures = []

    def fail(self, what):
        self.failures.append(what)

    def read_tap(self, name, text):
        """Returns how many of the cases failed."""
        failed = cases = 0
        plan = bailed_out = None
        for line in text.splitlines():
            if (match := PLAN.match(line)) is not None:
                plan = int(match[1])
            elif (match := CASE.match(line)) is not None:
                cases += 1
                directive = (match[4] or "").upper()
                if match[1] is None and not re.match(r"#\s*(SKIP|TODO)", directive):
                    self.passed += 1
                else:
                    failed += 1
                    self.fail(f"{name}: {match[3].strip()}{' ' + match[4] if match[4] else ''}")
            elif line.startswith("Bail out!"):
                failed += 1
                bailed_out = line
                self.fail(f"{name}: {line}")
        if bailed_out is None and (plan is None or plan != cases):
            failed += 1
            self.fail(f"{name}: announced {plan} cases and showed {cases}")
        return failed


def run_meson(build, names, full, tally):
    listed = json.loads(subprocess.run(["meson", "introspect", "--tests", build], check=True,
                                       stdout=subprocess.PIPE).stdout)
    suites = {suite.split(":")[-1] for test in listed for suite in test["suite"]}
    known = {test["name"] for test in listed}
    for name in names:
        if name not in known | suites | full:
            sys.exit(f"tests/run.sh: there is no test or suite {name}; --list shows what there is")
    wanted = [test["name"] for test in listed
              if not names or test["name"] in names or {suite.split(":")[-1] for suite in test["suite"]} & set(names)]
    if not wanted:
        return
    slow = os.environ.get("AGENTCTL_LOCKS_TEST_SLOW", "1")
    # One more than there are processors: most of them wait for something most of the time. The exit status says no
    # more than the log does.
    subprocess.run(["meson", "test", "-C", build, "--no-rebuild", "--timeout-multiplier", slow,
                    "--num-processes", str(max(2, os.cpu_count() or 1) + 1), *wanted],
                   check=False, stdin=subprocess.DEVNULL)
    seen = set()
    with open(os.path.join(build, "meson-logs", "testlog.json"), encoding="utf-8") as file:
        for line in file:
            result = json.loads(line)
            name = result["name"].split(" / ")[-1]
            seen.add(name)
            failed = tally.read_tap(name, result.get("stdout") or "")
            if failed == 0 and result["result"] != "OK":
                failed = 1
                tally.fail(f"{name}: {result['result']}, exit status {result.get('returncode')}")
            if failed:
                show(name, (result.get("stdout") or "") + (result.get("stderr") or ""))
    for name in sorted(set(wanted) - seen):
        tally.fail(f"{name}: did not run")


def show(name, text):
    """What a failed test said, its passed cases left out."""
    print(f"\n--- {name}: what it said ---")
    for line in text.splitlines():
        if not line.startswith("ok "):
            print(line)
    print(f"--- end of {name} ---", flush=True)


def run_script(path, build, tally):
    name = os.path.basename(path).removesuffix(".sh")
    print(f"\n=== {name} ===", flush=True)
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
        process = subprocess.Popen(["sh", path], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, encoding="utf-8", errors="replace",
                                   env={**os.environ, "AGENTCTL_LOCKS_BUILD_DIR": build})
        for line in process.stdout:
            print(line, end="", flush=True)
            log.write(line)
        status = process.wait()
        log.seek(0)
        text = log.read()
    summaries = [SUMMARY.match(line) for line in text.splitlines() if SUMMARY.match(line)]
    if summaries:
        tally.passed += int(summaries[-1][1])
        failed = int(summaries[-1][2])
        for _ in range(failed):
            tally.fail(f"{name}: see above")
    else:
        failed = tally.read_tap(name, text)
    if failed == 0 and status != 0:
        tally.fail(f"{name}: exit status {status}")


def main():
    parser = argparse.ArgumentParser(prog="sh tests/run.sh")
    parser.add_argument("--source", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--build", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--full", action="store_true", help="the long ones too")
    parser.add_argument("--list", action="store_true", help="show what there is")
    parser.add_argument("names", nargs="*", metavar="NAME")
    given = parser.parse_args()

    folder = os.path.join(given.source, "tests", "full")
    scripts = {name.removesuffix(".sh"): os.path.join(folder, name)
               for name in (sorted(os.listdir(folder)) if os.path.isdir(folder) else []) if name.endswith(".sh")}
    if given.list:
        subprocess.run(["meson", "test", "-C", given.build, "--list"], check=True)
        for name in scripts:
            print(f"--full / {name}")
        return

    tally = Tally()
    run_meson(given.build, given.names, set(scripts), tally)
    for name, path in scripts.items():
        if name in given.names or (given.full and not given.names):
            run_script(path, given.build, tally)

    print()
    for failure in tally.failures:
        print(f"FAILED {failure}")
    print(f"{tally.passed} passed, {len(tally.failures)} failed", flush=True)
    sys.exit(0 if not tally.failures and tally.passed > 0 else 1)


if __name__ == "__main__":
    main()
