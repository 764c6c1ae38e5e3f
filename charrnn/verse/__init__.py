"""Chinese verse: tones and rhymes, forms, the automaton that keeps a poem right, and a judge that is apart from it."""
