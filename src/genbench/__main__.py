"""python -m genbench: the same as the command `genbench`."""

from genbench.start import main

if __name__ == "__main__":
    main()
