"""``python -m unify weibo …`` is ``decoupled-ner unify weibo …``."""

import sys

from decoupled_ner.cli import main

if __name__ == "__main__":
    main(["unify", *sys.argv[1:]])  # sys.argv stays: Lightning starts DDP's processes with it
