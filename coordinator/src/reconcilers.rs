//! What watches without being asked. A reconciler changes nothing itself: all that comes of it is a request to begin a flow.

mod returned_hosts;

pub use returned_hosts::ReturnedHosts;
