"""One frozen request, several ways to run it; an engine only makes a list of arguments."""
