"""``python -m pretrain mention …`` is ``decoupled-ner pretrain mention …``."""

import sys

from decoupled_ner.cli import main

if __name__ == "__main__":
    main(["pretrain", *sys.argv[1:]])  # sys.argv stays: Lightning starts DDP's processes with it
