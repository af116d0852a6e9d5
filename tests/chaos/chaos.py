#!/usr/bin/env python3
"""Clients submit documents while supervisor, workers and engines are killed at random and at every numbered crash point. Afterwards
each accepted document must have ended, once, with the right bytes, and nothing may be left behind.

usage: chaos.py [--seed N] [--tasks N] [--kills N] [--minutes M] [BUILD]      (default: $PLATEN_BUILD, else build/)
The seed is printed; with it documents and kills are the same again (the machine's own timing is not). Standard library only.
"""

import argparse
import http.client
import os
import queue
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

sys.dont_write_bytecode = True
ROOT = Path(__file__).resolve().parent.parent.parent
for folder in (ROOT / "tools", Path(__file__).resolve().parent):
    sys.path.insert(0, str(folder))
import daemon  # noqa: E402
import herd as herds  # noqa: E402
import kinds  # noqa: E402
import oracle  # noqa: E402

CLIENTS = 4
WORKERS = 6
OUTSTANDING_MAX = 80
QUIET_EVERY = 12  # kills; then the clocks of hanging workers get time to run out
NO_PROGRESS_SECONDS = 2
STALL_SECONDS = 60
FINAL = (kinds.SUCCESS, kinds.FAILURE)


class Journal:
    """What the clients were told."""

    def __init__(self):
        self.lock = threading.Lock()
        self.accepted = {}  # id -> Item
        self.texts = {}  # id -> which try of sending it (the text follows)
        self.seen = {}  # id -> final state that a client has read
        self.unacknowledged = 0  # calls that broke off: the task may be there or not
        self.problems = []

    def accept(self, task, item, sending):
        with self.lock:
            if task in self.accepted:
                self.problems.append(f"doubled: id {task} was given to two tasks")
            self.accepted[task] = item
            self.texts[task] = sending

    def broken_off(self):
        with self.lock:
            self.unacknowledged += 1

    def problem(self, text):
        with self.lock:
            self.problems.append(text)

    def see(self, task, state):
        if state not in FINAL:
            if task in self.seen:
                self.problem(f"taken back: {task} was {self.seen[task]} and is {state}")
            return False
        with self.lock:
            before = self.seen.setdefault(task, state)
        if before != state:
            self.problem(f"taken back: {task} was {before} and is {state}")
        return True

    def waiting(self):
        with self.lock:
            return [t for t in self.accepted if t not in self.seen]


class Down(Exception):
    """Nobody answered: it has just been killed."""


class Client:
    def __init__(self, herd, journal):
        self.herd, self.journal = herd, journal

    def call(self, method, path, body=None, headers=None, timeout=60):
        connection = http.client.HTTPConnection("127.0.0.1", self.herd.port, timeout=timeout)
        try:
            try:
                connection.connect()
            except OSError as e:
                raise Down(False) from e
            try:
                connection.request(method, path, body, headers or {})
                answer = connection.getresponse()
                return daemon.Answer(answer.status, answer.headers, answer.read())
            except TimeoutError:
                self.journal.problem(f"no answer within {timeout} s: {method} {path}")
                raise Down(True) from None
            except (OSError, http.client.HTTPException) as e:
                raise Down(True) from e
        finally:
            connection.close()

    def send(self, item):
        """One try. True when it has been taken (or, for one in a single call, when its result was right)."""
        sending = item.tries
        item.tries += 1
        text = item.text(sending)
        kind, body = daemon.multipart([(f"{item.number}.pdf", text.encode())])
        sync = item.kind == "sync"
        try:
            answer = self.call("POST", "/v1/convert/file" + ("" if sync else "/async"), body, {"Content-Type": kind})
        except Down as e:
            if e.args[0]:
                self.journal.broken_off()
            return False
        if answer.status == 503:
            return False
        if sync:
            return self.check_sync(item, text, answer)
        if answer.status != 200:
            self.journal.problem(f"document {item.number} ({item.kind}) was refused: {answer.status} {answer.body[:300]!r}")
            return True
        task = answer.json()["task_id"]
        self.journal.accept(task, item, sending)
        if item.kind == "cancel":
            self.cancel(task)
        return True

    def check_sync(self, item, text, answer):
        if answer.status == 200:
            if answer.body not in [kinds.result_bytes(text, n) for n in range(1, 9)]:
                self.journal.problem(f"wrong bytes: document {item.number} in a single call")
        elif answer.status != 500 or b"killed from outside" not in answer.body:  # three of our kills in a row
            self.journal.problem(f"document {item.number} in a single call: {answer.status} {answer.body[:300]!r}")
        return True

    def cancel(self, task):
        try:
            answer = self.call("DELETE", f"/v1/tasks/{task}")
        except Down:
            return
        if answer.status != 200:
            self.journal.problem(f"cancelling {task}: {answer.status} {answer.body[:300]!r}")

    def look(self, task):
        """Reads the state; of a success the result too. True: it has ended, and its result was looked at."""
        try:
            answer = self.call("GET", f"/v1/status/poll/{task}")
            if answer.status != 200:
                self.journal.problem(f"lost: {task} was accepted; asked for its state: {answer.status} {answer.body[:200]!r}")
                self.journal.see(task, kinds.FAILURE)
                return True
            if not self.journal.see(task, answer.json()["task_status"]):
                return False
            if answer.json()["task_status"] == kinds.SUCCESS:
                self.fetch(task)
            return True
        except Down:
            return False

    def fetch(self, task):
        answer = self.call("GET", f"/v1/result/{task}")
        text = self.journal.accepted[task].text(self.journal.texts[task])
        if answer.status != 200:
            self.journal.problem(f"lost: the result of {task}: {answer.status} {answer.body[:200]!r}")
        elif not answer.body.startswith(kinds.result_bytes(text, 1)[:-2]) or answer.json()["echo"] != text:
            self.journal.problem(f"wrong bytes: {task}, {answer.body[:100]!r}")


class Storm:
    """Clients, readers and the killer at work together."""

    def __init__(self, herd, journal, args):
        self.herd, self.journal, self.args = herd, journal, args
        self.client = Client(herd, journal)
        self.rng = random.Random(f"{args.seed}/kills")
        self.todo = queue.SimpleQueue()
        for item in kinds.plan(args.seed, args.tasks, kinds.STORM):
            self.todo.put(item)
        self.extra = 0
        self.sent = 0
        self.kills = Counter()
        self.worker_kills = set()
        self.points = [p for p in herds.POINTS if not args.points or p in args.points]
        self.points_done = []
        self.over = threading.Event()
        self.storm_over = threading.Event()
        self.end = time.monotonic() + args.minutes * 60
        self.alive = (0, time.monotonic())  # progress so far, and when it was last seen

    # ---- clients ----

    def gate(self):
        """Clients and killer keep pace, so that the kills fall into all of the work."""
        killed = sum(self.kills.values())
        if self.args.kills and not self.storm_over.is_set() and self.sent > self.args.tasks * (killed + 2) / (self.args.kills + 1):
            return False
        return len(self.journal.accepted) - len(self.journal.seen) < OUTSTANDING_MAX

    def submit_all(self):
        while time.monotonic() < self.end:
            try:
                item = self.todo.get_nowait()
            except queue.Empty:
                return
            while time.monotonic() < self.end:
                if not self.gate():
                    time.sleep(0.01)
                elif self.client.send(item):
                    break
                else:
                    time.sleep(0.02)
            with self.journal.lock:
                self.sent += 1

    def read_all(self):
        rng = random.Random(f"{self.args.seed}/reader")
        while not self.over.is_set():
            waiting = self.journal.waiting()
            rng.shuffle(waiting)
            for task in waiting[:20]:
                self.client.look(task)
            again = rng.sample(list(self.journal.seen), min(2, len(self.journal.seen)))
            for task in again:  # what has ended stays as it is
                self.client.look(task)
            time.sleep(0.05)

    def watch_progress(self):
        """A service that stands still is a find, not a reason to wait for ever."""
        while not self.over.wait(1):
            progress = self.sent + len(self.journal.seen) + sum(self.kills.values())
            if progress != self.alive[0]:
                self.alive = (progress, time.monotonic())
            elif time.monotonic() - self.alive[1] > STALL_SECONDS * self.args.slowness:
                self.journal.problem(f"stalled: nothing has moved for {STALL_SECONDS} s; {len(self.journal.waiting())} tasks wait, "
                                     f"first {self.journal.waiting()[:3]}\n{self.herd.last_log()}")
                self.end = 0
                self.over.set()

    # ---- the killer ----

    def poke(self, kind):
        """A document more, where the killer needs something to happen."""
        self.extra += 1
        item = kinds.Item(self.args.seed, self.args.tasks + self.extra, kind)
        return self.client.send(item)

    def kill_supervisor(self):
        self.herd.kill()
        self.kills["supervisor"] += 1
        if not self.points:
            self.herd.start()
            return
        point = self.points.pop(0)
        serves = self.herd.start(point)
        end = time.monotonic() + 60
        pokes = 0
        while serves and self.herd.process.poll() is None and time.monotonic() < end:
            self.poke(("ok", "exit", "sync")[pokes % 3])
            pokes += 1
            time.sleep(0.02)
        if self.herd.process.poll() is None:
            self.journal.problem(f"crash point {point} was not reached")
            self.herd.kill()
        elif self.herd.process.wait() != herds.CRASH_STATUS:
            self.journal.problem(f"crash point {point}: ended with status {self.herd.process.returncode}\n{self.herd.last_log()}")
        else:
            self.points_done.append(point)
        self.herd.start()

    def kill_child(self, what):
        end = time.monotonic() + 30
        while time.monotonic() < min(end, self.end):
            pid = self.herd.kill_child("platen-" + what, self.rng)
            if pid:
                self.kills[what] += 1
                if what == "worker":
                    self.worker_kills.add(pid)
                return
            self.poke("ok" if what == "worker" else "engine")
            time.sleep(0.02)
        if time.monotonic() < self.end:
            self.journal.problem(f"there was no {what} to kill for 30 s")

    def kill_all(self):
        count = self.args.kills
        victims = self.rng.choices(("supervisor", "worker", "engine"), (4, 4, 2), k=count)
        for i in range(min(len(self.points), count)):  # each crash point needs a start
            victims[i * count // len(self.points)] = "supervisor"
        for i, victim in enumerate(victims):
            while self.sent < self.args.tasks * i / (count + 1) and not self.todo.empty() and time.monotonic() < self.end:
                time.sleep(0.01)
            if time.monotonic() >= self.end:
                return
            time.sleep(self.rng.random() * 0.15)
            if i % QUIET_EVERY == QUIET_EVERY - 1:
                time.sleep((NO_PROGRESS_SECONDS + 1) * self.args.slowness)
            if victim == "supervisor":
                self.kill_supervisor()
            else:
                self.kill_child(victim)
            for name in self.herd.survivors(5):
                self.journal.problem(f"outlived its killed supervisor by 5 s: {name}")

    def guarded(self, function):
        try:
            function()
        except Exception as e:  # a thread's end must not pass for its success
            self.journal.problem(f"{function.__name__}: {type(e).__name__}: {e}")

    def thread(self, function):
        return threading.Thread(target=self.guarded, args=[function], daemon=True)

    def run(self):
        clients = [self.thread(self.submit_all) for _ in range(CLIENTS)]
        readers = [self.thread(self.read_all), self.thread(self.watch_progress)]
        for thread in clients + readers:
            thread.start()
        self.guarded(self.kill_all)
        self.storm_over.set()
        for thread in clients:
            thread.join()
        settled = daemon.wait_until(lambda: not self.journal.waiting() or self.over.is_set(), 120 * self.args.slowness, 0.1)
        self.over.set()
        for thread in readers:
            thread.join()
        left = self.journal.waiting()
        if not settled:
            self.journal.problem(f"not ended 120 s after the last kill: {len(left)} tasks, first {left[:3]}\n{self.herd.last_log()}")


def run_calm(herd, journal, args):
    """Bad documents among as many good ones, nothing killed: exact counts, nobody else is hurt, and it is as before afterwards.
    Returns {task: Item}."""
    rounds = max(1, args.tasks // 500)
    bad = [kind for kind in kinds.CALM for _ in range(rounds)]
    order = bad + ["ok"] * len(bad) + ["escape"] * args.escape
    random.Random(f"{args.seed}/calm").shuffle(order)
    client = Client(herd, journal)
    first = args.tasks + 1000000
    before = set(journal.accepted)
    for i, kind in enumerate(order + ["enginekill"] * rounds):
        if not client.send(kinds.Item(args.seed, first + i, kind)):
            journal.problem(f"document {first + i} ({kind}) was not taken while nothing was killed")
    if not daemon.wait_until(lambda: not [t for t in journal.waiting() if not client.look(t)], 120 * args.slowness, 0.1):
        journal.problem(f"not ended after 120 s while nothing was killed: {journal.waiting()[:3]}\n{herd.last_log()}")
    calm = {t: item for t, item in journal.accepted.items() if t not in before}
    for _ in range(10):
        item = kinds.Item(args.seed, first + len(order) + 1000 + _, "sync")
        if not client.send(item):
            journal.problem("a clean document after the bad ones was not taken")
    return calm


def check_calm(journal, calm, rows):
    """Exact: each kind's own outcome, at the first attempt (those that are tried again excepted)."""
    for task, item in calm.items():
        row, kind = rows.get(task), kinds.KINDS[item.kind]
        if row and not kind.blames and (row.attempt, row.blamed, row.interrupted) != (1, 0, 0):
            journal.problem(f"collateral: document {item.number} ({item.kind}) was disturbed while nothing was killed: {row}")


def check_idle(herd, journal, fds_before):
    """Without work there are no children, no files of running tasks, and no more descriptors than before."""
    if not daemon.wait_until(lambda: not herd.strays(), 20, 0.1):
        journal.problem(f"leaked: processes while idle: {herd.strays()}")
    for folder in ("spool", "scratch"):
        if not daemon.wait_until(lambda: not os.listdir(herd.data / folder), 10, 0.1):  # noqa: B023  # used at once
            journal.problem(f"leaked: while idle in {folder}: {sorted(os.listdir(herd.data / folder))[:5]}")
    if fds_before is not None and not daemon.wait_until(lambda: herd.count_fds() <= fds_before, 10, 0.1):
        journal.problem(f"leaked: {herd.count_fds()} descriptors while idle, {fds_before} before")


def run(args):
    """Returns (problems, summary)."""
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="platen-chaos-"))
    worker = args.build / "tests/unit/supervisor/sched/fake_worker"
    env = dict(os.environ, PLATEN_WORKER_PROGRAM=str(worker), PLATEN_ENGINE_PROGRAM=str(worker))
    if args.real_engine or "--isolated" in args.flags:  # the made-up one is no zygote
        del env["PLATEN_ENGINE_PROGRAM"]
    flags = ["--backend", "fake", "--workers", WORKERS, "--kill-grace", 0.3, "--no-progress-timeout", NO_PROGRESS_SECONDS * args.slowness,
             "--queue-max-size", 100000, "--log-level", "debug", "--result-removal-delay", 86400, "--engine-idle", 1,
             "--free-space-floor", "64M", *args.flags]
    herd = herds.Herd(args.build, folder / "run", flags, env)
    journal = Journal()
    problems = journal.problems
    try:
        herd.start()
        storm = Storm(herd, journal, args)
        storm.run()
        check_idle(herd, journal, None)
        fds = herd.count_fds()
        calm = run_calm(herd, journal, args)
        check_idle(herd, journal, fds)
        if herd.stop() != 0:
            journal.problem(f"SIGTERM: ended with status {herd.process.returncode}\n{herd.last_log()}")
        suicides = sum(item.kind == "enginekill" for item in journal.accepted.values())  # each takes its engine along, up to three times
        found, rows = oracle.check(herd, journal, storm.kills["engine"] + kinds.BLAMED_MAX * suicides, storm.worker_kills)
        problems += found
        check_calm(journal, calm, rows)
        states = Counter(rows[t].state for t in journal.accepted if t in rows)
        summary = {
            "seed": args.seed, "accepted": len(journal.accepted), **{s: states[s] for s in kinds.ROW_STATES.values()},
            "kills": dict(storm.kills), "points": len(storm.points_done), "restarts": len(herd.pids) - 1,
            "attempts": sum(r.attempt for r in rows.values()), "broken_off": journal.unacknowledged,
            "lost": sum(p.startswith("lost") for p in problems), "doubled": sum(p.startswith("doubled") for p in problems),
            "wrong": sum(p.startswith("wrong") for p in problems), "leaked": sum(p.startswith("leaked") for p in problems),
            "problems": len(problems), "seconds": round(time.monotonic() - began, 1)}
        return problems, summary
    finally:
        if args.keep:
            print(f"kept: {folder}", file=sys.stderr)
            if herd.process and herd.process.poll() is None:
                herd.process.kill()
                herd.process.wait()
        else:
            herd.remove()
            os.rmdir(folder)


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", nargs="?", type=Path, default=Path(os.environ.get("PLATEN_BUILD") or ROOT / "build"))
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--tasks", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--minutes", type=float, default=60, help="no new work and no kills after so long")
    parser.add_argument("--points", type=lambda s: [int(n) for n in s.split(",")], help="only these crash points, as 1,2,3")
    parser.add_argument("--escape", type=int, default=2, help="documents whose worker leaves processes behind outside its group")
    parser.add_argument("--flags", type=str.split, default=[], help="more flags for platend, as one word: --flags='--isolated'")
    parser.add_argument("--real-engine", action="store_true", help="platen-engine (with its fake backend), not a made-up one")
    parser.add_argument("--slowness", type=float, default=5 if os.environ.get("PLATEN_SANITIZED") else 1)
    parser.add_argument("--keep", action="store_true", help="keep the data folder and the logs")
    args = parser.parse_args(arguments)
    args.build = args.build.resolve()
    return args


def main():
    args = parse(None)
    for program in ("platend", "tests/unit/supervisor/sched/fake_worker"):
        if not (args.build / program).exists():
            sys.exit(f"{args.build}/{program} is not there: configure with -Dtests=true and build")
    print(f"seed {args.seed}", flush=True)
    with daemon.catch_signals():
        problems, summary = run(args)
    for text in problems[:50]:
        print("PROBLEM:", text)
    print("chaos:", " ".join(f"{key}={value}" for key, value in summary.items()))
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
