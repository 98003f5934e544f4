//! The body of a request: within a limit of bytes, of time, and of what all bodies that are being received may take
//! together; as it is or compressed with gzip (RFC 1952). The limit of bytes holds for what is sent and for what comes out
//! of it: a small body that would become a large one is given up as soon as it has become too large.

use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use bytes::{Bytes, BytesMut};
use flate2::write::MultiGzDecoder;
use futures_util::{Stream, StreamExt, TryStreamExt};
use http::{HeaderMap, Request, header};
use tokio::time::{Instant, Sleep, sleep_until};

use super::budget::{Budget, Room};
use crate::error::{CallError, codes};

/// Limits of bodies.
#[derive(Debug, Clone)]
pub struct BodyLimits {
    /// Bytes of one, sent and decompressed.
    pub bytes_max: usize,
    /// How long one may take.
    pub time_max: Duration,
    /// Bytes of all that are being received.
    budget: Budget,
}

impl BodyLimits {
    /// Limits of one body, and of all together.
    pub fn new(bytes_max: usize, time_max: Duration, all_bytes_max: usize) -> Self {
        Self { bytes_max, time_max, budget: Budget::new(all_bytes_max) }
    }

    /// The same for one body of at most so many bytes.
    pub(super) fn of_at_most(&self, bytes_max: usize) -> Self {
        Self { bytes_max: self.bytes_max.min(bytes_max), ..self.clone() }
    }

    /// A body as it comes in. A stream of requests takes as long as it takes, so of that each part has its time.
    pub(super) fn guard(&self, body: Body, time: Time) -> Guarded {
        Guarded {
            body: body.into_data_stream(),
            time,
            time_max: self.time_max,
            end: Box::pin(sleep_until(Instant::now() + self.time_max)),
            held_max: self.bytes_max,
            room: self.budget.room(),
        }
    }

    /// A request whose body is received within these limits, for what reads bodies without us.
    pub fn limit(&self, request: Request<Body>) -> Request<Body> {
        request.map(|body| {
            let body = self.guard(body, Time::Whole);
            Body::from_stream(body.map_err(|error| error.to_grpc()))
        })
    }

    /// A body, whole.
    pub(super) async fn read(&self, headers: &HeaderMap, body: Body) -> Result<Bytes, CallError> {
        let is_gzip = is_gzip(headers)?;
        let body = self.guard(body, Time::Whole);
        if is_gzip { decompressed(body, self.bytes_max).await } else { whole(body, self.bytes_max).await }
    }
}

/// What a limit of time is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Time {
    /// The whole body.
    Whole,
    /// Each part of it.
    EachPart,
}

/// A body that is received within its time and the budget of all.
pub(super) struct Guarded {
    body: BodyDataStream,
    time: Time,
    time_max: Duration,
    end: Pin<Box<Sleep>>,
    held_max: usize,
    room: Room,
}

impl Guarded {
    /// Takes room for so many bytes more, received or made of what was received.
    fn reserve(&mut self, bytes: usize) -> Result<(), CallError> {
        // Of a stream the messages before this one are done with.
        if self.time == Time::EachPart && self.room.bytes() + bytes > self.held_max {
            self.room.give_back();
        }
        self.room.take(bytes)
    }
}

impl Stream for Guarded {
    type Item = Result<Bytes, CallError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.body.poll_next_unpin(cx) {
            Poll::Ready(Some(Ok(part))) => {
                if self.time == Time::EachPart {
                    let end = Instant::now() + self.time_max;
                    self.end.as_mut().reset(end);
                }
                Poll::Ready(Some(self.reserve(part.len()).map(|()| part)))
            }
            Poll::Ready(Some(Err(error))) => {
                let message = format!("the body ended early: {error}; nothing was recorded");
                Poll::Ready(Some(Err(CallError::new(codes::MALFORMED_REQUEST, message))))
            }
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => self.end.as_mut().poll(cx).map(|()| {
                let message = format!(
                    "the body did not come within {} seconds; nothing was recorded; send it faster, or less at once",
                    self.time_max.as_secs()
                );
                Some(Err(CallError::new(codes::REQUEST_TOO_SLOW, message)))
            }),
        }
    }
}

async fn whole(mut body: Guarded, max: usize) -> Result<Bytes, CallError> {
    let Some(first) = body.next().await.transpose()? else { return Ok(Bytes::new()) };
    let mut rest = BytesMut::new();
    let mut length = first.len();
    while let Some(part) = body.next().await.transpose()? {
        length += part.len();
        if length > max {
            return Err(CallError::too_large(max));
        }
        if rest.is_empty() {
            rest.extend_from_slice(&first);
        }
        rest.extend_from_slice(&part);
    }
    match (length > max, rest.is_empty()) {
        (true, _) => Err(CallError::too_large(max)),
        // Most bodies come in one part, which need not be copied.
        (false, true) => Ok(first),
        (false, false) => Ok(rest.freeze()),
    }
}

fn is_gzip(headers: &HeaderMap) -> Result<bool, CallError> {
    let Some(encoding) = headers.get(header::CONTENT_ENCODING) else { return Ok(false) };
    // RFC 9110, 8.4.1: the names have no case, and x-gzip is gzip.
    match encoding.to_str().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "" | "identity" => Ok(false),
        "gzip" | "x-gzip" => Ok(true),
        _ => {
            let message = format!(
                "the body is compressed ({encoding:?}) in a way that is not supported; nothing was recorded; send it as \
                 it is, or with gzip"
            );
            Err(CallError::new(codes::ENCODING_NOT_SUPPORTED, message))
        }
    }
}

/// Decompresses while it reads, so that no more is held than the limit. What cannot be used is read to its end all the
/// same, within the limit: a caller who is still sending would not hear the answer.
async fn decompressed(mut body: Guarded, max: usize) -> Result<Bytes, CallError> {
    let mut decoder = MultiGzDecoder::new(Bounded { bytes: Vec::new(), max, is_full: false });
    let (mut written, mut length) = (Ok(()), 0);
    while let Some(part) = body.next().await.transpose()? {
        length += part.len();
        if length > max {
            return Err(CallError::too_large(max));
        }
        let before = decoder.get_ref().bytes.len();
        written = written.and_then(|()| decoder.write_all(&part));
        body.reserve(decoder.get_ref().bytes.len() - before)?;
    }
    let finished = written.and_then(|()| decoder.try_finish());
    finished.map_err(|error| not_decompressed(&error, decoder.get_ref()))?;
    Ok(std::mem::take(&mut decoder.get_mut().bytes).into())
}

fn not_decompressed(error: &io::Error, out: &Bounded) -> CallError {
    if out.is_full {
        return CallError::too_large(out.max);
    }
    let message = format!(
        "the body is said to be gzip and cannot be decompressed: {error}; nothing was recorded; compress it again, or send \
         it as it is without Content-Encoding"
    );
    CallError::new(codes::MALFORMED_REQUEST, message)
}

/// So many bytes and no more.
struct Bounded {
    bytes: Vec<u8>,
    max: usize,
    is_full: bool,
}

impl Write for Bounded {
    fn write(&mut self, more: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + more.len() > self.max {
            self.is_full = true;
            return Err(io::Error::other("it is too large"));
        }
        self.bytes.extend_from_slice(more);
        Ok(more.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use futures_util::stream;
    use proptest::prelude::*;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn now<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(work)
    }

    fn guarded(body: Body) -> Guarded {
        BodyLimits::new(1 << 20, Duration::from_secs(10), 8 << 20).guard(body, Time::Whole)
    }

    fn read(sent: Vec<u8>, max: usize) -> Result<Bytes, CallError> {
        now(async { decompressed(guarded(sent.into()), max).await })
    }

    fn frames(sent: &[u8], frame_bytes: usize) -> Body {
        let frames: Vec<_> =
            sent.chunks(frame_bytes).map(|frame| io::Result::Ok(Bytes::copy_from_slice(frame))).collect();
        Body::from_stream(stream::iter(frames))
    }

    fn read_in_frames(sent: &[u8], frame_bytes: usize, max: usize) -> Result<Bytes, CallError> {
        now(async { decompressed(guarded(frames(sent, frame_bytes)), max).await })
    }

    #[test]
    fn what_is_sent_comes_in_within_the_limit() {
        let read = |sent: &[u8], max: usize| now(async { whole(guarded(frames(sent, 7)), max).await });
        assert_eq!(read(b"one and another", 15).unwrap(), &b"one and another"[..]);
        assert_eq!(read(b"one and another", 14).unwrap_err().code, "REQUEST_TOO_LARGE");
        assert_eq!(read(b"", 0).unwrap(), &b""[..]);
        assert_eq!(read(b"single", 5).unwrap_err().code, "REQUEST_TOO_LARGE");
    }

    #[tokio::test]
    async fn a_body_that_never_ends_is_given_up_when_its_time_is_over() {
        let limits = BodyLimits::new(1 << 20, Duration::from_millis(50), 8 << 20);
        let drop_by_drop = || {
            Body::from_stream(stream::unfold((), |()| async {
                tokio::time::sleep(Duration::from_millis(1)).await;
                Some((io::Result::Ok(Bytes::from_static(b"drop")), ()))
            }))
        };
        let read = limits.read(&HeaderMap::new(), drop_by_drop()).await;
        assert_eq!(read.unwrap_err().code, "REQUEST_TOO_SLOW");
        // A stream of requests may take as long as it likes, but for silence.
        let mut silent = limits.guard(Body::from_stream(stream::pending::<io::Result<Bytes>>()), Time::EachPart);
        assert_eq!(silent.next().await.unwrap().unwrap_err().code, "REQUEST_TOO_SLOW");
    }

    #[tokio::test]
    async fn all_bodies_together_take_no_more_than_their_budget() {
        let limits = BodyLimits::new(1 << 20, Duration::from_secs(10), 64 << 10);
        let hold = |bytes: usize| {
            let part = stream::once(async move { io::Result::Ok(Bytes::from(vec![0; bytes])) });
            limits.guard(Body::from_stream(part.chain(stream::pending())), Time::Whole)
        };
        let (mut first, mut second) = (hold(40 << 10), hold(40 << 10));
        assert!(first.next().await.unwrap().is_ok());
        assert_eq!(second.next().await.unwrap().unwrap_err().code, "OVERLOADED");
        drop(first);
        assert!(hold(60 << 10).next().await.unwrap().is_ok(), "what is given up makes room");
    }

    proptest! {
        #[test]
        fn what_was_compressed_comes_out_however_it_is_cut(
            parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..500), 1..4),
            frame_bytes in 1usize..600,
        ) {
            // A body may be several members, one after the other (RFC 1952, 2.2).
            let sent: Vec<u8> = parts.iter().flat_map(|part| gzip(part)).collect();
            let read = read_in_frames(&sent, frame_bytes, 10_000).unwrap();
            prop_assert_eq!(read, parts.concat());
        }

        #[test]
        fn what_was_cut_off_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..500), cut in any::<prop::sample::Index>()) {
            let sent = gzip(&bytes);
            let cut = cut.index(sent.len());
            prop_assert_eq!(read(sent[..cut].to_vec(), 10_000).unwrap_err().code, "MALFORMED_REQUEST");
        }
    }

    #[test]
    fn the_limit_is_one_of_what_comes_out() {
        let zeros = vec![0; 1_000];
        assert_eq!(read(gzip(&zeros), 1_000).unwrap().len(), 1_000);
        assert_eq!(read(gzip(&zeros), 999).unwrap_err().code, "REQUEST_TOO_LARGE");
        assert_eq!(read(gzip(&zeros), 10).unwrap_err().code, "REQUEST_TOO_LARGE", "also of what comes in");
    }

    #[test]
    fn a_bomb_is_given_up_before_it_goes_off() {
        // 64 MiB in 64 KiB, of which 1 MiB is held.
        let bomb = gzip(&vec![0; 64 << 20]);
        assert!(bomb.len() < 100_000);
        let mut decoder = MultiGzDecoder::new(Bounded { bytes: Vec::new(), max: 1 << 20, is_full: false });
        assert!(decoder.write_all(&bomb).is_err());
        assert!(decoder.get_ref().is_full && decoder.get_ref().bytes.capacity() <= 2 << 20);
        assert_eq!(read(bomb, 1 << 20).unwrap_err().code, "REQUEST_TOO_LARGE");
    }

    #[test]
    fn what_is_no_gzip_or_damaged_is_refused() {
        let mut damaged = gzip(b"{\"events\":[]}");
        let middle = damaged.len() / 2;
        damaged[middle] ^= 1;
        let mut trailing = gzip(b"{}");
        trailing.extend_from_slice(b"and more");
        for sent in [b"{}".to_vec(), damaged, trailing] {
            let error = read(sent, 1_000).unwrap_err();
            assert_eq!(error.code, "MALFORMED_REQUEST");
            assert!(
                error.message.contains("gzip") && error.message.contains("nothing was recorded"),
                "{}",
                error.message
            );
        }
    }

    #[test]
    fn encodings() {
        let of = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_ENCODING, value.parse().unwrap());
            is_gzip(&headers).map_err(|error| error.code)
        };
        assert!(!is_gzip(&HeaderMap::new()).unwrap());
        assert_eq!((of("identity"), of("gzip"), of("X-GZip")), (Ok(false), Ok(true), Ok(true)));
        for unsupported in ["br", "deflate", "zstd", "gzip, gzip"] {
            assert_eq!(of(unsupported), Err("ENCODING_NOT_SUPPORTED".to_owned()), "{unsupported}");
        }
    }
}
