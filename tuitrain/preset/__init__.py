"""Presets: what to train, as checked data. A preset names things from our tables and cannot run code.

`schema` the sections · `reading` finds, extends, overrides and checks · `checking` what the tables say ·
`config` one's own config, which alone may name a command.
"""

from tuitrain.preset.reading import list_presets, load_preset, preset_from_data, preset_with, presets_folder
from tuitrain.preset.schema import Preset

__all__ = ["Preset", "list_presets", "load_preset", "preset_from_data", "preset_with", "presets_folder"]
