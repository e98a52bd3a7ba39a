"""The places, the full screens, and what they are made of."""
