"""``python -m gazetteers build …`` is ``decoupled-ner gazetteer build …``."""

import sys

from decoupled_ner.cli import main

if __name__ == "__main__":
    main(["gazetteer", *sys.argv[1:]])  # sys.argv stays: Lightning starts DDP's processes with it
