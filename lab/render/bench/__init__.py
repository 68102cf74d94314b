"""Speed tests for people: text and progress on a terminal, and a page with plots."""
