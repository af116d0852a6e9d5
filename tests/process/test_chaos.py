"""Random kill -9 of platend, its workers and its engine while tasks come in. The client's list of accepted ids is the truth: each must end
in success, with its own content, once. PLATEN_CHAOS_TASKS and PLATEN_CHAOS_SEED change the size and the order of events."""

import os
import random
import signal
import time

import daemon
from test_supervisor import assert_clean, child_named, crash_and_restart, echo_of, fake_env, fake_worker, source, start_fake, wait_ended

__all__ = ["fake_env", "fake_worker", "start_fake"]  # fixtures


def test_random_kills(start_fake, tmp_path):
    count = int(os.environ.get("PLATEN_CHAOS_TASKS", "120"))
    seed = int(os.environ.get("PLATEN_CHAOS_SEED") or time.time_ns() % 100000)
    print("seed", seed)
    rng = random.Random(seed)
    data = tmp_path / "data"
    flags = ("--data", data, "--workers", "4", "--queue-max-size", "100000")
    d = start_fake(*flags)
    accepted, restarts = {}, 0
    while len(accepted) < count:
        what = rng.random()
        if what < 0.80:
            text = f"{rng.choice(['ok', 'engine'])} {rng.randrange(80)} number {len(accepted)}"
            accepted[d.submit(source(text))] = text
        elif what < 0.90:
            # A worker killed three times ends its task, as it should: so only some are.
            victim = child_named(d, "platen-engine")
            if victim and rng.random() < 0.3:
                os.kill(victim, signal.SIGKILL)
        else:
            time.sleep(rng.random() * 0.05)
            crash_and_restart(d)
            restarts += 1
            d = start_fake(*flags)
    wait_ended(d, accepted, 120)
    failed = 0
    for task, text in accepted.items():
        status = d.poll(task)
        if status["task_status"] == "failure":
            failed += 1  # only after three deaths of its engine
            continue
        assert echo_of(d, task)["echo"] == text
    print("restarts", restarts, "failed", failed)
    assert failed <= count // 20
    assert_clean(data, count - failed)
    assert daemon.wait_until(lambda: child_named(d, "platen-worker") is None, 5)
