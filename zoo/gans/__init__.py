"""Generative adversarial networks, one file a paper."""
