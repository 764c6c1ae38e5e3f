"""What a run has learnt, as tables, pictures, and a page: everything here reads a run's folder and calls its model."""
