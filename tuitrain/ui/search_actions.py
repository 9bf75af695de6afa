"""The keys of the search screen."""

from __future__ import annotations

from tuitrain.ui.actions import BY_ID, Action

SEARCH_ACTIONS: tuple[Action, ...] = (
    Action(id="open", key="enter", title="open", group="search", in_footer=True,
           help="Open the run of the chosen trial; esc comes back here."),
    Action(id="export", key="e", title="export best", group="search", in_footer=True,
           help="Write the best trial so far as a preset into the folder in which tuitrain was started."),
    Action(id="stop", key="x", title="stop trial", group="search", in_footer=True,
           help="Stop the chosen trial: it finishes its step, evaluates and saves."),
    Action(id="stop_all", key="X", shown_key="X", title="stop all", group="search", in_footer=True,
           help="Stop the search: nothing more is launched, trials at work end. `tuitrain search --resume` goes on."),
    Action(id="toggle_log", key="g", title="log or linear", group="search", in_footer=True,
           help="Logarithmic or linear values."),
    Action(id="next_charts", key="p,tab", shown_key="p", title="charts", group="search", in_footer=True,
           help="The next charts, where not all parameters fit side by side."),
    Action(id="sort", key="s", title="order", group="search", in_footer=True,
           help="The best trials first, or the newest."),
    Action(id="up", key="up,k", shown_key="↑", title="up", group="search",
           help="Choose the trial above; it stands out in the charts."),
    Action(id="down", key="down,j", shown_key="↓", title="down", group="search", help="Choose the trial below."),
    Action(id="page_up", key="pageup", title="page up", group="search", help="Go up by a page of trials."),
    Action(id="page_down", key="pagedown", title="page down", group="search", help="Go down by a page of trials."),
    Action(id="first", key="home", title="first", group="search", help="Choose the first trial."),
    Action(id="last", key="end", title="last", group="search", help="Choose the last trial."),
    Action(id="back", key="escape", shown_key="esc", title="back", group="search",
           help="Back to where you came from."),
    BY_ID["help"],
    Action(id="leave", key="q", title="leave", group="screen", in_footer=True,
           help="Leave. The search goes on; it says how to come back."),
)  # fmt: skip
