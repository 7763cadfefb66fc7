"""python -m genbench.search: the same as `genbench search`."""

from genbench.start import main

if __name__ == "__main__":
    main("search")
