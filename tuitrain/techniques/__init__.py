"""The names that presets and commands may use, as specs without torch.

`hyperparameter` what an entry takes · `optimizers`, `schedules` the tables · `plan` evaluates and edits the
learning-rate plan · `build/` turns a spec into torch objects (the only part that imports torch).
"""
