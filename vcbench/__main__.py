"""`python -m vcbench`."""

from vcbench.cli import main

if __name__ == "__main__":
    main()
