"""Runnable recipes, one flat file each: read it, run it, copy it, change it.

    python -m recipes                          lists them
    python -m recipes dcgan --help             every setting, with its meaning and default
    python -m recipes dcgan --preset smoke     runs one

A recipe holds a frozen `Config`, its `PRESETS` and one `run(config)` that reads from top to bottom. Recipes never
import each other; what they share in plumbing is `runner.py`, and of the probability lessons `lesson.py`.
"""
