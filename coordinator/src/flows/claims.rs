//! What runs lay claim to beside nodes, so that one at a time has it.

/// Who the masters are: their Nodes, the members of etcd, the address that the API is reached by. One run changes it at a time, for each one's
/// projection holds only as long as nobody else changes what it was made from.
pub(super) const CONTROL_PLANE: &str = "control-plane";
