"""platen-engine as a process: what it touches, what it answers, and that it never outlives those it works for."""

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from conftest import ROOT

import engine_wire as wire

WIDTH, HEIGHT = 640, 480


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """The fetched models with the manifest of this source tree."""
    fetched = Path(os.environ.get("PLATEN_CACHE") or Path.home() / ".cache/platen") / "sdk/models"
    if not (fetched / "ppocrv6_tiny_det.onnx").exists():
        pytest.skip(f"no models in {fetched}: run tools/setup")
    folder = tmp_path_factory.mktemp("models")
    for file in fetched.iterdir():
        if file.name != "manifest.json":
            shutil.copy(file, folder)  # no link: the engine may read nothing outside the folder
    shutil.copy(ROOT / "src/engine/models/manifest.json", folder)
    return folder


@pytest.fixture
def start(build_dir, models, tmp_path):
    engines = []

    def run(**options):
        engines.append(wire.Engine(build_dir / "platen-engine", models, tmp_path / "cache", **options))
        return engines[-1]

    yield run
    for engine in engines:
        if engine.process.poll() is None:
            engine.process.kill()
            engine.process.wait()
        engine.control.close()


def bars():
    """A white page with three dark bars."""
    page = bytearray(b"\xff" * (WIDTH * HEIGHT))
    for bar in range(3):
        for y in range(100 + bar * 100, 120 + bar * 100):
            page[y * WIDTH + 100:y * WIDTH + 500] = bytes(400)
    return bytes(page)


def read_page(client, pixels, width, height, page_id=1, **options):
    client.page(page_id, pixels, width, height)
    assert client.answer()[0] == wire.REPLY
    asked = client.read(page_id, **options)
    kind, ident, payloads = client.answer(60)
    assert (kind, ident) == (wire.REPLY, asked), payloads
    return wire.lines_of(payloads)


def test_reads_with_the_fake_backend(start):
    engine = start()
    client = engine.attach()
    lines = read_page(client, bars(), WIDTH, HEIGHT)
    assert [text[:4] for _, _, text in lines] == ["line"] * 3
    client.ref(wire.DROP, 1)
    engine.stats(lambda s: s[1] == 0 and s[3] > 0)
    client.close()
    engine.wait_detached(1)
    assert engine.close() == 0


def need_runtime():
    if os.environ.get("PLATEN_SANITIZED"):
        pytest.skip("OpenVINO loads a library with RTLD_DEEPBIND, which AddressSanitizer does not allow")


def photo(shared_dir):
    image = pytest.importorskip("PIL.Image")
    with image.open(shared_dir / "devset/files/tess-phototest.tif") as im:
        return im.convert("L").tobytes(), *im.size


def test_reads_with_the_models(start, shared_dir):
    need_runtime()
    engine = start(backend="openvino")
    lines = read_page(engine.attach(), *photo(shared_dir), mode=0)
    text = " ".join(text for _, _, text in lines)
    assert "This is a lot of 12 point text" in text
    assert text.count("quick brown dog") >= 3
    assert engine.close() == 0


def trace(start, tmp_path, backend, page):
    if not shutil.which("strace"):
        pytest.skip("strace is not installed")
    log = tmp_path / "trace"
    probe = subprocess.run(["strace", "-o", str(log), "true"], capture_output=True)
    if probe.returncode != 0:
        pytest.skip("strace may not trace here: " + probe.stderr.decode().strip())
    engine = start(backend=backend, before=["strace", "-f", "-qq", "-s", "512", "-e", "trace=network,file", "-o", str(log)])
    client = engine.attach()
    read_page(client, *page)
    client.ref(wire.LAYOUT, 1)
    client.answer(60)
    client.close()
    engine.close()
    return log.read_text().splitlines()


# What may be opened for writing besides the cache: the null device, and the kernel's file to offer ourselves to the OOM killer.
HARMLESS = ("/dev/null", "/proc/self/oom_score_adj")
CHANGES = ("creat", "mkdir", "mkdirat", "rename", "renameat", "renameat2", "unlink", "unlinkat", "rmdir", "link", "linkat",
           "symlink", "symlinkat", "truncate", "mknod", "mknodat", "chmod", "fchmodat", "chown", "fchownat", "utimensat")
CONNECTS = ("socket", "connect", "bind", "listen", "accept", "accept4", "sendto")


@pytest.mark.parametrize("backend", ["fake", "openvino"])
def test_opens_no_socket_and_writes_only_to_its_cache(start, tmp_path, shared_dir, backend):
    if backend == "openvino":
        need_runtime()
    lines = trace(start, tmp_path, backend, photo(shared_dir))
    cache = str(tmp_path / "cache")
    calls = [m for m in (re.match(r"\d+ +(\w+)\((.*)", line) for line in lines) if m]
    assert any(m[1] == "sendmsg" for m in calls), "the trace is empty"
    broken = []
    wrote_cache = False
    for call in calls:
        name, rest = call.groups()
        paths = re.findall(r'"((?:[^"\\]|\\.)*)"', rest)
        inside = bool(paths) and all(p == cache or p.startswith(cache + "/") for p in paths)
        if name in CONNECTS:
            broken.append(call.string)
        writes = name in CHANGES or (name in ("open", "openat") and re.search(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC", rest))
        if writes and not inside and not (paths and paths[0] in HARMLESS):
            # A folder that exists is asked for with mkdir, part by part; nothing changes then.
            if not (name == "mkdir" and "EEXIST" in rest):
                broken.append(call.string)
        wrote_cache = wrote_cache or bool(writes and inside)
    assert not broken, "\n".join(broken)
    assert wrote_cache or backend == "fake", "the compiled models were not kept in the cache folder"


def test_ends_with_its_control_socket_even_when_busy(start):
    engine = start(env={"PLATEN_FAKE_HANG_AT": "2"})
    client = engine.attach()
    client.page(1, bars(), WIDTH, HEIGHT)
    client.read(1)
    engine.stats(lambda s: s[2] > 0)
    began = time.monotonic()
    assert engine.close() == 0
    assert time.monotonic() - began < 5


def test_ends_on_sigterm(start):
    engine = start(env={"PLATEN_FAKE_HANG_AT": "1"})
    client = engine.attach()
    client.page(1, bars(), WIDTH, HEIGHT)
    client.read(1)
    engine.stats(lambda s: s[2] > 0)
    engine.process.send_signal(signal.SIGTERM)
    assert engine.end() == 0


def test_dies_with_its_parent(build_dir, models, tmp_path):
    """The control socket stays open here; only the parent goes."""
    control, theirs = wire.pair()
    parent = subprocess.Popen(
        ["sh", "-c", '"$@" --parent $$ & echo $!; wait', "sh", str(build_dir / "platen-engine"), "--control-fd", "3",
         "--models", str(models), "--cache", str(tmp_path / "cache"), "--backend", "fake"],
        close_fds=False, preexec_fn=lambda: os.dup2(theirs.fileno(), 3), stdout=subprocess.PIPE)
    theirs.close()
    engine = int(parent.stdout.readline())
    assert wire.receive(control)[0] == wire.READY
    pidfd = os.pidfd_open(engine)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    control.settimeout(10)
    while wire.receive(control) is not None:  # reports, then the end
        pass
    os.close(pidfd)
    control.close()


def test_refuses_a_parent_that_is_not_its_own(build_dir, models, tmp_path):
    _, theirs = wire.pair()
    done = subprocess.run(
        [str(build_dir / "platen-engine"), "--control-fd", "3", "--models", str(models), "--parent", "1"],
        close_fds=False, preexec_fn=lambda: os.dup2(theirs.fileno(), 3), capture_output=True, timeout=20)
    assert done.returncode != 0
    assert b"parent" in done.stderr


def test_a_crash_is_a_crash(start):
    engine = start(env={"PLATEN_FAKE_CRASH_AT": "2"})
    client = engine.attach()
    client.page(1, bars(), WIDTH, HEIGHT)
    client.read(1)
    assert client.answer()[0] == wire.REPLY
    assert client.answer() is None
    assert engine.end() == -signal.SIGABRT or "SAN_OPTIONS" in "".join(os.environ)


@pytest.mark.parametrize("args, word", [
    (["--lanes", "0"], "lanes"),
    (["--lanes", "many"], "lanes"),
    (["--backend", "abacus"], "abacus"),
    (["--models", "/nowhere"], "/nowhere"),
    (["--colour"], "colour"),
    (["more"], "options"),
])
def test_bad_arguments_say_why(start, build_dir, models, args, word):
    control, theirs = wire.pair()
    command = [str(build_dir / "platen-engine"), "--control-fd", "3", "--models", str(models), "--parent", str(os.getpid()),
               "--backend", "fake", *args]
    done = subprocess.run(command, close_fds=False, preexec_fn=lambda: os.dup2(theirs.fileno(), 3), capture_output=True,
                          timeout=20)
    assert done.returncode not in (0, -signal.SIGSEGV)
    assert word in done.stderr.decode()
    control.close()
    theirs.close()
