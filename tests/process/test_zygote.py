"""The zygote: forked engines answer as a fresh one does, die when they must, and cost the zygote nothing. Forking behind an inference
runtime is no documented promise, so this tries it hundreds of times with the real one."""

import os
import random
import shutil
import signal
import time
from pathlib import Path

import pytest
from conftest import ROOT

import daemon
import engine_wire as wire
from test_engine import HEIGHT, WIDTH, bars, models, need_runtime, read_page  # noqa: F401 (models is a fixture)

FORKS = int(os.environ.get("PLATEN_FORKS", "60"))  # a soundness run by hand takes 300 and more
KILLS = 60


def page_of_text():
    """(grey pixels, width, height) of a page with printed lines."""
    from PIL import Image

    page = Image.open(ROOT / "tests/golden/vision/page.png").convert("L")
    page.thumbnail((700, 700))
    return page.tobytes(), page.width, page.height


@pytest.fixture(scope="session")
def compiled(tmp_path_factory):
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture
def start(build_dir, models, compiled):  # noqa: F811
    zygotes = []

    def run(**options):
        zygotes.append(wire.Zygote(build_dir / "platen-engine", models, compiled, **options))
        return zygotes[-1]

    yield run
    for zygote in zygotes:
        if zygote.process.poll() is None:
            zygote.process.kill()
            zygote.process.wait()
        zygote.control.close()


def rss_kib(pid, field="Rss:"):
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1])
    raise AssertionError(field)


def open_files(pid):
    return sorted(os.readlink(f"/proc/{pid}/fd/{fd}").split(":")[0] for fd in os.listdir(f"/proc/{pid}/fd"))


def wait_loaded(zygote):
    """The loading is over when the zygote has stopped working."""
    def cpu():
        return Path(f"/proc/{zygote.process.pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
    last = None
    while (now := cpu()) != last:
        last = now
        time.sleep(0.3)


def group_of(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[2])


# ---- what a child is ----

def test_a_child_is_an_ordinary_engine(start):
    zygote = start()
    child = zygote.fork()
    client = child.attach()
    assert [text[:4] for _, _, text in read_page(client, bars(), WIDTH, HEIGHT)] == ["line"] * 3
    kinds = []
    while wire.STATS not in kinds or wire.FIRST not in kinds:
        frame = wire.receive(child.control)
        kinds.append(frame[0])
        if frame[0] == wire.FIRST:
            assert frame[2] == 1 and 0 <= time.monotonic() - int.from_bytes(frame[3], "little") / 1e6 < 60
    assert kinds[0] == wire.READY and kinds.count(wire.FIRST) == 1
    assert group_of(child.pid) == child.pid
    assert child.start == daemon.start_time_of(child.pid)
    assert child.close() == 0
    assert zygote.close() == 0


def test_a_child_inherits_nothing_of_its_siblings(start):
    zygote = start()
    wait_loaded(zygote)
    children = [zygote.fork() for _ in range(4)]
    for child in children:
        wire.receive(child.control)  # READY: it has settled
    expected = open_files(children[0].pid)
    assert expected.count("socket") == 1, expected
    assert all(open_files(child.pid) == expected for child in children)
    before = open_files(zygote.process.pid)
    for child in children:
        assert child.close() == 0
    assert open_files(zygote.process.pid) == before


def test_a_child_joins_the_group(start):
    zygote = start()
    leader = os.fork()
    if leader == 0:
        os.setpgid(0, 0)
        signal.pause()
        os._exit(0)
    try:
        os.setpgid(leader, leader)
        child = zygote.fork(group=leader)
        assert group_of(child.pid) == leader
        os.killpg(leader, signal.SIGKILL)
        assert child.wait_gone() == -signal.SIGKILL
    finally:
        os.kill(leader, signal.SIGKILL)
        os.waitpid(leader, 0)


def test_a_group_that_has_gone_gets_no_child(start):
    zygote = start()
    leader = os.fork()
    if leader == 0:
        os._exit(0)
    os.waitpid(leader, 0)
    child = zygote.ask(group=leader)
    assert child.wait_gone() not in (0, None)
    assert zygote.fork().close() == 0


def test_lifelines(start):
    zygote = start()
    first, second, third = (zygote.fork() for _ in range(3))
    os.kill(first.pid, signal.SIGKILL)
    assert first.wait_gone() == -signal.SIGKILL
    assert second.close() == 0  # the end of its own socket
    zygote.process.kill()  # and the zygote's death
    assert daemon.Snapshot([third.pid]).wait_gone(1) == []


def test_the_end_of_the_supervisor_ends_all(start):
    zygote = start()
    child = zygote.fork()
    there = daemon.Snapshot([child.pid])
    child.control.close()
    zygote.control.close()
    assert zygote.end() == 0
    assert there.wait_gone(1) == []


def test_too_many_children_are_refused(start):
    zygote = start()
    children = [zygote.fork() for _ in range(256)]
    assert zygote.fork().gone == "refused"
    assert children.pop().close() == 0
    assert zygote.fork().pid is not None


def test_a_message_of_another_kind_ends_it(start):
    zygote = start()
    wire.send(zygote.control, wire.ATTACH, 1)
    assert zygote.end() not in (0, None)


# ---- is forking sound? ----

def answers_of(control_side, page, size, boxes=()):
    client = control_side.attach()
    lines = read_page(client, page, *size)
    client.ref(wire.LAYOUT, 1)
    kind, _, layout = client.answer(60)
    assert kind == wire.REPLY
    client.ref(wire.ORIENT, 1)
    kind, _, orientation = client.answer(60)
    assert kind == wire.REPLY
    client.close()
    return [(tuple(round(v, 2) for v in quad), round(score, 4), text) for quad, score, text in lines], layout, orientation


@pytest.fixture(scope="session")
def expected(build_dir, models, compiled):  # noqa: F811
    """What a fresh engine says of the page, with one lane as with two."""
    need_runtime()
    page, *size = page_of_text()
    engine = wire.Engine(build_dir / "platen-engine", models, compiled, lanes=2, backend="openvino")
    try:
        return answers_of(engine, page, size)
    finally:
        engine.close()


def test_300_forks_say_what_a_fresh_engine_says(start, expected):
    page, *size = page_of_text()
    zygote = start(backend="openvino", lanes=2, preload="orientation,det_tiny,rec_tiny,rec_small,layout")
    wait_loaded(zygote)
    assert zygote.fork().close() == 0
    before, files = rss_kib(zygote.process.pid), open_files(zygote.process.pid)
    assert len(expected[0]) > 3
    for i in range(FORKS):
        child = zygote.fork(lanes=1 + (i + i // 6) % 2)
        if i % 6 == 0:  # the whole of it
            assert answers_of(child, page, size) == expected, f"fork {i}"
        else:  # a strip, with the same models
            client = child.attach()
            assert read_page(client, page[:size[0] * (size[1] // 4)], size[0], size[1] // 4)
        assert child.close() == 0
    assert open_files(zygote.process.pid) == files
    assert rss_kib(zygote.process.pid) - before < 1024
    assert zygote.close() == 0


def test_several_children_at_once(start, expected):
    page, *size = page_of_text()
    zygote = start(backend="openvino", lanes=2, preload="det_tiny,rec_tiny")
    for _ in range(3):  # the first before all is loaded: such a child loads the rest itself
        children = [zygote.fork(lanes=2) for _ in range(4)]
        clients = [child.attach() for child in children]
        for client in clients:
            client.page(1, page, *size)
            client.read(1)
        for client in clients:
            assert client.answer(60)[0] == wire.REPLY
            lines = wire.lines_of(client.answer(60)[2])
            assert [text for _, _, text in lines] == [text for _, _, text in expected[0]]
        for child in children:
            assert child.close() == 0


def test_children_killed_in_the_middle(start, expected):
    page, *size = page_of_text()
    chance = random.Random(4)
    zygote = start(backend="openvino", lanes=2, preload="det_tiny,rec_tiny")
    wait_loaded(zygote)
    before, files = rss_kib(zygote.process.pid), open_files(zygote.process.pid)
    for _ in range(KILLS):
        child = zygote.fork(lanes=2)
        client = child.attach()
        client.page(1, page, *size)
        client.read(1)
        time.sleep(chance.random() * 0.12)
        os.kill(child.pid, signal.SIGKILL)
        assert child.wait_gone() == -signal.SIGKILL
        client.close()
    assert answers_of(zygote.fork(lanes=2), page, size) == expected
    assert open_files(zygote.process.pid) == files
    assert rss_kib(zygote.process.pid) - before < 1024


def test_a_cold_zygote_forks_before_all_is_loaded(start, expected, tmp_path):
    page, *size = page_of_text()
    zygote = start(backend="openvino", lanes=2, preload="orientation,det_tiny,rec_tiny,rec_small,layout,table")
    assert answers_of(zygote.fork(lanes=2), page, size) == expected
    wait_loaded(zygote)
    assert answers_of(zygote.fork(lanes=2), page, size) == expected
