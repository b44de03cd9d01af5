"""Detectors of the stream beside rules and models: each module here offers `detector(settings, state)`."""
