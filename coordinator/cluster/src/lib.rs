//! What the cluster says: the Kubernetes API, drained and watched; with a fake API server.
