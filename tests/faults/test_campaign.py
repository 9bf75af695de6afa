"""Nothing is lost to kill -9: a short campaign at every run of the tests, the long one where slow ones run."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.faults.campaign import MUST_BE_ZERO


@pytest.mark.parametrize(
    ("arguments"),
    [
        pytest.param(("--kills", "12", "--seed", "2"), id="short"),
        pytest.param(("--kills", "220", "--detached", "20"), id="long", marks=[pytest.mark.slow]),
    ],
)
@pytest.mark.timeout(1800)
def test_whenever_a_trainer_is_killed_it_goes_on_as_if_nothing_had_been(arguments: tuple[str, ...]) -> None:
    """In a process of its own, which forks its trainers: no other test may have trained in it."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.campaign", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    table = {line[:48].strip(): int(line[48:].split()[0]) for line in done.stdout.splitlines()}
    assert table["kills"] == int(arguments[1])
    assert table["resumed"] >= table["kills"] // 2
    assert [table[name] for name in MUST_BE_ZERO] == [0] * len(MUST_BE_ZERO)
