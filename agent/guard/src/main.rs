//! `slipway-vip-guard`: from the command line to the one thing that is to be done.

fn main() {}
