"""Unit tests of tools/check-sources: a small tree with one fault each."""
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

TOOL = Path(__file__).resolve().parent / "check-sources"


class CheckSources(unittest.TestCase):
    def check(self, files):
        with tempfile.TemporaryDirectory() as root:
            for name, text in files.items():
                path = Path(root) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            subprocess.run(["git", "init", "-q", root], check=True)
            run = subprocess.run([sys.executable, str(TOOL), root], capture_output=True, text=True)
        return run.returncode, run.stdout

    def test_clean(self):
        code = '// strcpy(\n/* gets(\n */\nint f(void)\n{\n    my_atoi("atoi(");\n    return snprintf(0, 0, "");\n}\n'
        self.assertEqual(self.check({"src/a.c": code}), (0, "sources: 0 errors, 0 warnings\n"))

    def test_banned_function(self):
        status, out = self.check({"src/a.c": "int f(void)\n{\n    strcpy (a, b);\n}\n"})
        self.assertEqual(status, 1)
        self.assertIn("src/a.c:3: strcpy is banned", out)

    def test_sizes(self):
        status, out = self.check({"src/a.c": "int x;\n" * 700,
                                  "src/c.c": "int f(void)\n{\n" + "    x();\n" * 90 + "}\n"})
        self.assertEqual(status, 0)
        self.assertIn("src/a.c: 700 lines", out)
        self.assertIn("src/c.c:2: f has 92 lines", out)
        self.assertEqual(self.check({"src/b.c": "int x;\n" * 1001})[0], 1)

    def test_traces_of_a_machine(self):
        self.assertEqual(self.check({"docs/a.md": "see /" + "work/x\n"})[0], 1)
        self.assertEqual(self.check({"docs/a.md": "index at py" + "pi.org\n"})[0], 1)
        self.assertEqual(self.check({"docs/a.md": "src/" + "work/x\n"})[0], 0)


if __name__ == "__main__":
    unittest.main()
