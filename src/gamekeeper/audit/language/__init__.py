"""Audits of what is asked with text: language models that write, models that give vectors."""
