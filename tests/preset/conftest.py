"""Hypothesis without a clock: on a busy machine an example may take long, and that is no failure."""

from hypothesis import settings

settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
