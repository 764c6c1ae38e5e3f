"""The version, by itself: everything may ask for it without importing anything."""

__version__ = "0.1.0"
