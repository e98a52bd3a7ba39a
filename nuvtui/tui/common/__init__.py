"""What several features share: the app as they know it, bases of panes and screens, actions on states and tasks."""
