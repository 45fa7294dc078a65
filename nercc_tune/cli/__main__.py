"""`python -m nercc_tune.cli`."""

from nercc_tune.cli import main

if __name__ == "__main__":
    main()
