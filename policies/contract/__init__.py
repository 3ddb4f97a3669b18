"""What learners and environments say to each other: joint arrays, their widths and limits."""
