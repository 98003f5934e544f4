//! One gRPC message on the wire, read within a limit.
//!
//! Libraries for gRPC read a body before anybody can look at who sent it, and make room for as much as its first five
//! bytes announce. Between nodes there is one message each way, so it is read here: room is made for what has come.

use axum::body::HttpBody;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::HeaderMap;
use http_body_util::BodyExt;

/// What comes before a message: one byte that says whether it is compressed, four for its length.
pub(super) const PREFIX_BYTES: usize = 5;

/// A message in its frame.
pub(super) fn framed(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(PREFIX_BYTES + message.len());
    frame.put_u8(0);
    // A message that is too long for its frame is not sent; see the limits of requests and answers.
    frame.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    frame.put_slice(message);
    frame.freeze()
}

/// Why a message was not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NotRead {
    /// It is larger than it may be.
    TooLarge,
    /// It is no message, or its sender went away.
    Malformed(String),
}

/// Reads a message of at most `max` bytes, and what comes behind it. No more than that is held in memory, whatever the
/// sender announces.
pub(super) async fn read<B>(body: B, max: usize) -> Result<(Bytes, HeaderMap), NotRead>
where
    B: HttpBody<Data = Bytes> + Send,
    B::Error: std::fmt::Display,
{
    let mut body = std::pin::pin!(body);
    let (mut read, mut trailers) = (BytesMut::new(), HeaderMap::new());
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| NotRead::Malformed(error.to_string()))?;
        let frame = match frame.into_data() {
            Ok(data) => {
                if read.len() + data.len() > max.saturating_add(PREFIX_BYTES) {
                    return Err(NotRead::TooLarge);
                }
                read.extend_from_slice(&data);
                check_announced(&read, max)?;
                continue;
            }
            Err(frame) => frame,
        };
        if let Ok(after) = frame.into_trailers() {
            trailers = after;
        }
    }
    if read.len() < PREFIX_BYTES {
        return Err(NotRead::Malformed(format!("it has {} bytes", read.len())));
    }
    let announced = announced(&read);
    read.advance(PREFIX_BYTES);
    if Some(read.len()) != announced {
        return Err(NotRead::Malformed("it is not as long as it says".to_owned()));
    }
    Ok((read.freeze(), trailers))
}

/// The length that the first bytes of a body announce.
fn announced(read: &[u8]) -> Option<usize> {
    let prefix: [u8; PREFIX_BYTES] = read.get(..PREFIX_BYTES)?.try_into().ok()?;
    let [_, length @ ..] = prefix;
    usize::try_from(u32::from_be_bytes(length)).ok()
}

/// What its first bytes say is believed only where it is a reason to read no further.
fn check_announced(read: &[u8], max: usize) -> Result<(), NotRead> {
    match (read.first(), announced(read)) {
        (Some(1..), _) => Err(NotRead::Malformed("it is compressed, which nodes do not do".to_owned())),
        (_, Some(length)) if length > max => Err(NotRead::TooLarge),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::body::Body;
    use futures_util::stream;
    use http_body_util::Full;

    use super::*;

    async fn read_all(parts: &[&[u8]], max: usize) -> Result<Bytes, NotRead> {
        let parts: Vec<Result<_, Infallible>> = parts.iter().map(|part| Ok(Bytes::copy_from_slice(part))).collect();
        read(Body::from_stream(stream::iter(parts)), max).await.map(|(message, _)| message)
    }

    #[tokio::test]
    async fn a_message_is_read_in_whatever_pieces_it_comes() {
        for message in [&b""[..], b"x", &[7; 100_000]] {
            let framed = framed(message);
            for size in [1, 3, 5, 4_096, usize::MAX] {
                let pieces: Vec<_> = framed.chunks(size).collect();
                assert_eq!(read_all(&pieces, message.len()).await.as_deref(), Ok(message));
            }
        }
        let with_trailers = Full::new(framed(b"x")).with_trailers(async {
            let trailers = HeaderMap::from_iter([(http::header::TRAILER, "x".parse().unwrap())]);
            Some(Ok::<_, Infallible>(trailers))
        });
        assert_eq!(read(with_trailers, 1).await.unwrap().1.len(), 1);
    }

    #[tokio::test]
    async fn an_announced_length_is_no_reason_to_make_room() {
        let announces_4_gib = [0, 255, 255, 255, 255];
        assert_eq!(read_all(&[&announces_4_gib], 1 << 20).await, Err(NotRead::TooLarge));
        assert_eq!(read_all(&[&framed(b"12345")], 4).await, Err(NotRead::TooLarge));
        assert_eq!(read_all(&[&[0, 0, 0, 0, 1], &[7; 3]], 1).await, Err(NotRead::TooLarge), "more than it announces");
        for malformed in [&b""[..], b"\0\0\0\0", b"\0\0\0\0\x02x", b"\0\0\0\0\x01xx", b"\x01\0\0\0\x01x"] {
            assert!(matches!(read_all(&[malformed], 100).await, Err(NotRead::Malformed(_))), "{malformed:?}");
        }
    }
}
