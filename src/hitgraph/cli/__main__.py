import sys

from hitgraph.cli import main

sys.exit(main())
