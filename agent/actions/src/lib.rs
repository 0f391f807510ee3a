//! What a coordinator may ask of a host: one file per action, check and apply.
