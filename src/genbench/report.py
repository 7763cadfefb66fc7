"""python -m genbench.report: the same as `genbench report`."""

from genbench.start import main

if __name__ == "__main__":
    main("report")
