"""Speed, measured as ratios within one interleaved run. Nothing here is asserted; the numbers go into notes."""
