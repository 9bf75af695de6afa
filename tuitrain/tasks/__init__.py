"""What presets train: datasets (embedded ones first) and models.

`tables` the specs, without torch · `synthetic` data made from formulas, numpy only · `data/` embedded arrays ·
`build/` tensors and modules.
"""
