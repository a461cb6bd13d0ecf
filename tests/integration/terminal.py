# SPDX-License-Identifier: MIT
"""A terminal without a person: what a program writes to it, cell by cell."""
import codecs
import contextlib
import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import unicodedata

import harness


def width_of(character):
    """In cells, by Unicode's own tables and not by those of the program that is tested."""
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def cells_of(line):
    """One entry a cell: what begins there with all that combines with it; None: the right half of a wide one."""
    cells = []
    for character in line:
        width = width_of(character)
        if width == 0 and cells:
            last = max(index for index, cell in enumerate(cells) if cell is not None)
            cells[last] += character
        else:
            cells += [character] + [None] * (width - 1)
    return cells


def text_of(cells):
    return "".join(cell for cell in cells if cell is not None)


def table_of(lines):
    """The cells' texts, row by row. A column ends where all rows are blank; no text has a blank in it."""
    rows = [cells_of(line) for line in lines]
    width = max(map(len, rows))
    rows = [row + [" "] * (width - len(row)) for row in rows]
    blank = [all(row[index] == " " for row in rows) for index in range(width)] + [True]
    starts = [index for index in range(width) if not blank[index] and (index == 0 or blank[index - 1])]
    ends = [index for index in range(1, width + 1) if blank[index] and not blank[index - 1]]
    return [[text_of(row[start:end]).strip() for start, end in zip(starts, ends)] for row in rows]


def run(command, environment, columns=80, cwd=None):
    """(status, lines) of a command whose standard streams are a terminal of that width."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {**environment, "TERM": "xterm", "NO_COLOR": "1"}
    environment.pop("COLUMNS", None)
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, cwd=cwd,
                          start_new_session=True) as process:
        os.close(theirs)
        data = b""
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # EIO: everybody has closed it
                break
            if not piece:
                break
            data += piece
        os.close(ours)
        status = process.wait(harness.LIMIT)
    return status, re.sub(r"\x1b\[[0-9;]*m", "", data.decode()).replace("\r\n", "\n").splitlines()


class Screen:
    """A terminal with a command in its foreground. lines(): what stands on it now; updates: how often its last
    line was begun anew."""

    def __init__(self, case, command, environment, columns=80, cwd=None):
        self._fd, theirs = pty.openpty()
        self.resize(columns)
        os.set_blocking(self._fd, False)
        self._lines, self._column, self._rest, self.updates = [[]], 0, "", 0
        self._decoder = codecs.getincrementaldecoder("utf-8")()

        def prepare():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        environment = {"TERM": "xterm", "NO_COLOR": "1", **environment}
        environment.pop("COLUMNS", None)
        self.process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, cwd=cwd,
                                        preexec_fn=prepare)
        os.close(theirs)
        case.addCleanup(os.close, self._fd)
        case.addCleanup(self.process.wait)
        case.addCleanup(self.process.kill)

    def resize(self, columns):
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    def type(self, keys):
        os.write(self._fd, keys)

    def _write(self, character):
        line = self._lines[-1]
        if character == "\r":
            self._column = 0
        elif character == "\n":
            self._lines.append([])
            self._column = 0
        else:
            line[self._column:self._column + 1] = [character]
            self._column += 1

    def lines(self):
        with contextlib.suppress(BlockingIOError, OSError):  # EIO: everybody has closed it
            while data := os.read(self._fd, 65536):
                self._rest += self._decoder.decode(data)
        for part in re.findall(r"\x1b\[[0-9;]*[A-Za-z]|[^\x1b]", self._rest):
            if part == "\x1b[K":
                del self._lines[-1][self._column:]
                self.updates += 1
            elif len(part) == 1:
                self._write(part)
        self._rest = "\x1b" + self._rest.rpartition("\x1b")[2] if re.search(r"\x1b(\[[0-9;]*)?\Z", self._rest) else ""
        return ["".join(line) for line in self._lines]
