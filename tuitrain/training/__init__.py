"""The producer: everything that happens between a preset and the facts it leads to. Read `trainer` first.

`trainer` the loop · `setup` builds what it needs · `gradients` loss and backward pass, with `regularizing` and
`sharpness` · `updating` rates, clipping, the step · `control` the safe point · `commands` what each command does, with
`tuning` (numbers), `switching` and `handover`, `preview` (optimizers), `refusing` · `automatic`, `alarms` decisions of
the run itself, `detectors` what is out of the ordinary, `dead_run` · `evaluation` · `probes`, `layers` what is measured
· `nonfinite` · `checkpoint` · `ending` · `pace` · `devices`, `telemetry` · `run`, `recorder`, `staging`, `pump` from
measurements to events.
"""
