//! How a human asks: the slipway binary.
