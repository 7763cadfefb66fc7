"""python -m genbench.calibrate: the same as `genbench calibrate`."""

from genbench.start import main

if __name__ == "__main__":
    main("calibrate")
