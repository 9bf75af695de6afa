"""The command that puts optimizers on a surface: a run like any other, of the preset of that name."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from tuitrain.echo import echo
from tuitrain.errors import UnknownNameError


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(surface)


def surface(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A surface; without one, all are listed.")] = "",
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE", help="E.g. optimizer.lr=0.5 surface.start=[-4,1]")
    ] = None,
    headless: Annotated[bool, typer.Option("--headless", help="No dashboard: progress lines and a summary.")] = False,
    in_process: Annotated[
        bool, typer.Option("--in-process", help="Train inside the dashboard process; it ends with it.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")] = False,
) -> None:
    """Race optimizers on a function of one or two coordinates, from one start."""
    from tuitrain.preset import list_presets, load_preset
    from tuitrain.preset.racing import is_surface, surface_of

    known = sorted((preset for preset in list_presets() if is_surface(preset)), key=lambda preset: preset.order)
    if not name:
        for preset in known:
            spec = surface_of(preset)
            echo(f"{preset.name:<16} {spec.formula}")
            echo(f"{'':<16} {preset.look_for}")
        return
    if name not in {preset.name for preset in known}:
        raise UnknownNameError("surface", name, [preset.name for preset in known])
    chosen = load_preset(name, overrides or [])
    has_screen = sys.stdout.isatty() and sys.stdin.isatty() and os.environ.get("TERM", "") not in {"", "dumb"}
    if headless or as_json or not has_screen:
        from tuitrain.session.headless import run_headless

        raise typer.Exit(run_headless(chosen, as_json=as_json))
    from tuitrain.launch import watch_in_process, watch_new_run

    raise typer.Exit(watch_in_process(chosen) if in_process else watch_new_run(chosen))
