//! The store on SQLite: one writer thread, WAL, short readers.
