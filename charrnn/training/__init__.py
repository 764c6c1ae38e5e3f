"""Training: the loop (trainer.py), who listens to it (listeners.py), and both put together (session.py)."""
