# SPDX-License-Identifier: MIT
"""What a desktop reads about the applet, as the tools of desktops judge it."""
import glob
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "integration"))
import harness  # noqa: E402

ID = "org.agentctl.Locks.Applet"
BUILT = os.path.join(harness.BUILD, "data", "applet")
SOURCE = os.path.join(harness.SOURCE, "data", "applet")
ICONS = os.path.join(SOURCE, "icons")


def run(*command):
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          encoding="utf-8", env={**os.environ, "LC_ALL": "C.UTF-8", "LANGUAGE": ""}, check=False)


def read(*path):
    with open(os.path.join(*path), encoding="utf-8") as file:
        return file.read()


def linguas():
    return " ".join(line.partition("#")[0] for line in read(harness.SOURCE, "po", "LINGUAS").splitlines()).split()


class Files(unittest.TestCase):
    def test_desktop_file(self):
        done = run("desktop-file-validate", os.path.join(BUILT, f"{ID}.desktop"))
        self.assertEqual((done.returncode, done.stdout), (0, ""))

    def test_metainfo(self):
        done = run("appstreamcli", "validate", "--no-net", "--no-color", os.path.join(BUILT, f"{ID}.metainfo.xml"))
        self.assertEqual(done.returncode, 0, done.stdout)
        # Our name has capitals, as the interface's has; that is all there is to say.
        words = run("appstreamcli", "validate", "--no-net", "--no-color", "--pedantic",
                    os.path.join(BUILT, f"{ID}.metainfo.xml")).stdout
        self.assertEqual(set(re.findall(r"(?m)^\w: \S+ (\S+)", words)), {"cid-contains-uppercase-letter"}, words)

    def test_schema(self):
        with tempfile.TemporaryDirectory(prefix="agl-schema-") as folder:
            shutil.copy(os.path.join(SOURCE, f"{ID}.gschema.xml"), folder)
            done = run("glib-compile-schemas", "--strict", folder)
            self.assertEqual((done.returncode, done.stdout), (0, ""))
            self.assertTrue(os.path.exists(f"{folder}/gschemas.compiled"))

    def test_one_name_everywhere(self):
        desktop = read(BUILT, f"{ID}.desktop")
        self.assertIn(f"\nIcon={ID}\n", desktop)
        self.assertIn("\nDBusActivatable=true\n", desktop)
        self.assertIn(f"\nName={ID}\n", read(BUILT, f"{ID}.service"))
        metainfo = xml.etree.ElementTree.parse(os.path.join(BUILT, f"{ID}.metainfo.xml")).getroot()
        self.assertEqual(metainfo.findtext("id"), ID)
        self.assertEqual(metainfo.findtext("launchable"), f"{ID}.desktop")
        self.assertIn(f'#define AGL_APPLICATION_ID "{ID}"', read(harness.SOURCE, "src", "applet", "application.h"))

    def test_the_release_is_the_version(self):
        version = re.search(r"(?m)^  version: '(.*)',$", read(harness.SOURCE, "meson.build"))[1]
        metainfo = xml.etree.ElementTree.parse(os.path.join(BUILT, f"{ID}.metainfo.xml")).getroot()
        self.assertEqual(metainfo.find("releases/release").get("version"), version)

    def test_each_action_is_one_of_the_application(self):
        """With DBusActivatable the bus asks the application itself for them."""
        desktop = read(BUILT, f"{ID}.desktop")
        names = re.search(r"(?m)^Actions=(.*);$", desktop)[1].split(";")
        source = read(harness.SOURCE, "src", "applet", "application.c")
        for name in names:
            self.assertIn(f"[Desktop Action {name}]", desktop)
            self.assertIn(f'{{ "{name}", on_{name} }}', source)

    def test_translated(self):
        """Into each language that there is: the name and the summary."""
        desktop = read(BUILT, f"{ID}.desktop")
        metainfo = read(BUILT, f"{ID}.metainfo.xml")
        for lingua in linguas():
            with self.subTest(lingua):
                self.assertRegex(desktop, rf"(?m)^Comment\[{lingua}\]=.")
                self.assertRegex(metainfo, rf'<summary xml:lang="{lingua.replace("_", "[-_]")}">.')


def pixels(path):
    """A PNG of eight bits with alpha, as lines of (red, green, blue, alpha)."""
    with open(path, "rb") as file:
        data = file.read()
    width, height, depth, colour = struct.unpack(">IIBB", data[16:26])
    if (depth, colour) != (8, 6):
        raise AssertionError(f"{path} has {depth} bits of kind {colour}")
    packed, at = b"", 8
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at:at + 8])
        packed += data[at + 8:at + 8 + length] if kind == b"IDAT" else b""
        at += length + 12
    raw, lines, before = zlib.decompress(packed), [], bytes(width * 4)
    for y in range(height):
        how, line = raw[y * (width * 4 + 1)], bytearray(raw[y * (width * 4 + 1) + 1:(y + 1) * (width * 4 + 1)])
        for x in range(width * 4):
            left, up, corner = line[x - 4] if x >= 4 else 0, before[x], before[x - 4] if x >= 4 else 0
            guess = left + up - corner
            nearest = min((abs(guess - value), order, value) for order, value in enumerate((left, up, corner)))[2]
            line[x] = (line[x] + (0, left, up, (left + up) // 2, nearest)[how]) & 255
        lines.append([tuple(line[x:x + 4]) for x in range(0, width * 4, 4)])
        before = bytes(line)
    return lines


class Icons(unittest.TestCase):
    def draw(self, name, size):
        with tempfile.TemporaryDirectory(prefix="agl-icon-") as folder:
            done = run("rsvg-convert", "-w", str(size), "-h", str(size), "-o", f"{folder}/icon.png",
                       os.path.join(ICONS, f"{name}.svg"))
            self.assertEqual((done.returncode, done.stdout), (0, ""))
            return pixels(f"{folder}/icon.png")

    def test_all_are_there(self):
        self.assertEqual({os.path.basename(path) for path in glob.glob(f"{ICONS}/*")},
                         {f"{ID}.svg", f"{ID}-symbolic.svg", f"{ID}-attention-symbolic.svg"})
        tray = read(harness.SOURCE, "src", "applet", "tray.c")
        self.assertEqual(set(re.findall(rf'"({re.escape(ID)}-[a-z-]*symbolic)"', tray)),
                         {f"{ID}-symbolic", f"{ID}-attention-symbolic"})

    def test_drawn_at_each_size(self):
        """Each is seen, and fills most of its square without touching nothing."""
        for name in (ID, f"{ID}-symbolic", f"{ID}-attention-symbolic"):
            for size in (16, 32, 128):
                with self.subTest(name, size=size):
                    lines = self.draw(name, size)
                    self.assertEqual((len(lines), len(lines[0])), (size, size))
                    share = sum(pixel[3] > 127 for line in lines for pixel in line) / size ** 2
                    self.assertGreater(share, 0.3)
                    self.assertLess(share, 0.9)

    def test_symbolic_ones_have_one_colour(self):
        """Desktops paint them in their own."""
        for name in (f"{ID}-symbolic", f"{ID}-attention-symbolic"):
            text = read(ICONS, f"{name}.svg")
            self.assertEqual(set(re.findall(r'fill="(#[^"]*)"', text)), {"#2e3436"})
            self.assertNotIn("stroke=", text)
            self.assertIn('width="16" height="16"', text)

    def test_the_two_symbolic_ones_differ(self):
        one, other = (self.draw(name, 16) for name in (f"{ID}-symbolic", f"{ID}-attention-symbolic"))
        different = sum(abs(a[3] - b[3]) > 127 for lines in zip(one, other) for a, b in zip(*lines))
        self.assertGreater(different, 16)


if __name__ == "__main__":
    harness.main()
