"""Rows that were made to be answered wrongly: guards that know the model's answers."""
