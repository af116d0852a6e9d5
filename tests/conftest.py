"""What all Python tests share: where the programs are, and a platend of one's own."""

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import daemon  # noqa: E402


@pytest.fixture(scope="session")
def build_dir():
    """The folder with the programs: PLATEN_BUILD, else build/."""
    folder = Path(os.environ.get("PLATEN_BUILD") or ROOT / "build")
    if not (folder / "platend").exists():
        pytest.fail(f"{folder}/platend is not built; set PLATEN_BUILD")
    return folder.resolve()


@pytest.fixture(scope="session")
def shared_dir():
    """The test material beside the checkout (PLATEN_SHARED); tests that need it are left out where it is not there."""
    folder = Path(os.environ.get("PLATEN_SHARED") or ROOT.parent / "shared")
    if not folder.is_dir():
        pytest.skip(f"no test material in {folder} (PLATEN_SHARED)")
    return folder


@pytest.fixture(scope="session")
def slowness():
    """How many times longer things may take: the sanitizers cost much."""
    return 5 if os.environ.get("PLATEN_SANITIZED") else 1


@pytest.fixture
def start_platend(build_dir):
    """start_platend(*flags, env=None) -> daemon.Daemon; all are ended after the test, which fails if a process stays behind."""
    running = []

    def start(*flags, env=None):
        running.append(daemon.Daemon(build_dir, *flags, env=env))
        return running[-1]

    yield start
    left = [name for d in running for name in d.stop()]
    assert not left, f"left running: {left}"


@pytest.fixture
def platend(start_platend):
    """A platend with the made-up engine, quick to start."""
    return start_platend("--backend", "fake")
