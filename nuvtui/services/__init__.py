"""The use cases, one verb family a module. Values in, values out; progress through a `Reporter`.

Role checks live here and nowhere else. `bootstrap.open_services` puts them together.
"""
