"""End a comparison or a search from anywhere: by its name, without a screen."""

from __future__ import annotations

from tuitrain.comparing.folder import find_comparison
from tuitrain.comparing.reading import ComparisonReader
from tuitrain.comparing.starting import is_scheduled


def stop_comparison(name: str) -> str:
    """Ask for the end of everything that it launched; what waits is left for --resume. Runs of others go on.

    Args:
        name: of a comparison or a search, as `find_comparison` takes it.

    Returns:
        What was asked, in words.

    Raises:
        UsageError: there is none of that name.
        TuitrainError: its folder cannot be read or written.
    """
    folder = find_comparison(name)
    reader = ComparisonReader.of_folder(folder)
    reader.read_all()
    views = [view for view in reader.comparison.members.values() if not view.member.run]
    num_working = len(reader.own_at_work())
    num_others = sum(bool(view.run) and not view.is_final for view in views) - num_working
    theirs = f"{num_others} at work that it did not launch: left alone" if num_others else ""
    num_waiting = sum(view.state == "waiting" for view in views)
    if not num_working and not is_scheduled(folder):
        return f"{folder.name}: {theirs or 'nothing is at work'}."
    reader.stop_all()
    ends = "1 at work evaluates, saves and ends where it is"
    ends = ends if num_working == 1 else f"{num_working} at work evaluate, save and end where they are"
    waiting = f"{num_waiting} wait for --resume" if num_waiting else ""
    told = (ends if num_working else "nothing more is launched", theirs, waiting)
    return f"{folder.name}: {'; '.join(filter(None, told))}."
