"""Tests of the carrier."""
