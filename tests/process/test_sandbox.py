"""The sandbox of worker and engine: every way out is refused, documents still convert, and where the system cannot hold it,
platend says so. escape_probe is the attacker, degrade makes a kernel that lacks something."""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import daemon
import documents
import pytest

sanitized = pytest.mark.skipif(bool(os.environ.get("PLATEN_SANITIZED")),
                               reason="sanitizer builds leave the system call filter out")
SAFE_MODES = ("worker", "no-landlock", "engine")
# What anybody can do who is not confined. If one of these is refused too, its probe proves nothing.
TEETH = {"open-passwd", "open-secret", "open-through-proc", "list-root", "write-tmp", "change-secret", "truncate", "chmod", "symlink",
         "hardlink", "mknod", "inotify", "tcp-connect", "udp", "unix-abstract", "tcp-listen", "netlink", "execve", "memfd-exec",
         "execveat", "fork", "fork-raw", "thread", "kill-supervisor", "tgkill-supervisor", "pidfd-signal", "signal-by-owner", "proc-fd",
         "personality", "dumpable", "memory", "descriptors", "writable-code", "data-to-code", "setuid", "oom-adj"}


def tool(build_dir, name):
    path = build_dir / "tests/process" / name
    if not path.exists():
        pytest.fail(f"{path} is not built: configure with -Dtests=true")
    return path


def run(args, **more):
    return subprocess.run([str(a) for a in args], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, **more)


@pytest.fixture(scope="session")
def probes(build_dir):
    """name -> whether it counts for the worker only"""
    lines = run([tool(build_dir, "escape_probe"), "--list"]).stdout.splitlines()
    return {line.split()[0]: line.endswith(" worker") for line in lines}


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "secret"
    path.write_text("only for the supervisor")
    path.chmod(0o600)
    return path


def attack(program, mode, secret, names, **more):
    """name -> "denied EPERM", "allowed", …"""
    done = run([program, mode, secret, *names], **more)
    assert done.returncode == 0, (done.stdout, done.stderr)
    return dict(line.split(" ", 1) for line in done.stdout.splitlines())


def assert_all_denied(outcomes, names):
    assert set(outcomes) == set(names)
    through = {name: outcome for name, outcome in outcomes.items()
               if not re.fullmatch(r"denied (EPERM|EACCES|ENOSYS|ENOMEM|EMFILE|EAGAIN|SIGSYS)", outcome)}
    # Where 32-bit programs are not known at all, their system calls are a fault.
    assert through in ({}, {"int80": "denied SIGSEGV"})


def assert_untouched(secret):
    assert [p.name for p in secret.parent.iterdir()] == [secret.name]
    assert secret.read_text() == "only for the supervisor"
    assert secret.stat().st_mode & 0o777 == 0o600


# ---- the attacker ----

@sanitized
@pytest.mark.parametrize("mode", SAFE_MODES)
def test_no_way_out(build_dir, probes, secret, mode):
    names = [name for name, worker_only in probes.items() if mode != "engine" or not worker_only]
    assert len(names) >= 40
    assert_all_denied(attack(tool(build_dir, "escape_probe"), mode, secret, names), names)
    assert_untouched(secret)


@sanitized
@pytest.mark.skipif(os.geteuid() != 0, reason="not root: the other tests have shown it for a plain user")
@pytest.mark.parametrize("mode", SAFE_MODES)
def test_no_way_out_for_a_plain_user(build_dir, probes, mode):
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        program = shutil.copy(tool(build_dir, "escape_probe"), folder)
        inner = Path(folder) / "his"
        inner.mkdir()
        mine = inner / "secret"
        mine.write_text("only for the supervisor")
        mine.chmod(0o600)
        for path in (inner, mine):
            os.chown(path, 10001, 10001)
        names = [name for name, worker_only in probes.items() if mode != "engine" or not worker_only]
        assert_all_denied(attack(program, mode, mine, names, user=10001, group=10001, extra_groups=[]), names)
        assert_untouched(mine)


@sanitized
def test_the_engine_cannot_change_modes(build_dir, secret):
    """It is told that it can, for the sake of its runtime."""
    assert attack(tool(build_dir, "escape_probe"), "engine", secret, ["chmod"]) == {"chmod": "allowed"}
    assert_untouched(secret)


def test_the_probes_have_teeth(build_dir, probes, secret):
    assert TEETH <= set(probes)
    leftover = Path("/tmp/platen-escape-probe")
    leftover.unlink(missing_ok=True)
    for name in sorted(TEETH):
        secret.write_text("only for the supervisor")
        secret.with_name("secret.link").unlink(missing_ok=True)
        assert attack(tool(build_dir, "escape_probe"), "bare", secret, [name]) == {name: "allowed"}
    leftover.unlink(missing_ok=True)


# ---- the programs ----

def status_field(pid, field):
    return re.search(rf"^{field}:\s*(\d+)", Path(f"/proc/{pid}/status").read_text(), re.M).group(1)


@sanitized
def test_worker_and_engine_are_confined(start_platend):
    d = start_platend("--backend", "fake", "--log-level", "debug")
    d.submit([("long.pdf", documents.many_pages(1500))])
    d.submit([("scan.png", documents.white_png(300, 200))])
    seen = {}

    def both_seen():
        for pid, name in d.children():
            try:
                seen[name] = max(seen.get(name, ("0", "0")), (status_field(pid, "Seccomp"), status_field(pid, "NoNewPrivs")))
            except OSError:
                continue  # gone meanwhile
        return seen.get("platen-worker") == seen.get("platen-engine") == ("2", "1")

    assert daemon.wait_until(both_seen, 20, 0.002), (seen, d.log())


def convert(build_dir, out, files, *before, **variables):
    done = run([*before, build_dir / "platen", "convert", *files, "--to", "md,json", "-o", out],
               env=dict(os.environ, PLATEN_BACKEND="fake", **variables))
    return done, {p.name: re.sub(rb'"version": *"[^"]*"', b"", p.read_bytes()) for p in sorted(Path(out).iterdir())}


def test_documents_convert_as_without(build_dir, tmp_path, shared_dir):
    """Also where a font that is not in the file has to be found, where a page is drawn, and in every picture format."""
    made = tmp_path / "standard-fonts.pdf"
    made.write_bytes(documents.pdf(["Helvetica is not in this file"]))
    corpus = [p for p in sorted((shared_dir / "devset/files").iterdir()) if p.suffix in (".png", ".jpg", ".tif", ".webp", ".pdf")
              and "password" not in p.name]
    assert len({p.suffix for p in corpus}) >= 4
    _, free = convert(build_dir, tmp_path / "off", [made, *corpus], PLATEN_SANDBOX="off")
    done, confined = convert(build_dir, tmp_path / "on", [made, *corpus], PLATEN_SANDBOX="required")
    assert done.returncode == 0, done.stderr
    assert len(confined) == 2 * (len(corpus) + 1)
    assert [name for name in free if free[name] != confined.get(name)] == []


# ---- systems that cannot hold it ----

@pytest.fixture
def degraded_start(build_dir, tmp_path):
    """Starts platend as on a kernel that lacks something, with a socket that is closed at once: it ends by itself."""

    def start(lacks, mode):
        return run([tool(build_dir, "degrade"), lacks, build_dir / "platend", "--backend", "fake", "--data", tmp_path / "data",
                    "--private-fd", "0"], env=dict(os.environ, PLATEN_SANDBOX=mode))

    return start


@sanitized
def test_required_refuses_to_start_and_says_why(degraded_start):
    done = degraded_start("seccomp", "required")
    assert done.returncode != 0
    errors = [line for line in done.stderr.splitlines() if "ERROR" in line]
    assert len(errors) == 1 and "missing: seccomp" in errors[0] and "PLATEN_SANDBOX=best_effort" in errors[0]


@sanitized
def test_best_effort_starts_and_says_what_is_missing(degraded_start):
    log = degraded_start("seccomp", "best_effort").stderr
    assert re.search(r"sandbox=nnp,rlimit,landlock\d+,.*;missing=seccomp", log), log


def test_off_probes_nothing_and_warns(degraded_start):
    log = degraded_start("seccomp", "off").stderr
    assert "sandbox=off" in log and "WARNING" in log


def test_what_holds_is_logged_once(start_platend):
    log = start_platend("--backend", "fake").log()
    assert len(re.findall(r"INFO: sandbox=nnp,rlimit\S*,landlock\d+", log)) == 1, log


def test_without_landlock_documents_convert(build_dir, tmp_path):
    made = tmp_path / "a.pdf"
    made.write_bytes(documents.pdf(["Helvetica is not in this file"]))
    done, files = convert(build_dir, tmp_path / "out", [made], tool(build_dir, "degrade"), "landlock")
    assert done.returncode == 0, done.stderr
    assert b"Helvetica is not in this file" in next(data for name, data in files.items() if name.endswith(".md"))


@pytest.mark.parametrize("answer", ["", "echo nonsense >&3", "kill -9 $$", "echo nnp >&3; exit 3"])
def test_a_probe_that_fails_stops_the_start(build_dir, tmp_path, answer):
    worker = tmp_path / "worker"
    worker.write_text(f"#!/bin/sh\n{answer}\n")
    worker.chmod(0o755)
    done = run([build_dir / "platend", "--data", tmp_path / "data", "--port", "0"], env=dict(os.environ, PLATEN_WORKER_PROGRAM=str(worker)))
    assert done.returncode != 0
    assert "the sandbox probe" in done.stderr
