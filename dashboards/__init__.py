"""Pages about runs, for people to look at; they know nothing of driving."""
