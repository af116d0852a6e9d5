"""What must hold when all is over. The client's journal of accepted ids is the truth; the store, the folders, the logs and the process
table have to agree with it."""

import re
import sqlite3

import herd as herds
from kinds import BLAMED_MAX, CANCELLED, FAILURE, KINDS, ROW_STATES, SUCCESS

REPORT = re.compile(r"AddressSanitizer|LeakSanitizer|runtime error:|Assertion")
CHILD_LINE = re.compile(r"\w+: (worker [0-9a-f-]{36}|engine): ")  # children crash on request; the supervisor's own word counts
COLUMNS = "id, state, attempt, blamed, interrupted, ephemeral, error_kind, result_bytes"


class Row:
    def __init__(self, values):
        self.id, state, self.attempt, self.blamed, self.interrupted, self.ephemeral, self.error, self.bytes = values
        self.state = ROW_STATES.get(state, f"state {state}")

    def __str__(self):
        return (f"{self.id} ({self.state}, {self.error}, attempt {self.attempt}, blamed {self.blamed}, "
                f"interrupted {self.interrupted})")


def read_rows(data):
    """Only once platend has ended: it holds the file for itself."""
    db = sqlite3.connect(data / "store.db")
    try:
        integrity = db.execute("PRAGMA integrity_check").fetchone()[0]
        return integrity, {values[0]: Row(values) for values in db.execute(f"SELECT {COLUMNS} FROM task")}
    finally:
        db.close()


def excused(kind, row, kills):
    """A document that does no harm is given up only when we have killed under it as often as it takes."""
    return row.state == FAILURE and row.error == "crash" and row.blamed == BLAMED_MAX and kills >= BLAMED_MAX


def check_row(item, row, kills):
    """kills: how many of our kills may have hit this task. Yields what is wrong."""
    kind = KINDS[item.kind]
    outcome = (row.state, row.error if row.state != SUCCESS else None)
    if outcome not in kind.outcomes and not excused(kind, row, kills):
        yield f"wrong outcome of a document of kind {item.kind}: {row}; {kills} kills may have hit it"
    done = row.blamed + row.interrupted  # attempts that came to nothing
    if row.state == SUCCESS and row.attempt != done + 1:
        yield f"the numbers of attempts do not add up: {row}"
    elif row.state == FAILURE and row.attempt != (done if row.blamed == BLAMED_MAX else done + 1):
        yield f"the numbers of attempts do not add up: {row}"
    elif row.state == CANCELLED and row.attempt not in (done, done + 1):
        yield f"the numbers of attempts do not add up: {row}"
    if kind.blames and row.state == FAILURE and row.blamed != BLAMED_MAX:
        yield f"{item.kind} was given up too early: {row}"


def check_files(data, rows):
    """Only what the rows name, whole."""
    due = {f"{row.id}.{row.attempt}": row.bytes for row in rows.values() if row.state == SUCCESS}
    found = {p.name: p.stat().st_size for p in (data / "results").iterdir()}
    for name in sorted(due.keys() - found.keys()):
        yield f"lost: result {name}"
    for name in sorted(found.keys() - due.keys()):
        yield f"leaked: results/{name}"
    for name in sorted(found.keys() & due.keys()):
        if found[name] != due[name]:
            yield f"wrong length: results/{name} has {found[name]} bytes, its row says {due[name]}"
    for folder in ("spool", "scratch"):
        for path in sorted((data / folder).iterdir()):
            yield f"leaked: {folder}/{path.name}"
    known = {"store.db", "store.db-wal", "store.db-shm", "lock", "spool", "results", "scratch"}
    for path in sorted(data.iterdir()):
        if path.name not in known:
            yield f"leaked: {path.name} in the data folder"


def check_logs(started, completed):
    for (task, attempt), pids in started.items():
        if len(pids) > 1:
            yield f"doubled: attempt {attempt} of task {task} was started {len(pids)} times (pids {pids})"
    for task, words in completed.items():
        if len(words) > 1:
            yield f"doubled: task {task} has ended {len(words)} times ({', '.join(words)})"


def check(herd, journal, engine_deaths, worker_kills):
    """Everything, after the last platend has ended. journal: chaos.Journal. Returns (problems, rows)."""
    problems = []
    integrity, rows = read_rows(herd.data)
    if integrity != "ok":
        problems.append(f"integrity_check: {integrity}")
    started, completed = herds.read_logs(herd)
    hits = {}
    for (task, _), pids in started.items():
        hits[task] = hits.get(task, 0) + sum(pid in worker_kills for pid in pids)
    for task, item in journal.accepted.items():
        row = rows.get(task)
        if row is None:
            problems.append(f"lost: {task} (document {item.number}, {item.kind}) was accepted and is not in the store")
            continue
        kills = hits.get(task, 0) + (engine_deaths if item.kind == "engine" else 0)
        problems += check_row(item, row, kills)
    for row in rows.values():
        if row.state not in (SUCCESS, FAILURE, CANCELLED):
            problems.append(f"not ended: {row}")
        seen = journal.seen.get(row.id)
        api = FAILURE if row.state == CANCELLED else row.state
        if seen and seen != api:
            problems.append(f"taken back: a client was told {seen} of {row}")
    strangers = [row for row in rows.values() if row.id not in journal.accepted and not row.ephemeral]
    if len(strangers) > journal.unacknowledged:
        problems.append(f"doubled: {len(strangers)} tasks that no client was told of, but only {journal.unacknowledged} calls broke off")
    problems += check_files(herd.data, rows)
    problems += check_logs(started, completed)
    problems += [f"leaked: process {pid}" for pid in herd.strays()]
    for line in herd.log_lines():
        if REPORT.search(line) and not CHILD_LINE.match(line):
            problems.append(f"in the log: {line.strip()}")
    return problems, rows
