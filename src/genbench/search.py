"""python -m genbench.search: the same as `genbench search`."""

from genbench.cli import main

if __name__ == "__main__":
    main("search")
