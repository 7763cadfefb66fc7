"""python -m genbench: the same as the command `genbench`."""

from genbench.cli import entry

if __name__ == "__main__":
    entry()
