"""python -m genbench.sample: the same as `genbench sample`."""

from genbench.start import main

if __name__ == "__main__":
    main("sample")
