"""Writing with a person: in the terminal, and in the browser."""
