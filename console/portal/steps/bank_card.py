"""bank_card: being written."""
