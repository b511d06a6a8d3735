"""What every node shares: main, parameters, diagnostics, subscriptions, transport."""
