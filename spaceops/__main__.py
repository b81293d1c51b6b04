"""`python -m spaceops` is the command `spaceops`."""

from spaceops.cli import main

main()
