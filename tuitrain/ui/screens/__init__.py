"""The screens: `home`, `live` (also of a replay), and the small ones that open above it."""
