//! The `harvestd` program: arguments, configuration, logs, one command, exit status.

fn main() {}
