"""nuvtui: preserve, share and hand over a research project, from a terminal.

The package root imports nothing, so that `nuvtui --version` costs what Python costs.
"""

__version__ = "0.2.0"
