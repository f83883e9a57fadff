"""``python -m gazetteers build …`` is ``decoupled-ner gazetteer build …``."""

import sys

from decoupled_ner.cli import main

if __name__ == "__main__":
    sys.argv[1:1] = ["gazetteer"]
    main()
