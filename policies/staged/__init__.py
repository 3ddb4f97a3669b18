"""The machinery that no algorithm repeats: stages, runners, learners, memories, checkpoints."""
