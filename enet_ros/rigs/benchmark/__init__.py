"""How fast everything is on this machine, measured beside its peers and what the hardware allows."""
