"""Runs in a home of the test, and no trainer left behind."""

from tests.session.conftest import home

__all__ = ["home"]
