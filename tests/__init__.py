"""The test suite of nuvtui."""
