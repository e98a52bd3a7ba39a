"""Numbers as people read them: bytes, counts with their unit."""


def amount(number: int, unit: str) -> str:
    """A number with its unit as people read it: `12.3 MB`, `1,204 files`."""
    if unit == "bytes":
        return size(number)
    name = unit[:-1] if number == 1 and unit.endswith("s") else unit
    return f"{number:,} {name}".rstrip()


def size(number: int) -> str:
    """Bytes in powers of 1000, three digits: `999 B`, `1.23 MB`, `45.6 GB`."""
    if number < 1000:
        return f"{number} B"
    value = float(number)
    for unit in ("kB", "MB", "GB", "TB"):
        value /= 1000
        if value < 999.5 or unit == "TB":
            digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
            return f"{value:.{digits}f} {unit}"
    return ""
