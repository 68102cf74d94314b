"""Records into text for people; measures nothing."""
