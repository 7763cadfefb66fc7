"""python -m genbench.train: the same as `genbench train`."""

from genbench.cli import main

if __name__ == "__main__":
    main("train")
