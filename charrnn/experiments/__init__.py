"""Many runs: sweeps train them from one config, comparisons put them into a table."""
