//! The body of a request, as it is or compressed with gzip (RFC 1952). One limit holds for what is sent and for what comes
//! out of it: a small body that would become a large one is given up as soon as it has become too large.

use std::io::{self, Write};

use axum::body::Body;
use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use http::{HeaderMap, Request, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::App;
use crate::error::{CallError, codes};

/// The body of a request, within its limit.
pub(super) async fn read_body(app: &App, request: Request<Body>) -> Result<Bytes, CallError> {
    let max = app.request_bytes_max;
    if is_gzip(request.headers())? {
        return decompressed(request.into_body(), max).await;
    }
    let body = Limited::new(request.into_body(), max).collect().await;
    Ok(body.map_err(|error| not_read(&*error, max))?.to_bytes())
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

/// Decompresses while it reads, so that no more is held than the limit. What cannot be used is read to its end all the same,
/// within the limit: whoever is still sending would not hear the answer.
async fn decompressed(body: Body, max: usize) -> Result<Bytes, CallError> {
    let mut body = Limited::new(body, max);
    let mut decoder = MultiGzDecoder::new(Bounded { bytes: Vec::new(), max, is_full: false });
    let mut written = Ok(());
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| not_read(&*error, max))?;
        let Ok(data) = frame.into_data() else { continue };
        written = written.and_then(|()| decoder.write_all(&data));
    }
    let finished = written.and_then(|()| decoder.try_finish());
    finished.map_err(|error| not_decompressed(&error, decoder.get_ref()))?;
    Ok(std::mem::take(&mut decoder.get_mut().bytes).into())
}

fn not_read(error: &(dyn std::error::Error + 'static), max: usize) -> CallError {
    if error.is::<LengthLimitError>() {
        return CallError::too_large(max);
    }
    CallError::new(codes::MALFORMED_REQUEST, format!("the body ended early: {error}; nothing was recorded"))
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
    use futures_util::{FutureExt, stream};
    use proptest::prelude::*;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn read(sent: Vec<u8>, max: usize) -> Result<Bytes, CallError> {
        decompressed(sent.into(), max).now_or_never().unwrap()
    }

    fn read_in_frames(sent: &[u8], frame_bytes: usize, max: usize) -> Result<Bytes, CallError> {
        let frames: Vec<_> =
            sent.chunks(frame_bytes).map(|frame| io::Result::Ok(Bytes::copy_from_slice(frame))).collect();
        decompressed(Body::from_stream(stream::iter(frames)), max).now_or_never().unwrap()
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
