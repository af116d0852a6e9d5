"""Unit tests of tools/fetch-deps with small packages made here: no network."""
import hashlib
import os
import subprocess
import sys
import tempfile
import unittest
import zipfile
from pathlib import Path

TOOL = Path(__file__).resolve().parent / "fetch-deps"


def bytes_field(number, data):
    assert len(data) < 128
    return bytes([number << 3 | 2, len(data)]) + data


CLASSES = "a\n\n \n\u3000\nz"
MODEL = (b"\x08\x07" + bytes_field(14, bytes_field(1, b"other") + bytes_field(2, b"no"))
         + bytes_field(14, bytes_field(1, b"character") + bytes_field(2, CLASSES.encode())))

LOCK = """
[[package]]
name = "platen-test-thing"
version = "1.0"
unpack = ["thing/lib/** -> lib", "thing/one.txt -> models/one.txt"]
text = ["thing/dict.txt -> models/dict.txt"]
metadata = ["thing/m.onnx#character -> models/classes.txt"]
links = ["lib/libthing.so -> libthing.so.1"]
[package.any]
file = "thing.whl"
sha256 = "{sha256}"
size = 1000000
pip = ["--no-index"]
"""


class FetchDeps(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.cache = Path(folder.name) / "cache"
        (self.cache / "downloads").mkdir(parents=True)
        self.wheel = self.cache / "downloads" / "thing.whl"
        with zipfile.ZipFile(self.wheel, "w") as pack:
            pack.writestr("thing/lib/libthing.so.1", b"elf")
            pack.writestr("thing/lib/sub/x.h", b"x")
            pack.writestr("thing/one.txt", b"one\r\n")
            pack.writestr("thing/dict.txt", b"a\r\n\r\nb")
            pack.writestr("thing/m.onnx", MODEL)
        self.lock = Path(folder.name) / "deps.lock"
        self.write_lock(LOCK)

    def write_lock(self, text):
        sha256 = hashlib.sha256(self.wheel.read_bytes()).hexdigest()
        self.lock.write_text(text.replace("{sha256}", sha256))

    def fetch(self):
        return subprocess.run([sys.executable, str(TOOL), "--lock", str(self.lock)], capture_output=True, text=True,
                              env={**os.environ, "PLATEN_CACHE": str(self.cache)}, timeout=60)

    def assert_one_sentence(self, run, word):
        self.assertEqual(run.returncode, 1, run.stderr)
        self.assertIn(word, run.stderr)
        self.assertEqual(run.stderr.count("\n"), 1, run.stderr)
        self.assertEqual(sorted(p.name for p in self.cache.iterdir() if p.name.startswith(("sdk", ".sdk"))), [])

    def test_layout(self):
        run = self.fetch()
        self.assertEqual(run.returncode, 0, run.stderr)
        sdk = self.cache / "sdk"
        self.assertTrue(sdk.is_symlink())
        self.assertEqual((sdk / "lib/libthing.so").read_bytes(), b"elf")
        self.assertEqual((sdk / "lib/sub/x.h").read_bytes(), b"x")
        self.assertEqual((sdk / "models/one.txt").read_bytes(), b"one\r\n")
        self.assertEqual((sdk / "models/dict.txt").read_bytes(), b"a\n\nb\n")
        self.assertEqual((sdk / "models/classes.txt").read_bytes(), CLASSES.encode() + b"\n")
        sums = subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=sdk)
        self.assertEqual(sums.returncode, 0)

    def test_second_run_needs_nothing(self):
        self.fetch()
        self.wheel.unlink()
        run = self.fetch()
        self.assertEqual((run.returncode, run.stdout, run.stderr), (0, "", ""))

    def test_failed_download(self):
        self.wheel.unlink()
        self.assert_one_sentence(self.fetch(), "could not download platen-test-thing 1.0")

    def test_damaged_download_is_not_used(self):
        self.wheel.write_bytes(b"damaged")
        self.assert_one_sentence(self.fetch(), "could not download")
        self.assertFalse(self.wheel.exists())

    def test_rule_without_a_source(self):
        self.write_lock(LOCK.replace("thing/one.txt ->", "thing/two.txt ->"))
        self.assert_one_sentence(self.fetch(), "holds no thing/two.txt")

    def test_rule_may_not_leave_the_sdk(self):
        self.write_lock(LOCK.replace("-> models/one.txt", "-> ../one.txt"))
        self.assert_one_sentence(self.fetch(), "cannot read the rule")


if __name__ == "__main__":
    unittest.main()
