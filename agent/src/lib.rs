//! How a host is asked: gRPC service, operation journal, fence.
