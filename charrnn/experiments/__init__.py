"""Many runs: trained from one config, and set beside each other."""
