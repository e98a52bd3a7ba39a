"""The app, its main screen, and what reaches all features."""
