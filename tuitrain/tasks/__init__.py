"""What presets train: datasets (embedded ones first) and models.

`tables` the specs, without torch · `synthetic` data made from formulas, numpy only · `own` one's own csv, npz and
picture folders, looked into before a run (`own_csv`, `own_header`, `own_npz`, `own_pictures`, `own_parts`) ·
`splitting` · `data/` embedded arrays · `build/` tensors and modules.
"""
