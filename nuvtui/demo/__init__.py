"""The study that `nuvtui demo` lays out, as package data in `files/`.

`data/penguins.csv` is the Palmer penguins data of Gorman, Williams and Fraser (2014, doi:10.1371/journal.pone.0090081),
prepared by Horst, Hill and Gorman, published under CC0.
"""
