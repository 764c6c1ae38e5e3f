"""Training: the loop (trainer.py), its listeners (listeners.py), and the function that joins them (session.py)."""
