//! Listening sockets.

use std::net::SocketAddr;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

use crate::failure::{Failure, Result};

/// How many connections the system holds for us while we are busy; it may hold fewer (`somaxconn`).
const BACKLOG: i32 = 4096;

/// Binds an address and listens.
pub fn bind(address: SocketAddr) -> Result<TcpListener> {
    open(address).map_err(|error| {
        let hint = match error.kind() {
            std::io::ErrorKind::AddrInUse => "; stop whoever listens there, or choose another with --listen",
            std::io::ErrorKind::PermissionDenied => "; ports below 1024 need a privilege, choose a higher one",
            std::io::ErrorKind::AddrNotAvailable => "; it is not an address of this machine",
            _ => "",
        };
        Failure::new(format!("cannot listen on {address}: {error}{hint}"))
    })
}

fn open(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restart must not wait for the connections of its predecessor to be forgotten.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}
