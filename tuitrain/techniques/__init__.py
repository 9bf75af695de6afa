"""The names that presets and commands may use, as specs without torch.

`hyperparameter` what an entry takes · `optimizers` (its entries in `optimizers_classic`, `_adam`, `_modern`),
`schedules` (their `shapes`), `losses`, `regularizers` the tables · `plan` evaluates and edits the learning-rate plan ·
`checking` a command against the tables · `explaining` every entry in words · `build/` turns a spec into torch objects
(the only part that imports torch).
"""
