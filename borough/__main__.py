"""The command ``borough``, also as ``python -m borough``."""

from borough.strangers import refuse_strangers


def main() -> None:
    """Run one word of the command line."""
    refuse_strangers()  # first: what follows imports packages by these names
    from borough.cli import main as run

    run()


if __name__ == "__main__":
    main()
