//! Situations of a drain, as plain data.
