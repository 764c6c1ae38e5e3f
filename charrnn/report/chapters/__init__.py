"""The chapters of a report, as HTML in both languages. Whatever comes from a run is escaped.

parts.py        headings, notes, tables, and how a character is shown
training.py     when it stopped improving; the curves
writing.py      samples of the training, samples by temperature
reach.py        how far back it looks
units.py        which unit follows what
difficulty.py   held-out text coloured by surprise, and what is hardest
alike.py        neighbours in the embedding
making.py       architecture, corpus, licence, how to make the run again
"""
