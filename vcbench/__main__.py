"""`python -m vcbench`."""

from vcbench.cli.app import main

if __name__ == "__main__":
    main()
