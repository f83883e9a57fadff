"""``python -m unify weibo …`` is ``decoupled-ner unify weibo …``."""

import sys

from decoupled_ner.cli import main

sys.argv[1:1] = ["unify"]
main()
