"""Autoregressive models: one pixel after the other."""
