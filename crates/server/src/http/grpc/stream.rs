//! A stream of requests of one command, answered once. Each takes the road of a request that comes alone, and several are
//! under way at once; while they are, nothing more is read, so that a caller who is faster than the log has to wait.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream::FuturesOrdered;
use futures_util::{Stream, StreamExt};
use http::{HeaderMap, Request};
use tonic::{Status, Streaming};
use tower::service_fn;

use super::{answer, guarded, refused_by_library, server, timeout, with_a_code};
use crate::door::{StreamMethod, Summary};
use crate::error::CallError;
use crate::http::App;
use crate::http::body::Time;

/// Requests of a stream that are under way at once.
const UNDER_WAY_MAX: usize = 8;

pub(super) async fn serve(app: Arc<App>, method: StreamMethod, request: Request<Body>) -> Response {
    // Again for each request; but those of a caller who may not come in are not read.
    if let Err(error) = app.identify(&method.command, request.headers()).await {
        return error.to_grpc().into_http();
    }
    let max = app.bodies.bytes_max;
    let deadline = timeout(request.headers()).and_then(|timeout| Instant::now().checked_add(timeout));
    let (headers, method) = (request.headers().clone(), Arc::new(method));
    let request = guarded(&app, request, Time::EachPart);
    let service = service_fn(move |requests: tonic::Request<Streaming<Bytes>>| {
        let (app, method, headers) = (Arc::clone(&app), Arc::clone(&method), headers.clone());
        async move {
            let answered = carry_out(&app, &method, &headers, requests.into_inner(), deadline).await;
            answered.map(tonic::Response::new).map_err(|error| error.to_grpc())
        }
    });
    let response = server(max).client_streaming(service, request).await;
    with_a_code(response.map(Body::new), max)
}

async fn carry_out(
    app: &App,
    method: &StreamMethod,
    headers: &HeaderMap,
    requests: Streaming<Bytes>,
    deadline: Option<Instant>,
) -> Result<Bytes, CallError> {
    let one = async |request: Bytes| {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let identified = app.identify(&method.command, headers).await?;
        answer(app, &method.command, identified, headers, request, left).await
    };
    let refused = |status: Status| refused_by_library(&status, app.bodies.bytes_max);
    in_order(requests.map(|request| request.map_err(refused)), one, Summary::new(method)).await
}

/// Carries requests out, some at once, and sums the answers up in the order of the requests. When one fails, no more are
/// read, and those under way are waited for.
async fn in_order<One: Future<Output = Result<Bytes, CallError>>>(
    requests: impl Stream<Item = Result<Bytes, CallError>>,
    mut one: impl FnMut(Bytes) -> One,
    mut summary: Summary,
) -> Result<Bytes, CallError> {
    let mut requests = pin!(requests);
    let mut under_way = FuturesOrdered::<One>::new();
    let (mut is_open, mut unreadable) = (true, None);
    let error = loop {
        tokio::select! {
            biased;
            Some(answered) = under_way.next(), if !under_way.is_empty() => {
                if let Err(error) = answered.and_then(|answer| summary.add(answer)) {
                    break error;
                }
            }
            read = requests.next(), if is_open && under_way.len() < UNDER_WAY_MAX => match read {
                Some(Ok(request)) => under_way.push_back(one(request)),
                ended => (is_open, unreadable) = (false, ended.and_then(Result::err)),
            },
            else => match unreadable {
                Some(error) => break error,
                None => return Ok(summary.encode()),
            },
        }
    };
    let (before, mut after) = (summary.batch_count(), 0);
    while let Some(answered) = under_way.next().await {
        after += u64::from(answered.is_ok());
    }
    let message = format!(
        "request {before} of the stream, counted from 0: {}; the {before} before it were carried out, and {after} after it; \
         no more was read; send the others again: what comes again under its command id counts once",
        error.message
    );
    let error = CallError { message, ..error };
    let error = error.with("batch", &before.to_string());
    Err(error.with("batches_before", &before.to_string()).with("batches_after", &after.to_string()))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use daybook_proto::product_analytics::v1::{RecordEventStreamResponse, RecordEventsResponse};
    use futures_util::{FutureExt, stream};
    use prost::Message;
    use tokio::sync::Semaphore;

    use super::*;
    use crate::door::Methods;
    use crate::error::codes;

    fn summary() -> Summary {
        let methods = Methods::new(&daybook_domains::registry());
        Summary::new(methods.stream("/daybook.product_analytics.v1.ProductAnalyticsService/RecordEventStream").unwrap())
    }

    fn accepted(accepted_count: u32) -> Result<Bytes, CallError> {
        Ok(RecordEventsResponse { accepted_count, ..Default::default() }.encode_to_vec().into())
    }

    fn requests(count: u8) -> impl Iterator<Item = Result<Bytes, CallError>> {
        (0..count).map(|number| Ok(Bytes::copy_from_slice(&[number])))
    }

    #[test]
    fn no_more_is_read_than_may_be_under_way() {
        let (read, answers) = (Cell::new(0), Semaphore::new(0));
        let stream = stream::iter(requests(20).inspect(|_| read.set(read.get() + 1)));
        let one = async |request: Bytes| {
            answers.acquire().await.unwrap().forget();
            accepted(request[0].into())
        };
        let mut all = Box::pin(in_order(stream, one, summary()));
        assert!((&mut all).now_or_never().is_none());
        assert_eq!(read.get(), UNDER_WAY_MAX, "nobody was answered");
        answers.add_permits(3);
        assert!((&mut all).now_or_never().is_none());
        assert_eq!(read.get(), UNDER_WAY_MAX + 3);
        answers.add_permits(17);
        let answer = RecordEventStreamResponse::decode(all.now_or_never().unwrap().unwrap()).unwrap();
        assert_eq!((answer.batch_count, answer.accepted_count), (20, (0..20).sum()));
    }

    #[tokio::test]
    async fn the_first_that_fails_ends_it_and_says_what_became_of_the_others() {
        let read = Cell::new(0);
        let stream = stream::iter(requests(20).inspect(|_| read.set(read.get() + 1)));
        let one = async |request: Bytes| {
            // So that others are under way meanwhile.
            tokio::task::yield_now().await;
            match request[0] {
                5 | 7 => Err(CallError::new(codes::DISK_NEARLY_FULL, "the disk is nearly full")),
                _ => accepted(1),
            }
        };
        let error = in_order(stream, one, summary()).await.unwrap_err();
        assert_eq!(error.code, "DISK_NEARLY_FULL");
        assert!(
            error.message.starts_with("request 5 of the stream, counted from 0: the disk is nearly full; the 5 before")
        );
        assert!(read.get() > 7 && read.get() <= 5 + UNDER_WAY_MAX, "{}", read.get());
        let after = read.get() - 7;
        let said = ["batch", "batches_before", "batches_after"].map(|key| error.metadata[key].clone());
        assert_eq!(said, ["5".to_owned(), "5".to_owned(), after.to_string()]);
    }

    #[test]
    fn what_cannot_be_read_ends_it_after_what_was_read_before() {
        let unreadable = Err(CallError::too_large(10));
        let stream = stream::iter(requests(3).chain([unreadable]).chain(requests(3)));
        let error = in_order(stream, async |_| accepted(1), summary()).now_or_never().unwrap().unwrap_err();
        assert_eq!((error.code.as_str(), error.metadata["batches_before"].as_str()), ("REQUEST_TOO_LARGE", "3"));
    }
}
