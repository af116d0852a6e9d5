"""The chaos driver in the size of a check, and the same with the real worker and engine. A failure names its seed."""

import os
import random
import signal
import sqlite3
import time

import chaos
import daemon
import documents
import herd as herds
import kinds
import oracle
import pytest

SEED = 20240229
PAGES = 40  # of a real document: work enough to be killed in


@pytest.fixture
def small():
    """A tenth of everything under the sanitizers."""
    return 10 if os.environ.get("PLATEN_SANITIZED") else 1


def test_nothing_is_lost_doubled_or_left_behind(build_dir, small):
    """1,000 documents, 60 kills of supervisor, workers and engines, every crash point once; then each bad kind among good ones."""
    args = chaos.parse([str(build_dir), "--seed", str(SEED), "--tasks", str(1000 // small), "--kills", str(max(60 // small, 18)),
                        "--minutes", "3" if small == 1 else "4"])
    problems, summary = chaos.run(args)
    print(summary)
    assert not problems, "\n".join(problems)
    assert summary["points"] == len(herds.POINTS), summary
    assert sum(summary["kills"].values()) >= args.kills, summary


# ---- the oracle itself must be able to find fault ----

class Told:
    """A journal of one accepted task."""

    def __init__(self, task, kind="ok", state=kinds.SUCCESS):
        self.accepted = {task: kinds.Item(1, 0, kind)}
        self.seen = {task: state} if state else {}
        self.unacknowledged = 0


def one_task(build_dir, folder):
    """A data folder in which one task has succeeded, with a herd around it whose platend has ended."""
    herd = herds.Herd(build_dir, folder, ["--backend", "fake", "--log-level", "debug"],
                      dict(os.environ, PLATEN_WORKER_PROGRAM=str(build_dir / "tests/unit/supervisor/sched/fake_worker")))
    herd.start()
    try:
        journal = chaos.Journal()
        client = chaos.Client(herd, journal)
        assert client.send(kinds.Item(1, 0, "ok"))
        task = next(iter(journal.accepted))
        assert daemon.wait_until(lambda: client.look(task), 30)
        assert not journal.problems
        assert herd.stop() == 0
    except BaseException:
        herd.remove()
        raise
    return herd, task


def change(herd, sql):
    db = sqlite3.connect(herd.data / "store.db")
    db.execute(sql)
    db.commit()
    db.close()


def append(path):
    with open(path, "ab") as f:
        f.write(b"x")


@pytest.mark.parametrize("spoil, word", [
    (lambda h, t: None, None),
    (lambda h, t: change(h, "DELETE FROM task"), "lost"),
    (lambda h, t: (h.data / "results" / f"{t}.1").unlink(), "lost"),
    (lambda h, t: append(h.data / "results" / f"{t}.1"), "wrong length"),
    (lambda h, t: (h.data / "results" / f"{t}.2").touch(), "leaked"),
    (lambda h, t: (h.data / "spool" / f"{t}.0").touch(), "leaked"),
    (lambda h, t: (h.data / "scratch" / f"task_{t}_input.json").touch(), "leaked"),
    (lambda h, t: change(h, "UPDATE task SET state=4, error_kind='crash'"), "wrong outcome"),
    (lambda h, t: change(h, "UPDATE task SET state=2"), "not ended"),
    (lambda h, t: change(h, "UPDATE task SET attempt=2"), "do not add up"),
    (lambda h, t: append_log(h, f"DEBUG: worker {t} attempt=1 pid=1 started"), "doubled"),
    (lambda h, t: append_log(h, f"INFO: Task {t} completed with status: success"), "doubled"),
])
def test_the_oracle_finds_fault(build_dir, tmp_path, spoil, word):
    herd, task = one_task(build_dir, tmp_path / "run")
    try:
        spoil(herd, task)
        problems, _ = oracle.check(herd, Told(task), 0, set())
        assert any(word in p for p in problems) if word else problems == []
    finally:
        herd.remove()


def append_log(herd, line):
    with open(herd.logs / "00000", "a") as f:
        f.write(line + "\n")


# ---- the real worker and engine, with made-up inference ----

def child_pids(d, name):
    return [pid for pid, found in d.children() if found == name]


def submit_real(d, number):
    """(task, the text of each of its pages or None)"""
    if number % 2:
        return d.submit([(f"{number}.png", documents.white_png(1200, 1600))], [("to_formats", "md")]), None
    word = f"document number {number * 7919}"
    return d.submit([(f"{number}.pdf", documents.pdf([word] * PAGES))], [("to_formats", "md")]), word


@pytest.mark.parametrize("victim", ["platen-worker", "platen-engine"])
def test_real_children_killed_at_work(start_platend, small, slowness, victim):
    """Every document ends, and those whose children were not killed three times succeed with their own text."""
    d = start_platend("--backend", "fake", "--kill-grace", "0.5", "--workers", "2", "--log-level", "debug")
    rng = random.Random(f"{SEED}/{victim}")
    tasks, unfinished, kills = {}, set(), 0
    count, wanted = max(24 // small, 6), max(12 // small, 2)
    end = time.monotonic() + 120 * slowness
    while time.monotonic() < end and (kills < wanted or len(tasks) < count or unfinished):
        if len(unfinished) < 4 and (kills < wanted or len(tasks) < count):
            task, word = submit_real(d, len(tasks))
            tasks[task] = word
            unfinished.add(task)
        time.sleep(rng.random() * 0.05)
        pids = child_pids(d, victim)
        if pids and kills < wanted:
            try:
                os.kill(rng.choice(pids), signal.SIGKILL)
                kills += 1
            except ProcessLookupError:
                pass
            time.sleep(0.1)
        unfinished = {t for t in unfinished if d.poll(t)["task_status"] in ("pending", "started")}
    assert not unfinished, d.log()
    print(kills, "kills;", d.log_path.read_text().count("queued again"), "tasks queued again")
    assert kills == wanted
    for task, word in tasks.items():
        status = d.poll(task)
        answer = d.request("GET", f"/v1/result/{task}")
        if status["task_status"] == "success":
            assert answer.status == 200
            if word:
                assert answer.json()["document"]["md_content"].count(word) == PAGES
        else:  # three of our kills in a row
            assert status["failure"]["details"]["error"] == "crash", status
            assert d.log_path.read_text().count(f"Task {task} queued again") == kinds.BLAMED_MAX - 1, status
    assert d.convert([("after.pdf", documents.pdf(["all is well"]))], [("to_formats", "md")]).status == 200
    for folder in ("spool", "scratch"):
        assert daemon.wait_until(lambda: not os.listdir(d.data / folder), 10), os.listdir(d.data / folder)  # noqa: B023
