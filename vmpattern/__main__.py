"""`python -m vmpattern`: the command line without its console script."""

import sys

from vmpattern.cli import main

sys.exit(main())
