"""HTTP requests that can be ended at any moment."""
