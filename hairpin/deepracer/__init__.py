"""The files of DeepRacer's tools: read into jobs, and written for those tools to read."""
