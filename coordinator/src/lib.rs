//! What we do for nodes: flows, steps, dispatch, leader, API.
