"""Another version of a model: how much it differs, may it pass, how it stays near."""
