"""Nothing is lost: trainers killed at every moment, full and read-only disks, flipped bits, foreign recordings.

`campaign` kills two hundred times and more and counts (`python -m tests.faults.campaign --kills 200`); the tests
here run a short one.
"""
