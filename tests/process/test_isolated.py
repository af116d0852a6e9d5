"""The isolated orchestrator (--isolated, DOCLING_SERVE_FREE_VRAM_ON_IDLE): a task has a worker and an engine of its own, and both are
gone with it, whatever happens. The engine is the real program with the made-up backend; the worker is mostly fake_worker.c."""

import os
import re
import signal
import time
from pathlib import Path

import daemon
import pytest
from test_supervisor import assert_clean, echo_of, fake_worker, source, wait_ended  # noqa: F401 (fake_worker is a fixture)
from test_zygote import group_of

GRACE = 0.5


@pytest.fixture
def start(start_platend, fake_worker):  # noqa: F811
    def run(*flags, workers=3, worker=fake_worker, **environment):
        env = dict(os.environ, **environment)
        if worker:
            env["PLATEN_WORKER_PROGRAM"] = str(worker)
        return start_platend("--isolated", "--backend", "fake", "--kill-grace", GRACE, "--workers", workers, "--log-level", "debug",
                             *flags, env=env)

    return run


def log_of(d):
    return d.log_path.read_text()


def zygote_of(d):
    found = [pid for pid in daemon.children_of(d.pid) if "--zygote" in Path(f"/proc/{pid}/cmdline").read_text()]
    assert len(found) <= 1, found
    return found[0] if found else None


def engines_of(d):
    zygote = zygote_of(d)
    return daemon.children_of(zygote) if zygote else []


def workers_of(d):
    zygote = zygote_of(d)
    return [pid for pid in daemon.children_of(d.pid) if pid != zygote and daemon.start_time_of(pid)]


def wait_engines(d, count):
    assert daemon.wait_until(lambda: len(engines_of(d)) == count, 20), log_of(d)
    return engines_of(d)


def wait_log(d, pattern, seconds=10):
    assert daemon.wait_until(lambda: re.search(pattern, log_of(d)), seconds), log_of(d)
    return re.search(pattern, log_of(d))


def released(d, task):
    return wait_log(d, rf"Task {task} released: group (\d+) is empty, rss_before_kb=(\d+) rss_after_kb=(\d+) release_ms=([\d.]+)")


def test_each_task_has_a_group_of_its_own(start):
    d = start()
    tasks = [d.submit(source(f"engine {ms}")) for ms in (1500, 1600)]
    engines = wait_engines(d, 2)
    workers = workers_of(d)
    assert sorted(group_of(pid) for pid in engines) == sorted(workers)
    assert {group_of(pid) for pid in workers} == set(workers)
    assert group_of(zygote_of(d)) == zygote_of(d)
    there = daemon.Snapshot(engines + workers)
    wait_ended(d, tasks, 20)
    assert there.wait_gone(1) == []
    for task in tasks:
        group, before, after, _ = released(d, task).groups()
        assert int(group) in workers and int(before) > 1000 and int(after) == 0
        with pytest.raises(ProcessLookupError):
            os.killpg(int(group), 0)
    assert_clean(d.data, 2)


def test_the_lines_that_operators_look_for(start):
    d = start()
    good = d.submit(source("engine 0"))
    bad = d.submit(source("fail 2"))
    slow = d.submit(source("hang"), [("document_timeout", "1")])
    wait_ended(d, [good, bad, slow], 20)
    lines = log_of(d).splitlines()
    assert "INFO: Using WorkerOrchestrator for complete VRAM isolation" in lines
    assert f"INFO: Task {good} queued for worker processing" in lines
    assert f"INFO: Task {good} completed with status: success" in lines
    assert any(line.startswith(f"INFO: Task {bad} completed with status: failure") for line in lines)
    assert any(line.startswith(f"INFO: Task {slow} completed with status: timeout") for line in lines)
    released(d, good)
    wait_log(d, rf"(?m)^DEBUG: Task {good} completed - WorkerOrchestrator handles VRAM cleanup automatically$")


def test_a_document_without_pictures_wakes_no_engine(start):
    d = start()
    assert d.convert(source("ok 0")).status == 200
    assert zygote_of(d) is None


def test_the_zygote_leaves_when_idle(start):
    d = start("--engine-idle", "0.5")
    assert d.convert(source("engine 0")).status == 200
    zygote = zygote_of(d)
    assert zygote
    assert daemon.Snapshot([zygote]).wait_gone(5) == []
    assert not d.children()
    assert d.convert(source("engine 0")).status == 200  # and comes again


def test_the_zygote_stays_while_a_task_runs(start):
    d = start("--engine-idle", "0.2")
    assert d.convert(source("engine 1000")).status == 200
    assert "before it was ready" not in log_of(d) and "attempt=2" not in log_of(d)


# ---- kill -9 ----

def test_a_killed_engine_costs_only_an_attempt(start):
    d = start()
    hit = d.submit(source("engine 2000"))
    victim = wait_engines(d, 1)[0]
    spared = d.submit(source("engine 1500"))
    wait_engines(d, 2)
    os.kill(victim, signal.SIGKILL)
    wait_ended(d, [hit, spared], 30)
    assert [echo_of(d, t)["attempt"] for t in (hit, spared)] == [2, 1]


def test_a_killed_worker_takes_its_engine_along(start):
    d = start()
    hit = d.submit(source("engine 2000"))
    engine = wait_engines(d, 1)[0]
    there = daemon.Snapshot([engine])
    os.kill(group_of(engine), signal.SIGKILL)  # the worker leads the group
    assert there.wait_gone(1) == []
    wait_ended(d, [hit], 30)
    assert echo_of(d, hit)["attempt"] == 2


def test_a_killed_zygote_costs_only_attempts(start):
    d = start()
    tasks = [d.submit(source(f"engine {ms}")) for ms in (2000, 2100)]
    there = daemon.Snapshot(wait_engines(d, 2))
    os.kill(zygote_of(d), signal.SIGKILL)
    assert there.wait_gone(1) == []  # they die with it
    wait_ended(d, tasks, 30)
    assert [echo_of(d, t)["attempt"] for t in tasks] == [2, 2]
    assert_clean(d.data, 2)


def test_a_zygote_that_cannot_start_is_named(start):
    d = start(PLATEN_ENGINE_PROGRAM="/bin/false")
    answer = d.convert(source("engine 0"))
    assert answer.status == 500 and b"zygote" in answer.body
    assert d.convert(source("ok 0")).status == 200


def test_a_killed_supervisor_leaves_nothing(start):
    d = start()
    for _ in range(2):
        d.submit(source("engine 20000"))
    wait_engines(d, 2)
    below = daemon.Snapshot(daemon.descendants_of(d.pid))
    d.process.kill()
    d.process.wait()
    assert below.wait_gone(1) == []


# ---- deadlines ----

@pytest.mark.parametrize("text", ["engine 60000", "hang", "ignore-term", "busy"])
def test_a_deadline_ends_all_of_the_task(start, text):
    d = start()
    began = time.monotonic()
    task = d.submit(source(text), [("document_timeout", "1")])
    assert daemon.wait_until(lambda: workers_of(d), 10)
    group = workers_of(d)[0]
    wait_ended(d, [task], 20)
    assert time.monotonic() - began < 1 + GRACE + 1 + 0.5  # the tick, and a machine that is busy
    released(d, task)
    with pytest.raises(ProcessLookupError):
        os.killpg(group, 0)
    assert f"Task {task} completed with status: timeout" in log_of(d)


def test_the_slot_comes_back(start):
    d = start(workers=1)
    tasks = [d.submit(source("engine 50")) for _ in range(20)]
    wait_ended(d, tasks, 60)
    assert [echo_of(d, t)["attempt"] for t in tasks] == [1] * 20
    assert daemon.wait_until(lambda: log_of(d).count(" released: group ") == 20, 10)
    assert not workers_of(d) and not engines_of(d)


# ---- the proof ----

def test_who_leaves_the_group_is_found(start):
    d = start()
    task = d.submit(source("escape 3"))
    wait_ended(d, [task], 20)
    released(d, task)
    assert daemon.wait_until(lambda: not d.children(), 1), d.children()


def test_no_proof_no_slot(start):
    """A zygote that stands still does not reap its child: the corpse stays in the group, until the alarm ends that zygote."""
    d = start(workers=1)
    first = d.submit(source("engine 700"))
    wait_engines(d, 1)
    zygote = zygote_of(d)
    os.kill(zygote, signal.SIGSTOP)
    second = d.submit(source("ok 0"))
    wait_ended(d, [first], 20)
    wait_log(d, rf"(?m)^ERROR: Task {first} is not released after 2000 ms: its process group \d+ still has members", 10)
    wait_log(d, rf"(?m)^ERROR: zygote pid={zygote} does not reap its children: killed")
    wait_ended(d, [second], 10)
    log = log_of(d)
    assert float(released(d, first).group(4)) > 2000
    assert log.index(f"{first} is not released") < log.index(f"Task {first} released") < log.index(f"worker {second} attempt=1")
    assert d.convert(source("engine 0")).status == 200


# ---- preflight ----

def test_without_a_scratch_folder_the_pooled_engine_serves(start, tmp_path):
    no_folder = tmp_path / "scratch"
    no_folder.write_text("a file")
    d = start("--scratch", no_folder)
    assert d.convert(source("engine 0")).status == 200
    log = log_of(d)
    assert log.count("ERROR: WorkerOrchestrator cannot work") == 1 and str(no_folder) in log
    assert "Using WorkerOrchestrator" not in log and "--zygote" not in log
    assert zygote_of(d) is None and d.children()


def test_real_documents_in_both_ways_are_the_same(start_platend, build_dir):
    from conftest import ROOT
    from test_engine import need_runtime
    need_runtime()
    document = [("scan.pdf", (ROOT / "examples/scan.pdf").read_bytes())]

    def text(*flags):
        d = start_platend(*flags)
        answer = d.convert(document, [("to_formats", "md")])
        assert answer.status == 200, answer.body
        return answer.json()["document"]["md_content"]

    pooled = text()
    assert len(pooled) > 500
    assert text("--isolated") == pooled
