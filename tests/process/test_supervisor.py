"""platend and its children: nothing accepted is lost, nothing is done twice, nothing stays behind. Most tests let a made-up worker
(fake_worker.c) misbehave on request; the last ones go through the real worker and engine."""

import json
import os
import re
import signal
import subprocess
import time

import daemon
import documents
import pytest

CRASH_POINTS = range(1, 17)  # enum failpoint in src/supervisor/store/failpoint.h
CRASH_STATUS = 99
FINAL = ("success", "failure", "skipped", "partial_success")


@pytest.fixture(scope="session")
def fake_worker(build_dir):
    path = build_dir / "tests/unit/supervisor/sched/fake_worker"
    if not path.exists():
        pytest.fail(f"{path} is not built: configure with -Dtests=true")
    return path


@pytest.fixture
def fake_env(fake_worker):
    return dict(os.environ, PLATEN_WORKER_PROGRAM=str(fake_worker), PLATEN_ENGINE_PROGRAM=str(fake_worker))


@pytest.fixture
def start_fake(start_platend, fake_env):
    """start_fake(*flags, **environment): a platend with made-up children and short clocks."""

    def start(*flags, **environment):
        return start_platend("--backend", "fake", "--kill-grace", "0.3", *flags, env=dict(fake_env, **environment))

    return start


def source(text):
    return [("a.pdf", text.encode())]


def ended(d, task_id):
    return d.poll(task_id)["task_status"] in FINAL


def wait_ended(d, ids, seconds):
    assert daemon.wait_until(lambda: all(ended(d, i) for i in ids), seconds), [d.poll(i) for i in ids if not ended(d, i)] + [d.log()]


def echo_of(d, task_id):
    answer = d.request("GET", f"/v1/result/{task_id}")
    assert answer.status == 200, answer.body
    return answer.json()


def files_in(data, folder):
    return sorted(p.name for p in (data / folder).iterdir())


def assert_clean(data, results):
    """The folders hold the results and nothing else. Cleaning follows the news that a task has ended, so it may take a moment."""
    assert daemon.wait_until(lambda: [len(files_in(data, f)) for f in ("scratch", "spool", "results")] == [0, 0, results], 5), [
        files_in(data, f) for f in ("scratch", "spool", "results")]


def child_named(d, text):
    """pid of the child whose command line begins with text, or None."""
    for pid in daemon.descendants_of(d.pid):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                if f.read().startswith(text.encode()):
                    return pid
        except OSError:
            continue
    return None


# ---- a worker that misbehaves fails its own task, in a typed way, and no other ----

@pytest.mark.parametrize("text, status, category", [
    ("crash", 500, "internal"),
    ("abort", 500, "internal"),
    ("exit 3", 500, "internal"),
    ("exit 0", 500, "internal"),
    ("kill", 500, "internal"),
    ("fail 2", 422, "backend_failure"),
    ("fail 3", 413, "policy"),
    ("garbage", 500, "internal"),
    ("badtype", 500, "internal"),
    ("fd", 500, "internal"),
    ("short", 500, "internal"),
    ("twice", 500, "internal"),
    ("hang", 504, "timeout"),
    ("ignore-term", 504, "timeout"),
    ("busy", 504, "timeout"),
])
def test_misbehaviour(start_fake, text, status, category):
    d = start_fake("--no-progress-timeout", "1")
    neighbour = d.submit(source("ok 300"))
    answer = d.convert(source(text))
    assert answer.status == status, answer.body
    assert answer.json()["failure"]["category"] == category
    wait_ended(d, [neighbour], 20)
    assert echo_of(d, neighbour) == {"echo": "ok 300", "attempt": 1}
    assert d.convert(source("ok 0")).status == 200
    assert_clean(d.data, 1)
    assert not d.children()


def test_document_timeout(start_fake):
    d = start_fake()
    answer = d.convert(source("ok 30000"), [("document_timeout", "1")])
    assert answer.status == 504 and b"timeout of 1 s" in answer.body


def test_linger_and_flood(start_fake):
    d = start_fake()
    assert d.convert(source("linger")).json()["echo"] == "linger"  # the result was complete
    assert d.convert(source("flood 5000")).status == 200
    log = d.log_path.read_text()
    assert log.count("of a flood") <= 300
    assert re.search(r"\d+ lines dropped", log)


def test_a_killed_worker_is_tried_again(start_fake):
    d = start_fake()
    task = d.submit(source("ok 1500"))
    assert daemon.wait_until(lambda: child_named(d, "platen-worker"), 10)
    os.kill(child_named(d, "platen-worker"), signal.SIGKILL)
    wait_ended(d, [task], 20)
    assert echo_of(d, task) == {"echo": "ok 1500", "attempt": 2}


# ---- the engine ----

def test_a_killed_engine_costs_no_task(start_fake):
    d = start_fake("--workers", "2")
    tasks = [d.submit(source(f"engine {ms}")) for ms in (1500, 1600)]
    assert daemon.wait_until(lambda: child_named(d, "platen-engine"), 10)
    time.sleep(0.3)  # both have asked it by now; if not, the test is only less hard
    os.kill(child_named(d, "platen-engine"), signal.SIGKILL)
    wait_ended(d, tasks, 30)
    assert [echo_of(d, t)["attempt"] for t in tasks] == [2, 2]


def test_an_engine_that_cannot_start_is_named(start_fake):
    d = start_fake(PLATEN_ENGINE_PROGRAM="/bin/false")
    answer = d.convert(source("engine 0"))
    assert answer.status == 500
    assert b"engine" in answer.body
    assert d.convert(source("ok 0")).status == 200


def test_the_engine_comes_when_asked_and_leaves_when_idle(start_fake):
    d = start_fake("--engine-idle", "0.3")
    assert d.convert(source("ok 0")).status == 200
    assert not d.children()  # nobody asked an engine
    assert d.convert(source("engine 0")).status == 200
    assert daemon.wait_until(lambda: not d.children(), 10)


# ---- the supervisor itself ----

def crash_and_restart(d):
    """kill -9; whatever ran below it must be gone within a second."""
    below = daemon.Snapshot(daemon.descendants_of(d.pid))
    d.process.kill()
    d.process.wait()
    assert below.wait_gone(1) == []


def test_kill_9_loses_nothing(start_fake, tmp_path):
    data = tmp_path / "data"
    first = start_fake("--data", data, "--workers", "3")
    texts = {first.submit(source(f"{mode} {ms}")): f"{mode} {ms}"
             for mode, ms in [("ok", 0), ("ok", 3000), ("engine", 3000), ("ok", 2500)] + [("ok", i) for i in range(8)]}
    time.sleep(0.5)
    crash_and_restart(first)
    second = start_fake("--data", data, "--workers", "3")
    wait_ended(second, texts, 60)
    for task, text in texts.items():
        assert echo_of(second, task)["echo"] == text
    assert_clean(data, len(texts))
    assert "of which" in second.log_path.read_text()


@pytest.mark.parametrize("point", CRASH_POINTS)
def test_crash_point(start_fake, fake_env, tmp_path, point):
    """Ends at a numbered point between two durable steps; what was acknowledged by then must be done by the next platend, once."""
    data = tmp_path / "data"
    flags = ("--data", data, "--result-removal-delay", "0")
    first = start_fake(*flags) if point == 16 else start_fake(*flags, PLATEN_CRASH_AT=str(point))
    accepted = {}
    try:
        for i in range(6):
            text = f"ok {i}" if i else "ok 700"
            accepted[first.submit(source(text))] = text
            if i == 1:
                first.convert(source("crash"))
            if i == 3 and point == 15:
                done = next(t for t, text in accepted.items() if daemon.wait_until(lambda t=t: ended(first, t), 20))
                first.request("GET", f"/v1/result/{done}")
                del accepted[done]  # its result has been fetched: it may go
                first.process.wait(20)
    except (OSError, RuntimeError, daemon.http.client.HTTPException):
        pass  # it has crashed under us
    if point == 16:  # at the start, with tasks running
        crash_and_restart(first)
        broken = subprocess.run([first.process.args[0], "--port", "0", "--data", data],
                                env=dict(fake_env, PLATEN_CRASH_AT="16"), capture_output=True, timeout=60)
        assert broken.returncode == CRASH_STATUS
    else:
        assert first.process.wait(30) == CRASH_STATUS, first.log()
    second = start_fake("--data", data)
    wait_ended(second, accepted, 60)
    for task, text in accepted.items():
        assert echo_of(second, task)["echo"] == text
    assert daemon.wait_until(lambda: not files_in(data, "scratch") and not files_in(data, "spool"), 20)
    results = files_in(data, "results")
    assert len({name.split(".")[0] for name in results}) == len(results)  # one a task
    assert set(accepted) <= {name.split(".")[0] for name in results}


def test_sigterm_finishes_what_runs(start_fake, tmp_path):
    data = tmp_path / "data"
    first = start_fake("--data", data, "--workers", "1")
    running = first.submit(source("ok 1500"))
    waiting = first.submit(source("ok 1"))
    assert daemon.wait_until(lambda: first.poll(running)["task_status"] == "started", 10)
    first.process.send_signal(signal.SIGTERM)
    assert first.process.wait(20) == 0
    second = start_fake("--data", data)
    wait_ended(second, [running, waiting], 20)
    assert echo_of(second, running)["attempt"] == 1  # it was finished by the first
    assert echo_of(second, waiting)["attempt"] == 1


def test_second_sigterm_leaves_at_once(start_fake, tmp_path):
    data = tmp_path / "data"
    first = start_fake("--data", data, "--workers", "1")
    task = first.submit(source("ok 5000"))
    assert daemon.wait_until(lambda: first.poll(task)["task_status"] == "started", 10)
    below = daemon.Snapshot(daemon.descendants_of(first.pid))
    first.process.send_signal(signal.SIGTERM)
    assert daemon.wait_until(lambda: "shutting down" in first.log(), 10)
    first.process.send_signal(signal.SIGTERM)
    assert first.process.wait(3) == 128 + signal.SIGTERM
    assert below.wait_gone(1) == []
    second = start_fake("--data", data)
    wait_ended(second, [task], 20)
    assert echo_of(second, task)["attempt"] == 2


def test_one_platend_a_folder(start_fake, build_dir, fake_env, tmp_path):
    data = tmp_path / "data"
    start_fake("--data", data)
    again = subprocess.run([build_dir / "platend", "--port", "0", "--data", data], env=fake_env, capture_output=True, timeout=60)
    assert again.returncode != 0
    assert b"another platend uses the folder" in again.stderr


def test_answers_while_all_workers_hang(start_fake):
    d = start_fake("--workers", "2")
    tasks = [d.submit(source("hang")) for _ in range(3)]
    assert daemon.wait_until(lambda: d.poll(tasks[1])["task_status"] == "started", 10)
    assert d.poll(tasks[2])["task_position"] == 1
    assert d.request("GET", "/health").status == 200


def test_full_queue(start_fake):
    d = start_fake("--workers", "1", "--queue-max-size", "1")
    first = d.submit(source("hang"))
    assert daemon.wait_until(lambda: d.poll(first)["task_status"] == "started", 10)
    d.submit(source("ok 0"))
    answer = d.convert(source("ok 0"), path="/v1/convert/file/async")
    assert answer.status == 503
    assert 1 <= int(answer.headers["Retry-After"]) <= 300


def test_results_go_after_their_fetch(start_fake):
    d = start_fake("--result-removal-delay", "0.5")
    task = d.submit(source("ok 0"))
    wait_ended(d, [task], 20)
    assert echo_of(d, task)["echo"] == "ok 0"
    assert daemon.wait_until(lambda: not files_in(d.data, "results"), 10)
    assert d.request("GET", f"/v1/status/poll/{task}").status == 404


def test_links_only_what_it_may(build_dir):
    """No parser of documents, no inference library, no CUDA in the process that must survive."""
    allowed = {"libc", "libuv", "libmicrohttpd", "libwslay", "libjansson", "libsqlite3", "libhiredis", "libcrypto", "libm", "libpthread",
               "libasan", "libubsan", "ld-linux-x86-64", "ld-linux-aarch64"}
    out = subprocess.run(["readelf", "-d", build_dir / "platend"], capture_output=True, text=True, check=True).stdout
    needed = set(re.findall(r"\(NEEDED\).*\[(.*?)\.so", out))
    assert needed and needed <= allowed, needed - allowed


# ---- the real worker and engine, with made-up inference ----

def test_an_image_takes_the_whole_way(platend):
    answer = platend.convert([("page.png", documents.png(200, 100))], [("to_formats", "md")], timeout=300)
    assert answer.status == 200, answer.body
    assert answer.json()["status"] == "success", json.dumps(answer.json())[:2000]
    assert_clean(platend.data, 0)
    assert {name for _, name in platend.children()} <= {"platen-engine"}


def test_kill_9_of_the_real_ones(start_platend, tmp_path):
    data = tmp_path / "data"
    first = start_platend("--backend", "fake", "--data", data)
    tasks = [first.submit([(f"{i}.png", documents.png(300, 200))], [("to_formats", "md")]) for i in range(6)]
    time.sleep(0.1)
    crash_and_restart(first)
    second = start_platend("--backend", "fake", "--data", data)
    wait_ended(second, tasks, 120)
    assert [second.poll(t)["task_status"] for t in tasks] == ["success"] * len(tasks)
    assert_clean(data, len(tasks))
