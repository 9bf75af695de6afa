"""The joint: a trainer and a run folder put together, without a screen.

`start` makes a folder and a detached trainer process · `worker` is that process · `hosting` the trainer, its pump
and its folder in one process · `in_process` the same inside the dashboard · `reading` everything a screen can
know of a run · `asking` a command and its reply · `printer` the plain screen · `own_config` what one wants told ·
`occasions` when · `notifying` the trainer's end of that, `notify_worker` the process that runs the command.
"""
