"""What each command takes, and the checks made before any long work; nothing heavy."""
