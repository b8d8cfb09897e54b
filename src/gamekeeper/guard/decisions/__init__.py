"""What holds for accounts and campaigns, why and until when, and what is done about it."""
