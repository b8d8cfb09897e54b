"""Labelled traffic of the project's own making: for demonstrations, tests and first trials.

    simulate             a month of a language model's API: eight languages, eight kinds of ordinary
                         accounts, and campaigns
    simulate_classifier  the same for an API that scores rows of numbers
    write                writes either one as OUT/exchanges.parquet and OUT/labels.parquet

All text is made from the grammars and word lists in `lexicon`; nothing is taken from a data set.
Figures measured on this traffic show how the parts work together, not how well they work on real
traffic.
"""

from gamekeeper.simulate.labelled_traffic import LabelledTraffic, write
from gamekeeper.simulate.month import simulate
from gamekeeper.simulate.scoring_traffic import simulate_classifier

__all__ = ["LabelledTraffic", "simulate", "simulate_classifier", "write"]
