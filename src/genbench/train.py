"""python -m genbench.train: the same as `genbench train`."""

from genbench.start import main

if __name__ == "__main__":
    main("train")
