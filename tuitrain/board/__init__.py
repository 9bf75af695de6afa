"""Knowledge: what a reader knows of a run, as a pure fold over what it read. No clock, no I/O, no thread.

`board` the fold · `series` values by step, in two resolutions · `layers` every layer over time, `layer_verdicts` what
stands out there · `journal` what happened, for people · `axis` steps, epochs, seconds. Replayed, followed live or
compared, the same words give the same board.
"""
