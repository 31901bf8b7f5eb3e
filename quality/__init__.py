"""A measure of what is taught: reads finished roadmaps and says of each concept how it is written. See docs/QUALITY.md."""
