"""``python -m pretrain mention …`` is ``decoupled-ner pretrain mention …``."""

import sys

from decoupled_ner.cli import main

if __name__ == "__main__":
    sys.argv[1:1] = ["pretrain"]
    main()
