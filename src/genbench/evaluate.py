"""python -m genbench.evaluate: the same as `genbench evaluate`."""

from genbench.start import main

if __name__ == "__main__":
    main("evaluate")
