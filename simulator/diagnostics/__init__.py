"""How far an estimate may be trusted, in figures and in plain words."""
