"""What several features share: what is known of the model, and of no feature."""
