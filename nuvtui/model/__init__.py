"""Pure values: what nuvtui talks about, without I/O, clock or third party but msgspec.

Import from the modules (`nuvtui.model.snapshot`, …), not from here: each is small and loads alone.
"""
