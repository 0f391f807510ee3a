//! What a machine can do: traits, the Linux one and a fake that keeps state.
