"""The lecture, item by item: what the tables must hold, and the numbers that its presets must reproduce."""
