"""From bytes to batches of ids."""
