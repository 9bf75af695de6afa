"""How all tests are run.

The examples of property tests are the same at every run, so that a red suite is the fault of the change under test.
`pytest --hypothesis-profile=hunt` looks for new ones: random, ten times as many, for those who have the time.
"""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("hunt", derandomize=False, deadline=None, max_examples=1000, print_blob=True)
settings.load_profile("same")
