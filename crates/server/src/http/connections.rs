//! Connections: how many there may be, and how long one may be silent.
//!
//! A connection costs a file descriptor and some memory before anybody is identified, and files are what the log is made
//! of. So there is a limit of connections in all and one for each address, both below what the process may open, and a
//! connection on which nothing moves is closed. Those above the limit are closed at once: a caller behind a proxy that
//! keeps connections open sees a reset and tries again.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum_server::accept::Accept;
use futures_util::future::{Ready, ready as ready_future};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

/// Limits of connections.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionLimits {
    /// Connections in all.
    pub all: usize,
    /// Connections from one address; of IPv6, from one network of 64 bits.
    pub per_address: usize,
    /// How long neither side may say anything.
    pub silence: Duration,
}

/// Lets connections in, up to their limits.
#[derive(Clone)]
pub struct LimitedAcceptor {
    limits: ConnectionLimits,
    open: Arc<Mutex<Open>>,
}

#[derive(Default)]
struct Open {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

impl LimitedAcceptor {
    /// An acceptor with no connection yet.
    pub fn new(limits: ConnectionLimits) -> Self {
        Self { limits, open: Arc::default() }
    }

    fn let_in(&self, address: IpAddr) -> Result<Permit, &'static str> {
        let network = network(address);
        let mut open = self.open.lock();
        let from_there = open.by_address.get(&network).copied().unwrap_or_default();
        if open.all >= self.limits.all {
            return Err("all");
        }
        if from_there >= self.limits.per_address {
            return Err("address");
        }
        open.all += 1;
        open.by_address.insert(network, from_there + 1);
        metrics::gauge!("daybook_connections").set(open.all as f64);
        Ok(Permit { open: Arc::clone(&self.open), network })
    }
}

/// What counts as one address: an IPv6 host has a network of 64 bits for itself.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) & !u128::from(u64::MAX)).into()),
    }
}

/// The place of a connection. Dropping it makes room for another.
struct Permit {
    open: Arc<Mutex<Open>>,
    network: IpAddr,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut open = self.open.lock();
        open.all = open.all.saturating_sub(1);
        if let Some(count) = open.by_address.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                open.by_address.remove(&self.network);
            }
        }
        metrics::gauge!("daybook_connections").set(open.all as f64);
    }
}

impl<S> Accept<TcpStream, S> for LimitedAcceptor {
    type Stream = Connection;
    type Service = S;
    type Future = Ready<io::Result<(Connection, S)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let accept = || {
            stream.set_nodelay(true)?;
            let address = stream.peer_addr()?.ip();
            self.let_in(address).map_err(|limit| {
                metrics::counter!("daybook_connections_refused_total", "limit" => limit).increment(1);
                tracing::debug!(%address, limit, "a connection was refused");
                io::Error::other("too many connections")
            })
        };
        ready_future(accept().map(|permit| (Connection::new(stream, permit, self.limits.silence), service)))
    }
}

/// A connection that ends when nothing moves on it.
pub struct Connection {
    stream: TcpStream,
    silence: Duration,
    moved: Instant,
    end: Pin<Box<Sleep>>,
    _permit: Permit,
}

impl Connection {
    fn new(stream: TcpStream, permit: Permit, silence: Duration) -> Self {
        let moved = Instant::now();
        Self { stream, silence, moved, end: Box::pin(sleep_until(moved + silence)), _permit: permit }
    }

    /// Looks at what the other side did; when it did nothing, at the time.
    fn watch<T>(&mut self, polled: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.moved = Instant::now();
            return polled;
        }
        loop {
            ready!(self.end.as_mut().poll(cx));
            // The timer is moved only when it goes off, not with every byte.
            let end = self.moved + self.silence;
            if end <= Instant::now() {
                metrics::counter!("daybook_connections_silent_total").increment(1);
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            self.end.as_mut().reset(end);
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.watch(polled, cx)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.watch(polled, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.watch(polled, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    fn limits(all: usize, per_address: usize) -> ConnectionLimits {
        ConnectionLimits { all, per_address, silence: Duration::from_millis(200) }
    }

    #[test]
    fn each_limit_is_kept_and_freed() {
        let acceptor = LimitedAcceptor::new(limits(3, 2));
        let from = |last: u8| IpAddr::from([127, 0, 0, last]);
        let a = acceptor.let_in(from(1)).unwrap();
        let b = acceptor.let_in(from(1)).unwrap();
        assert_eq!(acceptor.let_in(from(1)).err(), Some("address"));
        let c = acceptor.let_in(from(2)).unwrap();
        assert_eq!(acceptor.let_in(from(3)).err(), Some("all"));
        drop((a, b, c));
        assert!(acceptor.let_in(from(3)).is_ok());
        let open = acceptor.open.lock();
        assert!(open.all == 0 && open.by_address.is_empty(), "nothing is left behind");
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let at = |text: &str| network(text.parse().unwrap());
        assert_eq!(at("2001:db8:1:2::1"), at("2001:db8:1:2:ffff::9"));
        assert_ne!(at("2001:db8:1:2::1"), at("2001:db8:1:3::1"));
        assert_eq!(at("::ffff:10.0.0.1"), at("10.0.0.1"));
    }

    #[tokio::test]
    async fn a_connection_on_which_nothing_moves_ends_and_one_that_talks_does_not() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut caller = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let acceptor = LimitedAcceptor::new(limits(1, 1));
        let (mut connection, ()) = acceptor.accept(stream, ()).await.unwrap();
        let mut byte = [0];
        for _ in 0..4 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            caller.write_all(b"a").await.unwrap();
            connection.read_exact(&mut byte).await.unwrap();
        }
        assert_eq!(connection.read(&mut byte).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        // A caller who reads nothing: the buffers between the two fill up, then nothing moves.
        let written = connection.write_all(&vec![0; 64 << 20]).await;
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(acceptor.open.lock().all, 1);
        drop(connection);
        assert_eq!(acceptor.open.lock().all, 0);
    }
}
