# SPDX-License-Identifier: MIT
"""What every test of other people's clients stands on: the integration tests' harness, and Node's modules."""
import fcntl
import filecmp
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "integration"))
import harness  # noqa: E402, F401


def node_modules():
    """Where Node finds what package-lock.json names; installed into the build folder when it is not yet."""
    folder = os.path.join(harness.BUILD, "tests", "interop", "node")
    os.makedirs(folder, exist_ok=True)
    lock_file, done = os.path.join(HERE, "package-lock.json"), os.path.join(folder, "installed")
    with open(os.path.join(folder, "in-use"), "w", encoding="ascii") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        if not (os.path.exists(done) and filecmp.cmp(lock_file, done, shallow=False)):
            for name in ("package.json", "package-lock.json", ".npmrc"):
                shutil.copy(os.path.join(HERE, name), folder)
            # The optional part is a native module for passing descriptors, which needs a compiler and Python.
            subprocess.run(["npm", "ci", "--omit=optional", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder,
                           check=True, stdin=subprocess.DEVNULL, stdout=sys.stderr, timeout=300)
            shutil.copy(lock_file, done)
    return os.path.join(folder, "node_modules")
