"""Run the command line with ``python -m medvlp``."""

from medvlp.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
