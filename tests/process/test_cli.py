"""platen on the command line: outputs, exit statuses, progress, and that nothing stays behind. The engine is the made-up one."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import time

import daemon
import documents
import pytest
from conftest import ROOT

FORMATS = {"md": "md", "json": "json", "html": "html", "text": "txt", "doctags": "doctags"}


class Run:
    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err


@pytest.fixture
def platen(build_dir, tmp_path, slowness):
    """platen(*args, stdin=bytes, fake=True) runs it to its end. No temporary file may be left after a test."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    env = dict(os.environ, TMPDIR=str(scratch))

    def command(*args, fake=True):
        extra = ["--backend", "fake"] if fake and args[:1] == ("convert",) else []
        return [str(build_dir / "platen"), *args[:1], *extra, *map(str, args[1:])]

    def run(*args, stdin=b"", fake=True, **more):
        done = subprocess.run(command(*args, fake=fake), input=stdin, capture_output=True, env=env, cwd=tmp_path,
                              timeout=60 * slowness, **more)
        return Run(done.returncode, done.stdout.decode(), done.stderr.decode())

    def start(*args, **more):
        return subprocess.Popen(command(*args), env=env, cwd=tmp_path, **more)

    run.start = start
    yield run
    assert daemon.wait_until(lambda: not list(scratch.iterdir()), 5), list(scratch.rglob("*"))


@pytest.fixture
def make(tmp_path):
    def write(name, data):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    return write


@pytest.fixture
def report(make):
    return make("report.pdf", documents.pdf(["Hello from page one", "And from page two"]))


# ---- outputs ----


def test_one_file_goes_to_standard_output_and_nothing_else_does(platen, report):
    r = platen("convert", report)
    assert (r.status, r.err) == (0, "")
    assert "Hello from page one" in r.out and "And from page two" in r.out
    assert r.out.endswith("\n")


def test_standard_input(platen, report):
    r = platen("convert", "-", stdin=report.read_bytes())
    assert r.status == 0 and "Hello from page one" in r.out


def test_standard_input_with_an_output_folder(platen, report, tmp_path):
    r = platen("convert", "-", "-o", "out", stdin=report.read_bytes())
    assert (r.status, r.out) == (0, "")
    assert "Hello" in (tmp_path / "out/stdin.md").read_text()


def test_json_on_standard_output_is_a_document(platen, report):
    r = platen("convert", report, "-f", "json")
    document = json.loads(r.out)
    assert document["schema_name"] == "DoclingDocument"
    assert [t["text"] for t in document["texts"]] == ["Hello from page one", "And from page two"]


def test_all_formats_at_once(platen, report, tmp_path):
    r = platen("convert", report, "--to", ",".join(FORMATS), "-o", "out")
    assert (r.status, r.out) == (0, "")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == sorted(f"report.pdf.{e}" for e in FORMATS.values())
    for ending in FORMATS.values():
        assert "Hello from page one" in (tmp_path / f"out/report.pdf.{ending}").read_text()


def test_a_folder_keeps_its_tree(platen, make, tmp_path):
    make("in/a/b/deep.pdf", documents.pdf(["deep"]))
    make("in/top.pdf", documents.pdf(["top"]))
    make("in/.hidden.pdf", documents.pdf(["hidden"]))
    (tmp_path / "in/link.pdf").symlink_to("top.pdf")
    r = platen("convert", "in", "-o", "out", "-j", "2")
    assert (r.status, r.out) == (0, "")
    found = sorted(str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*") if p.is_file())
    assert found == ["a/b/deep.pdf.md", "top.pdf.md"]


def test_names_that_differ_only_in_their_ending_do_not_collide(platen, make, tmp_path):
    make("in/same.pdf", documents.pdf(["from the PDF"]))
    make("in/same.png", documents.white_png(64, 64))
    assert platen("convert", "in", "-o", "out").status == 0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["same.pdf.md", "same.png.md"]


def test_pages(platen, make):
    many = make("many.pdf", documents.pdf([f"page number {i}" for i in range(1, 8)]))
    out = platen("convert", many, "-p", "3-4").out
    assert re.findall(r"page number (\d)", out) == ["3", "4"]
    assert re.findall(r"page number (\d)", platen("convert", many, "--pages=6-").out) == ["6", "7"]
    assert re.findall(r"page number (\d)", platen("convert", many, "--pages", "5").out) == ["5"]


def test_a_password_opens_the_file(platen, make):
    locked = make("locked.pdf", documents.encrypted(documents.pdf(["a secret"]), "open sesame"))
    word = make("word", b"open sesame\n")
    r = platen("convert", locked, "--password-file", word)
    assert r.status == 0 and "a secret" in r.out


def test_skip_existing(platen, make, tmp_path):
    make("in/one.pdf", documents.pdf(["one"]))
    make("in/two.pdf", documents.pdf(["two"]))
    make("out/one.pdf.md", b"kept as it was")
    assert platen("convert", "in", "-o", "out", "--skip-existing", "--report", "report.jsonl").status == 0
    assert (tmp_path / "out/one.pdf.md").read_text() == "kept as it was"
    assert "two" in (tmp_path / "out/two.pdf.md").read_text()
    lines = [json.loads(line) for line in (tmp_path / "report.jsonl").read_text().splitlines()]
    assert {line["file"]: line["status"] for line in lines} == {"in/one.pdf": "skipped", "in/two.pdf": "success"}


def test_a_boolean_option_needs_no_value(platen, report):
    r = platen("convert", "--md-compact-tables", report)
    assert r.status == 0 and "Hello" in r.out, r.err


# ---- exit statuses ----


@pytest.mark.parametrize("args", [
    [], ["--no-such-flag", "x"], ["report.pdf", "--to", "docx"], ["report.pdf", "--pages", "7-3"], ["report.pdf", "report.pdf"],
    ["report.pdf", "--to", "md,json"], ["report.pdf", "--jobs", "0"], ["report.pdf", "--progress", "fast"], ["report.pdf", "--output"],
    ["report.pdf", "--images", "referenced"], ["report.pdf", "--on-error", "shrug"],
])  # fmt: skip
def test_2_wrong_usage(platen, report, args):
    r = platen("convert", *args)
    assert (r.status, r.out) == (2, "")
    assert r.err.startswith("platen: ") and r.err.count("\n") == 1


def test_2_unknown_verb(platen):
    r = platen("transmogrify")
    assert (r.status, r.out) == (2, "") and "transmogrify" in r.err


def test_3_unreadable(platen, make, tmp_path):
    junk = make("junk.pdf", bytes(range(256)) * 40)
    r = platen("convert", junk, "-o", "out")
    assert (r.status, r.out) == (3, "")
    assert "junk.pdf" in r.err
    assert not (tmp_path / "out").exists() or list((tmp_path / "out").iterdir()) == []


def test_3_empty_unknown_or_not_there(platen, make):
    assert platen("convert", make("empty.pdf", b"")).status == 3
    assert platen("convert", make("what.xyz", b"\x01\x02\x03 nothing known")).status == 3
    missing = platen("convert", "not-there.pdf")
    assert missing.status == 3 and "not-there.pdf" in missing.err


def test_4_password(platen, make):
    locked = make("locked.pdf", documents.encrypted(documents.pdf(["a secret"]), "open sesame"))
    r = platen("convert", locked)
    assert (r.status, r.out) == (4, "") and "password" in r.err
    wrong = platen("convert", locked, "--password-file", make("word", b"wrong"))
    assert wrong.status == 4 and "secret" not in wrong.err


def test_5_cannot_write(platen, report, make):
    make("file", b"in the way")
    r = platen("convert", report, "-o", "file/below")
    assert r.status == 5 and "file" in r.err


def test_5_standard_output_is_full(platen, report, build_dir):
    with open("/dev/full", "wb") as full:
        p = platen.start("convert", report, stdout=full, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        err = p.communicate(timeout=120)[1]
    assert p.returncode == 5 and b"standard output" in err


def test_6_partial(platen, make):
    mixed = make("mixed.pdf", documents.pdf(["good page", "giant page", "last page"], boxes={1: "0 0 2000000000 2000000000"}))
    r = platen("convert", mixed)
    assert r.status == 6, r.err
    assert "good page" in r.out and "last page" in r.out
    assert "page 2" in r.err


def test_7_limit(platen, report):
    r = platen("convert", report, "--max-num-pages", "1")
    assert (r.status, r.out) == (7, "") and "page" in r.err


def test_1_failures_of_different_kinds_and_the_good_ones_convert(platen, make, tmp_path):
    make("in/bad.pdf", b"no PDF at all")
    make("in/good.pdf", documents.pdf(["good"]))
    make("in/locked.pdf", documents.encrypted(documents.pdf(["secret"]), "x"))
    r = platen("convert", "in", "-o", "out", "--report", "report.jsonl")
    assert r.status == 1
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["good.pdf.md"]
    lines = {line["file"]: line for line in map(json.loads, (tmp_path / "report.jsonl").read_text().splitlines())}
    assert {name: line["status"] for name, line in lines.items()} == {
        "in/bad.pdf": "failure", "in/good.pdf": "success", "in/locked.pdf": "failure"}  # fmt: skip
    assert all(lines[name]["category"] and lines[name]["message"] for name in ("in/bad.pdf", "in/locked.pdf"))
    assert lines["in/good.pdf"]["seconds"] > 0


def test_on_error_stop(platen, make, tmp_path):
    make("in/a.pdf", b"no PDF at all")
    make("in/b.pdf", documents.pdf(["good"]))
    assert platen("convert", "in", "-o", "out", "-j", "1", "--on-error", "stop").status == 3
    assert not (tmp_path / "out/b.pdf.md").exists()
    assert platen("convert", "in", "-o", "out", "-j", "1").status == 3
    assert (tmp_path / "out/b.pdf.md").exists()


# ---- progress ----


@pytest.fixture
def slow_report(make):
    return make("slow.pdf", documents.pdf([f"page {i}" for i in range(40)]))


def test_no_progress_in_a_pipe_and_lines_when_asked(platen, report, slow_report):
    assert platen("convert", report).err == ""
    plain = platen("convert", slow_report, "--force-ocr", "true", "--progress", "plain").err
    assert re.search(r"slow\.pdf: page \d+ of 40\n", plain) and plain.endswith("slow.pdf: success\n")
    assert platen("convert", report, "--progress", "plain", "-q").err == ""


def test_progress_as_json(platen, slow_report):
    r = platen("convert", slow_report, "--force-ocr", "true", "--progress=json")
    events = [json.loads(line) for line in r.err.splitlines()]
    assert events[-1]["state"] == "success"
    pages = [e["page"] for e in events if e.get("pages")]
    assert pages and pages == sorted(pages) and pages[-1] <= 40 and all(e["pages"] == 40 for e in events if e.get("pages"))


def test_a_bar_on_a_terminal(platen, slow_report):
    ours, theirs = pty.openpty()
    p = platen.start("convert", slow_report, "--force-ocr", "true", stdout=subprocess.PIPE, stderr=theirs, stdin=subprocess.DEVNULL)
    os.close(theirs)
    seen, out = b"", b""
    while True:
        for fd in select.select([ours, p.stdout], [], [], 120)[0]:
            try:
                piece = os.read(ours if fd is ours else p.stdout.fileno(), 65536)
            except OSError:  # the terminal's other side is closed
                piece = b""
            seen, out = (seen + piece, out) if fd is ours else (seen, out + piece)
        if p.poll() is not None:
            break
    os.close(ours)
    p.stdout.close()
    assert p.returncode == 0
    assert re.search(rb"\r\[=*>? *\] page \d+ of 40", seen)
    assert seen.endswith(b"\r\x1b[K"), "the bar goes when the work is done"


# ---- nothing stays behind ----


def slow_run(platen, make):
    """platen at work on a document that takes long, and all processes below it."""
    big = make("big.pdf", documents.pdf([f"page {i}" for i in range(1500)]))
    p = platen.start("convert", big, "--force-ocr", "true", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)

    def names():
        return {(daemon.status_of(pid) or {}).get("name") for pid in daemon.descendants_of(p.pid)}

    assert daemon.wait_until(lambda: {"platend", "platen-worker", "platen-engine"} <= names(), 60), names()
    return p, daemon.Snapshot(daemon.descendants_of(p.pid))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_everything(platen, make, number):
    p, below = slow_run(platen, make)
    p.send_signal(number)
    assert p.wait(20) == 128 + number
    assert below.wait_gone(1) == []


def test_a_kill_ends_everything(platen, make):
    p, below = slow_run(platen, make)
    p.kill()
    p.wait(20)
    assert below.wait_gone(10) == []


def test_the_supervisor_dies(platen, make):
    p, below = slow_run(platen, make)
    supervisor = next(pid for pid, name in below.names.items() if name == "platend")
    os.kill(supervisor, signal.SIGKILL)
    assert p.wait(20) == 70
    assert below.wait_gone(10) == []


def test_every_worker_dies(platen, make):
    """A worker that was killed is tried again a few times; then the task fails, and says so."""
    p, _ = slow_run(platen, make)
    killed = set()
    while p.poll() is None and len(killed) < 20:
        workers = [pid for pid in daemon.descendants_of(p.pid) if (daemon.status_of(pid) or {}).get("name") == "platen-worker"]
        for pid in set(workers) - killed:
            os.kill(pid, signal.SIGKILL)
            killed.add(pid)
        time.sleep(0.02)
    assert p.wait(20) == 70 and 1 <= len(killed) < 20


# ---- the other verbs ----


def test_help_and_version(platen):
    for args in (["help"], ["--help"], ["convert", "--help"], ["help", "convert"], ["doctor", "--help"]):
        r = platen(*args, fake=False)
        assert (r.status, r.err) == (0, "") and r.out, args
    assert re.fullmatch(r"platen \d+\.\d+\.\d+\n", platen("version").out)


def test_every_flag_of_the_help_is_understood(platen, report):
    text = platen("convert", "--help", fake=False).out
    flags = sorted(set(re.findall(r"^ +(?:-\w, )?(--[a-z-]+)", text, re.M)) - {"--help"})
    assert len(flags) > 25
    for flag in flags:
        assert "unknown flag" not in platen("convert", flag, "?", "?", fake=False).err, flag


# OpenVINO's TBB loads a library with RTLD_DEEPBIND, which AddressSanitizer does not allow.
real_engine = pytest.mark.skipif(bool(os.environ.get("PLATEN_SANITIZED")), reason="the real engine does not run under the sanitizers")


@real_engine
def test_doctor(platen, tmp_path):
    data = ["--data", tmp_path / "data", "--port", "0"]
    r = platen("doctor", *data)
    assert r.status == 0, r.out + r.err
    assert "PROBLEM" not in r.out and r.out.rstrip().endswith("All well.")
    wrong = platen("doctor", *data, "--models", tmp_path / "nowhere")
    assert wrong.status == 8, wrong.out + wrong.err
    assert "PROBLEM  models" in wrong.out and "mend:" in wrong.out


@real_engine
def test_a_scan_is_read(platen):
    """The real engine, through the whole command line."""
    r = platen("convert", ROOT / "examples" / "scan.pdf", "-p", "1", fake=False)
    assert r.status == 0, r.err
    assert "A Document Service That Gives Memory Back" in r.out
    assert 200 < len(re.findall(r"\w+", r.out)) < 500
