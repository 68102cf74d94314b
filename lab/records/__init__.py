"""What is saved or printed as JSON: frozen structs, each document with its schema's name."""
