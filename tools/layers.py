#!/usr/bin/env python3
"""Checks that #include lines point only where the architecture lets them. Prints each violation; exit status 1 if any.

Three floors: base <- conf, ipc, process, memory <- {supervisor | worker | engine | fetch | gauge | cli}. ALLOWED says
for each folder below src/ what it may include besides itself: a folder (all below it) or one header. A folder that
is not listed takes the row of the nearest listed one above it. PRIVATE says who alone may see an outside header.
Project headers are written relative to src/: #include "base/err.h".
"""
import re
import sys
from pathlib import Path

FLOOR = ["base", "conf", "ipc", "process", "memory"]

ALLOWED = {
    "base": [],
    "conf": ["base"],
    "ipc": ["base", "conf"],
    "process": ["base", "conf", "ipc"],
    "memory": ["base", "conf"],
    # main.c wires all of it; api stands on http, sched and store, which know nothing of requests.
    "supervisor": FLOOR,
    "supervisor/http": FLOOR,
    "supervisor/store": FLOOR,
    "supervisor/sched": FLOOR + ["supervisor/store"],
    "supervisor/api": FLOOR + ["supervisor/http", "supervisor/sched", "supervisor/store"],
    # document is the tree in the middle: readers and the pipeline fill it, exporters write it.
    "worker": FLOOR,
    "worker/document": FLOOR,
    "worker/reader": FLOOR + ["worker/document"],
    "worker/pipeline": FLOOR + ["worker/document", "worker/reader"],
    "worker/export": FLOOR + ["worker/document"],
    # an inference API is seen by backend alone; the rest sees its interface header.
    "engine": FLOOR,
    "engine/backend": FLOOR,
    "engine/models": FLOOR + ["engine/backend/backend.h"],
    "engine/vision": FLOOR + ["engine/models", "engine/backend/backend.h"],
    "fetch": FLOOR,
    "gauge": FLOOR,
    "cli": FLOOR,
}

# (pattern of the header as written, the folders that may include it)
PRIVATE = [
    (r"openvino/.*", ["engine/backend"]),
    (r"onnxruntime.*", ["engine/backend"]),
    (r"(leptonica/)?allheaders\.h", ["worker/reader"]),
    (r"worker/reader/pdfium\.h", ["worker/reader"]),
    (r"fpdf.*", ["worker/reader"]),
    (r"sqlite3\.h", ["supervisor/store"]),
    (r"microhttpd\.h", ["supervisor/http"]),
    (r"uv\.h", ["supervisor"]),
]

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def is_below(path, folder):
    return path == folder or path.startswith(folder + "/")


def find_row(folder):
    """The listed folder that rules a folder: itself or the nearest one above it."""
    while folder and folder not in ALLOWED:
        folder = folder.rpartition("/")[0]
    return folder


def check_include(folder, header, quoted):
    """Returns what is wrong with one include in a file of folder (relative to src/), or None."""
    for pattern, owners in PRIVATE:
        if re.fullmatch(pattern, header) and not any(is_below(folder, owner) for owner in owners):
            return f"only {' and '.join('src/' + owner for owner in owners)} may include it"
    if not quoted:
        return None
    top = header.partition("/")[0]
    if "/" not in header or top not in {row.partition("/")[0] for row in ALLOWED}:
        return 'project headers are written relative to src/, like "base/err.h"; others in <>'
    row = find_row(folder)
    if not row:
        return "the folder of this file is not in the table of tools/layers.py"
    if is_below(header, row) or any(is_below(header, target) for target in ALLOWED[row]):
        return None
    return f"src/{row} may include: {', '.join(ALLOWED[row]) or 'nothing'} and itself"


def check_tree(src):
    violations = []
    for path in sorted(src.rglob("*.[ch]")):
        folder = path.relative_to(src).parent.as_posix()
        text = path.read_text(encoding="utf-8", errors="replace")
        for number, line in enumerate(text.splitlines(), 1):
            match = INCLUDE.match(line)
            wrong = match and check_include(folder, match[2], match[1] == '"')
            if wrong:
                violations.append(f"src/{path.relative_to(src)}:{number}: {match[2]}: {wrong}")
    return violations


def main():
    src = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent / "src"
    violations = check_tree(src)
    print("\n".join(violations) if violations else "layers: every include points down")
    sys.exit(1 if violations else 0)


if __name__ == "__main__":
    main()
