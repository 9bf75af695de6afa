"""No failing call is silent: a short campaign at every run of the tests, the long one with the slow ones."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.faults.io_campaign import MUST_BE_ZERO


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(("--faults", "11", "--seed", "1"), id="short"),
        pytest.param(("--faults", "200", "--seed", "3"), id="long", marks=[pytest.mark.slow]),
    ],
)
@pytest.mark.timeout(3000)
def test_whatever_the_disk_refuses_is_told_or_does_no_harm(arguments: tuple[str, ...]) -> None:
    """In a process of its own, which forks its trainers: no other test may have trained in it."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.io_campaign", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    table = {line[:48].strip(): int(line[48:].split()[0]) for line in done.stdout.splitlines()}
    assert table["faults"] == int(arguments[1])
    assert [table[name] for name in MUST_BE_ZERO] == [0] * len(MUST_BE_ZERO)
