//! What tests share: throwaway PostgreSQL clusters, receivers, nodes to kill.
