"""Small computations whose results say whether two machines compute alike."""
