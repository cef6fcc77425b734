//! The store on PostgreSQL: any number of nodes on one database.
