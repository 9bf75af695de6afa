"""The producer: everything that happens between a preset and the facts it leads to. Read `trainer` first.

Building: `setup`, `from_preset`, `describing`. The step: `gradients` with `regularizing`, `sharpness`; `updating`
rates, clipping, the step; `following` what is told after it: `averages`, `racing`. The safe point: `control`,
`commands` with `tuning` (numbers), `switching`, `handover`, `preview` (optimizers), `freezing`, `going_back`,
`refusing`. Decisions of the run itself: `automatic`, `alarms` with `detectors`, `verdicts`, `dead_run`. Measured:
`evaluation` with `beside` (further predictions), `probes`, `layers`, `measuring/` (on demand), `nonfinite`. Kept:
`state`, `checkpoint`, `saving`, `points`, `timelines`, `transfer`. From measurements to events: `run`, `recorder`,
`staging`, `pump`.
"""
