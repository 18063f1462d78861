"""`python -m longshore` is `longshore`."""

from longshore.cli import main

if __name__ == "__main__":
    main()
