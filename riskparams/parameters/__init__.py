"""Parameters: from a tail of drops to haircut, liquidation threshold, maximum loan-to-value and bonus."""
