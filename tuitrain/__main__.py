"""`python -m tuitrain`: the command line."""

from tuitrain.cli import main

main()
