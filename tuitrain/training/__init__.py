"""The producer: everything that happens between a preset and the facts it leads to. Read `trainer` first.

`trainer` the loop · `setup` builds what it needs · `control` the safe point · `commands` what each command does ·
`updating` rates, clipping, the step · `handover` and `preview` switching optimizers · `evaluation` · `probes` ·
`nonfinite` · `checkpoint` · `ending` · `pace` · `devices`, `telemetry` · `run`, `recorder`, `staging`, `pump` from
measurements to events.
"""
