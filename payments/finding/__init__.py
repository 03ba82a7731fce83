"""One search behind the screen, the counts, the files and the reports: now, and as the desk once stood."""
