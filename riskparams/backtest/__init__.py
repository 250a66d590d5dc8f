"""The judge: any risk parameters, replayed over prices with borrowers and liquidators, and what came of it."""
