"""Everything from the bytes of a text to batches of ids."""
