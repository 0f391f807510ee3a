//! The beginning of a program.
fn main() {}
