"""A class: its students, their folders and logins, and what a teacher does with them."""
