"""The General Bots API as a process: `python -m runner`."""
