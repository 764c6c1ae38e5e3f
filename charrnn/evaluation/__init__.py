"""Measures of how well a model predicts: likelihood, surprise, compression."""
