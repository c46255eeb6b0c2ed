"""``python -m borough``."""

from borough.cli import main

main()
