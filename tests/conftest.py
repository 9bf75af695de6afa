"""How all tests are run.

The examples of property tests are the same at every run, so that a red suite is the fault of the change under test.
No property is a matter of time: a slow machine fails none, neither at an example nor at thinking of one.
`pytest --hypothesis-profile=hunt` looks for new ones: random, ten times as many, for those who have the time.
What a test draws besides depends on its name alone, not on the tests before it.
"""

from __future__ import annotations

import random
import sys
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

settings.register_profile("same", PATIENT, derandomize=True)
settings.register_profile("hunt", PATIENT, derandomize=False, max_examples=1000, print_blob=True)
settings.load_profile("same")


@pytest.fixture(autouse=True)
def _seeded(request: pytest.FixtureRequest) -> None:
    """Random numbers of Python, NumPy and, where it is loaded, PyTorch, by the name of the test."""
    seed = zlib.crc32(request.node.nodeid.encode())
    random.seed(seed)
    np.random.seed(seed)
    if "torch" in sys.modules:  # most tests of screens never load it
        sys.modules["torch"].manual_seed(seed)
