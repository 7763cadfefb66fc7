"""python -m genbench.export: the same as `genbench export`."""

from genbench.start import main

if __name__ == "__main__":
    main("export")
