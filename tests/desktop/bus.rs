//! Services on the session bus.

use zbus::blocking::Connection;
use zbus::blocking::connection::Builder;

/// A connection that offers a service.
pub(crate) fn serve<I: zbus::object_server::Interface>(
    address: &str,
    name: &str,
    path: &str,
    service: I,
) -> Connection {
    let builder = Builder::address(address).unwrap().serve_at(path, service).unwrap();
    builder.name(name).unwrap().build().unwrap()
}
