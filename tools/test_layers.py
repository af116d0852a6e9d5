"""Unit tests of tools/layers.py: the table, and the reading of #include lines."""
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import layers  # noqa: E402


class CheckInclude(unittest.TestCase):
    def allow(self, folder, header, quoted=True):
        self.assertIsNone(layers.check_include(folder, header, quoted))

    def refuse(self, folder, header, quoted=True):
        self.assertIsNotNone(layers.check_include(folder, header, quoted))

    def test_floors(self):
        self.allow("base", "base/err.h")
        self.allow("conf", "base/err.h")
        self.allow("worker", "ipc/frame.h")
        self.refuse("base", "conf/limits.h")
        self.refuse("ipc", "worker/task.h")
        self.refuse("ipc", "process/spawn.h")

    def test_programs_do_not_know_each_other(self):
        self.refuse("supervisor/sched", "worker/document/document.h")
        self.refuse("worker/pipeline", "engine/vision/vision.h")
        self.refuse("cli", "supervisor/api/api.h")

    def test_supervisor(self):
        self.allow("supervisor", "supervisor/api/api.h")
        self.allow("supervisor/api", "supervisor/sched/service.h")
        self.allow("supervisor/api", "supervisor/http/server.h")
        self.refuse("supervisor/sched", "supervisor/http/server.h")
        self.refuse("supervisor/store", "supervisor/api/api.h")
        self.refuse("supervisor/http", "supervisor/api/api.h")

    def test_worker(self):
        self.allow("worker", "worker/reader/reader.h")
        self.allow("worker/pipeline", "worker/reader/image.h")
        self.refuse("worker/export", "worker/reader/reader.h")
        self.refuse("worker/document", "worker/export/export.h")

    def test_one_header_is_not_its_folder(self):
        self.allow("engine/vision", "engine/backend/backend.h")
        self.refuse("engine/vision", "engine/backend/openvino.h")
        self.refuse("engine/models", "engine/vision/vision.h")

    def test_private_headers(self):
        self.allow("engine/backend", "openvino/c/openvino.h", quoted=False)
        self.refuse("engine/vision", "openvino/c/openvino.h", quoted=False)
        self.refuse("worker", "leptonica/allheaders.h", quoted=False)
        self.refuse("supervisor/api", "sqlite3.h", quoted=False)
        self.refuse("worker/pipeline", "worker/reader/pdfium.h")
        self.allow("supervisor/sched", "uv.h", quoted=False)
        self.allow("worker", "stdio.h", quoted=False)

    def test_paths_are_relative_to_src(self):
        self.refuse("base", "err.h")
        self.refuse("base", "../conf/limits.h")

    def test_new_folders(self):
        self.allow("worker/reader/office", "worker/document/document.h")
        self.refuse("newthing", "base/err.h")


class CheckTree(unittest.TestCase):
    def test_finds_file_and_line(self):
        with tempfile.TemporaryDirectory() as root:
            src = Path(root)
            (src / "base").mkdir()
            (src / "base" / "bad.c").write_text('#include <stdio.h>\n#  include "conf/limits.h" // why\n')
            (src / "base" / "good.c").write_text('// #include "conf/limits.h"\n#include "base/err.h"\n')
            found = layers.check_tree(src)
        self.assertEqual(len(found), 1)
        self.assertTrue(found[0].startswith("src/base/bad.c:2: conf/limits.h: "), found)

    def test_every_target_of_the_table_is_known(self):
        for row, targets in layers.ALLOWED.items():
            for target in targets:
                self.assertTrue(target.endswith(".h") or target in layers.ALLOWED, f"{row}: {target}")


if __name__ == "__main__":
    unittest.main()
