"""How all tests are run.

The examples of property tests are the same at every run, so that a red suite is the fault of the change under test.
No property is a matter of time: a slow machine fails none, neither at an example nor at thinking of one.
`pytest --hypothesis-profile=hunt` looks for new ones: random, ten times as many, for those who have the time.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

settings.register_profile("same", PATIENT, derandomize=True)
settings.register_profile("hunt", PATIENT, derandomize=False, max_examples=1000, print_blob=True)
settings.load_profile("same")
