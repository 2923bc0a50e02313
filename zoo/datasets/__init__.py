"""Data sets as uint8 arrays in memory and as tf.data."""
