"""The kinds of mock documents, and what must become of each. The made-up worker (tests/process/fake_worker.c) does what the first line
of its document says, and its answer is made from the document, so the right bytes of every result are known beforehand."""

import base64
import json
import random
from dataclasses import dataclass

SUCCESS, FAILURE, CANCELLED = "success", "failure", "cancelled"
ROW_STATES = {3: SUCCESS, 4: FAILURE, 5: CANCELLED}  # enum life_state in src/supervisor/store/state.h
BLAMED_MAX = 3  # LIFE_BLAMED_MAX


@dataclass(frozen=True)
class Kind:
    line: str  # the document's first line
    outcomes: tuple  # the allowed (state, error) pairs when nobody kills anything
    blames: bool = False  # the document kills its worker or engine each time, and is given up after BLAMED_MAX


GOOD = ((SUCCESS, None),)
CRASH = ((FAILURE, "crash"),)
TIMEOUT = ((FAILURE, "timeout"),)

KINDS = {
    "ok": Kind("ok {ms}", GOOD),
    "engine": Kind("engine {ms}", GOOD),
    "flood": Kind("flood 3000", GOOD),
    "linger": Kind("linger", GOOD),
    "leakfds": Kind("leakfds 100000", GOOD),
    "fork": Kind("fork 20", GOOD),
    "escape": Kind("escape 5", GOOD),
    "crash": Kind("crash", CRASH),
    "abort": Kind("abort", CRASH),
    "exit": Kind("exit 3", CRASH),
    "exit0": Kind("exit 0", CRASH),
    "partial": Kind("partial", CRASH),
    "overflow": Kind("overflow", CRASH),
    "garbage": Kind("garbage", CRASH),
    "badtype": Kind("badtype", CRASH),
    "oversize": Kind("oversize", CRASH),
    "twice": Kind("twice", CRASH),
    "short": Kind("short", CRASH),
    "fd": Kind("fd", CRASH),
    "kill": Kind("kill", CRASH, blames=True),
    "enginekill": Kind("enginekill", CRASH, blames=True),
    "format": Kind("fail 2", ((FAILURE, "format"),)),
    "limit": Kind("fail 3", ((FAILURE, "limit"),)),
    "hang": Kind("hang", TIMEOUT),
    "ignore-term": Kind("ignore-term", TIMEOUT),
    "busy": Kind("busy", TIMEOUT),
    "stall": Kind("stall", TIMEOUT),
    "spin": Kind("spin", TIMEOUT),
    "cancel": Kind("ok {ms}", GOOD + ((CANCELLED, "cancelled"),)),  # the client takes it back
    "sync": Kind("ok {ms}", GOOD),  # the client waits for it in one call
}

# Weights while things are killed. Not among them: what would wait for a clock again and again (few hang), and fork and escape (when
# their supervisor is killed, nobody is left to end what a worker has left behind).
STORM = {"ok": 560, "engine": 200, "flood": 10, "linger": 5, "leakfds": 10, "crash": 30, "exit": 25, "partial": 20, "garbage": 15,
         "twice": 15, "short": 15, "oversize": 10, "kill": 8, "enginekill": 4, "format": 15, "limit": 10, "hang": 5, "stall": 3,
         "cancel": 30, "sync": 20}
# Once each (times the size), with as many clean ones among them, while nothing is killed: exact counts.
CALM = ["crash", "abort", "exit", "exit0", "partial", "overflow", "garbage", "badtype", "oversize", "twice", "short", "fd", "kill",
        "format", "limit", "hang", "ignore-term", "busy", "stall", "spin", "flood", "linger", "leakfds", "fork"]


class Item:
    """One document of the plan: its bytes follow from seed and number."""

    def __init__(self, seed, number, kind):
        self.number, self.kind = number, kind
        self.seed = f"{seed}/{number}"
        self.tries = 0

    def text(self, attempt_to_send):
        rng = random.Random(self.seed)
        ms = rng.choice((0, 0, 10, 20, 50, 200)) if self.kind != "cancel" else 300
        size = rng.choice((0, 100, 3000, 3000, 60000)) if rng.random() < 0.99 else 600000
        padding = base64.b64encode(rng.randbytes(size)).decode()
        return f"{KINDS[self.kind].line.format(ms=ms)}\ndocument {self.seed}/{self.kind}/{attempt_to_send}\n{padding}"


def result_bytes(text, attempt):
    return json.dumps({"echo": text, "attempt": attempt}, separators=(",", ":")).encode()


def plan(seed, count, weights):
    rng = random.Random(f"{seed}/plan")
    kinds = rng.choices(list(weights), list(weights.values()), k=count)
    return [Item(seed, i, kind) for i, kind in enumerate(kinds)]
