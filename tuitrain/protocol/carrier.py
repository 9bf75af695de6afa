"""What a reader of a run folder knows that the run itself cannot say, and what `run.json` holds."""

from __future__ import annotations

from typing import Literal

import msgspec

from tuitrain.protocol.commands import Decision, Request


class CarrierStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How the folder looks from here: a dead run cannot say that it is dead."""

    status: Literal["live", "silent", "lost", "ended", "moved"]
    """live: its trainer runs. silent: it cannot be seen from here, nothing new for a while. lost: the trainer
    died without a last word, or has been silent for a minute. ended: it said its last word, which may have come after
    the stream was last read.
    moved: the folder is gone."""
    detail: str = ""


class CommandSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A command file appeared in the folder: asked, and not yet answered."""

    request: Request


class DamageSeen(msgspec.Struct, frozen=True, kw_only=True):
    """Something in the folder could not be read, or written, and was skipped."""

    line_number: int
    """Of the stream, from 1; 0 where it is no line of it."""
    detail: str


class InitialWeights(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where the weights that a run begins with are from."""

    run: str
    """Id of the run."""
    checkpoint: str
    """Name of the file there."""
    sha256: str
    """Of all its bytes: whoever begins with it makes sure that it is that file."""


class RunInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`run.json`: who this run is."""

    id: str
    preset_name: str
    title: str
    created: float
    """Seconds since 1970."""
    session: str
    """The worker session that writes, or last wrote, the stream."""
    host: str
    pid: int = 0
    """0 until the worker is up."""
    pid_created: float = 0.0
    """When that process was made, as `rundir.process.process_created` tells, so that a reused pid is not mistaken."""
    boot_id: str = ""
    """Identifies the boot of the host; empty where the system does not tell."""
    pid_namespace: str = ""
    """Identifies what that pid is a number of, as a container has its own; empty where the system does not tell."""
    seed: int = 0
    total_steps: int = 0
    """0 until the worker knows."""
    versions: dict[str, str] = {}
    git_revision: str = ""
    preset: dict[str, object] = {}
    """The resolved preset, as TOML-like data."""
    parent: str = ""
    """Id of the run it was branched from."""
    branched_at: int = 0
    """Step where it parts from that run."""
    inherited: tuple[Decision, ...] = ()
    """What was decided in that run up to there."""
    overrides: tuple[Decision, ...] = ()
    """What this run does otherwise, at the step where they part."""
    rerun_of: str = ""
    """Id of the run that this one trains again from its record."""
    comparison: str = ""
    """What it is a member of: name of the comparison, a slash, key of the member."""
    weights: InitialWeights | None = None
    """The weights of another run that it begins with, kept as `weights.pt` in its folder."""
    protocol_version: int = 0
