"""Autoencoders, one file a paper."""
