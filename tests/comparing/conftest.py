"""Every test has a home of its own, and whatever trains there is ended with it."""

from __future__ import annotations

from tests.session.conftest import home

__all__ = ["home"]
