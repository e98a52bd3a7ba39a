"""The stage, distributions of it, and the messages that come with them."""
