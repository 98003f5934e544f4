//! What nodes say to each other, with somebody in between, and with somebody who is no node.

use std::time::{Duration, Instant};

use axum::body::Body;
use bytes::Bytes;
use daybook_kernel::feature_level::FeatureLevel;
use daybook_kernel::id::{CommandId, StreamKey, TenantId};
use daybook_kernel::time::Timestamp;
use daybook_privacy::MasterKey;
use daybook_proto::legal_hold::v1::*;
use daybook_proto::node::v1::PartitionState;
use daybook_proto::platform::v1::{RaiseFeatureLevelRequest, RaiseFeatureLevelResponse};
use daybook_server::Credentials;
use daybook_tests::eventually;
use daybook_tests::node::{Home, Node};
use daybook_tests::people::{FEEDER, LEA, RITA, ROOT};
use daybook_tests::refusal::Refusal;
use daybook_tests::requests::*;
use futures_util::StreamExt;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, Request};
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tonic::Code;
use tonic::transport::Endpoint;
use tower::{Service, ServiceExt};

use super::*;
use crate::proxy::{Exchange, Proxy};

/// Nodes of earlier releases understand this level: neither they nor their answers have codes in headers.
const BEFORE_CODES: FeatureLevel = FeatureLevel(2);
/// From this level on every request and every answer needs one.
const CODES: FeatureLevel = FeatureLevel(3);

const SERVICE: &str = "/daybook.cluster.v1.ClusterService/";
const REQUEST: &str = "daybook-node-request";
const ANSWER: &str = "daybook-node-answer";
const ADA: &str = "ada@example.org";

/// What a request gets that waits for nothing.
const AT_ONCE: Duration = Duration::from_secs(3);

/// Two nodes of one log that reach each other through proxies.
struct Pair {
    nodes: [Node; 2],
    /// The way to each.
    proxies: [Proxy; 2],
    master: std::path::PathBuf,
}

fn home(broker: &Broker, log: &str, id: &str, understands: FeatureLevel) -> Home {
    Home::with(|config| {
        config.log.url = format!("kafka://{}", broker.address());
        config.log.name = log.to_owned();
        config.node.id = id.to_owned();
        config.node.understands = understands;
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        config.listen.address = free.local_addr().unwrap();
    })
}

/// Starts a node that the others reach through a proxy.
async fn start(mut home: Home, prepare: impl FnOnce(&Proxy)) -> (Node, Proxy) {
    let proxy = Proxy::to(&home.config.listen.address.to_string()).await;
    prepare(&proxy);
    home.config.cluster.advertise = proxy.address.clone();
    (home.start().await, proxy)
}

impl Pair {
    /// A new log, made by the first.
    async fn start(broker: &Broker, log: &str, understands: [FeatureLevel; 2], prepare: impl Fn(&Proxy)) -> Self {
        let (one, to_one) = start(home(broker, log, "one", understands[0]), &prepare).await;
        let master = one.home.data().join("development/master-key");
        let mut other = home(broker, log, "other", understands[1]);
        other.config.keys.master_key_file = Some(master.clone());
        let (other, to_other) = start(other, &prepare).await;
        let pair = Self { nodes: [one, other], proxies: [to_one, to_other], master };
        pair.share().await;
        pair
    }

    /// Waits until each leads something, and both know it.
    async fn share(&self) {
        eventually("each node leads something", async || {
            for node in &self.nodes {
                let status = node.status().await;
                let leads = |status: &PartitionState| *status == PartitionState::Leading;
                if !status.partitions.iter().map(|partition| partition.state()).any(|state| leads(&state))
                    || !status.nodes.iter().all(|node| node.leads > 0 && node.reachable)
                    || status.nodes.len() != 1
                {
                    return None;
                }
            }
            Some(())
        })
        .await;
    }

    /// Which of them leads the partition of the demo's tenant; the other one passes what concerns it on.
    async fn leader(&self) -> usize {
        let tenant = TenantId::parse("demo").unwrap();
        let partition = self.nodes[0].running.node.partition_of(&tenant, &StreamKey::of_tenant(&tenant)).unwrap().id();
        eventually("somebody leads it", async || {
            for (index, node) in self.nodes.iter().enumerate() {
                let status = node.status().await;
                let state = status.partitions.iter().find(|one| one.partition == partition.0).unwrap().state();
                if state == PartitionState::Leading {
                    return Some(index);
                }
            }
            None
        })
        .await
    }

    /// Codes as a node of this log makes them, and as one with another master key does.
    fn credentials(&self, node: &str) -> [Credentials; 2] {
        let own = std::fs::read_to_string(&self.master).unwrap();
        [own.trim(), &"5e".repeat(32)].map(|key| Credentials::new(&MasterKey::from_hex(key).unwrap(), node, self.now()))
    }

    fn now(&self) -> Timestamp {
        self.nodes[0].running.node.now()
    }

    fn later(&self, seconds: i64) -> Timestamp {
        Timestamp::from_micros(self.now().as_micros() + seconds * 1_000_000)
    }

    fn address(&self, node: usize) -> String {
        self.nodes[node].running.address.to_string()
    }
}

async fn with_an_item(node: &Node) {
    let _: SetRetentionClassResponse = node.ask(&RITA, &class("century", 36_500)).await;
    let _: RegisterItemResponse = node.ask(&RITA, &register(item("a", "century", ADA))).await;
}

async fn verdict(node: &Node) -> DispositionVerdict {
    let checked: CheckDispositionResponse = node.ask(&FEEDER, &check(&["a"], None)).await;
    checked.results[0].verdict()
}

/// As a node of an earlier release: it neither sends nor looks at codes in headers.
fn is_of_an_earlier_release(proxy: &Proxy) {
    let forget = |exchange: &mut Exchange| {
        exchange.asked.remove(REQUEST);
        exchange.said.remove(ANSWER);
    };
    proxy.change_all(forget, forget);
}

/// An answer to somebody who asks a node.
#[derive(Debug)]
struct Answered {
    code: Code,
    message: String,
    headers: HeaderMap,
    after: Duration,
}

/// Asks a node of something as if this were another node.
async fn ask(address: &str, method: &str, headers: &[(&str, String)], body: Body) -> Answered {
    let began = Instant::now();
    let mut node = Endpoint::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
    let mut request = Request::post(format!("{SERVICE}{method}")).header("content-type", "application/grpc");
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    let request = request.body(tonic::body::Body::new(body)).unwrap();
    let answered = node.ready().await.unwrap().call(request);
    let answered = tokio::time::timeout(Duration::from_secs(30), answered).await.expect("an answer").unwrap();
    let after = began.elapsed();
    let (head, body) = answered.into_parts();
    let trailers = body.collect().await.ok().and_then(|body| body.trailers().cloned()).unwrap_or_default();
    let status = tonic::Status::from_header_map(&head.headers).or_else(|| tonic::Status::from_header_map(&trailers));
    let status = status.unwrap_or_else(|| panic!("no status: {:?}", head.headers));
    Answered { code: status.code(), message: status.message().to_owned(), headers: head.headers, after }
}

/// A body that begins so, and never goes on.
fn never(begin: &[u8]) -> Body {
    let begin = stream::iter([Ok::<_, std::convert::Infallible>(Bytes::copy_from_slice(begin))]);
    Body::from_stream(begin.chain(stream::pending()))
}

fn framed(message: &[u8]) -> Body {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    Body::from([&[0], &length[..], message].concat())
}

const ANNOUNCES_4_GIB: &[u8] = &[0, 255, 255, 255, 255];

/// Their names say that they need a real broker.
mod kafka {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_answer_that_is_changed_or_made_up_on_its_way_is_not_believed() {
        let broker = Broker::shared().await.unwrap();
        let pair = Pair::start(&broker, "made-up-answers", [CODES, CODES], |_| {}).await;
        with_an_item(&pair.nodes[0]).await;
        let leader = pair.leader().await;
        let (asked, asking, way) = (&pair.nodes[leader], &pair.nodes[1 - leader], &pair.proxies[leader]);
        assert_eq!(verdict(asking).await, DispositionVerdict::NotHeld);
        let not_held = way.last("/Answer");
        let _: PlaceHoldResponse = asked.ask(&LEA, &place("h", on(ADA))).await;
        assert_eq!(verdict(asking).await, DispositionVerdict::Held);

        let made_up = |code: Code, details: &'static str| {
            move |exchange: &mut Exchange| {
                exchange.said.remove(ANSWER);
                exchange.said.insert("grpc-status", HeaderValue::from(code as i32));
                exchange.said.insert("grpc-message", HeaderValue::from_static("no such item"));
                exchange.said.insert("grpc-status-details-bin", HeaderValue::from_static(details));
                (exchange.answer, exchange.trailers) = (Bytes::new(), None);
            }
        };
        let older = {
            let not_held = not_held.clone();
            move |exchange: &mut Exchange| {
                exchange.said = not_held.said.clone();
                exchange.answer = not_held.answer.clone();
            }
        };
        let older_without_code = {
            let not_held = not_held.clone();
            move |exchange: &mut Exchange| {
                exchange.said.remove(ANSWER);
                exchange.answer = not_held.answer.clone();
            }
        };
        let older_body = move |exchange: &mut Exchange| exchange.answer = not_held.answer.clone();
        let flipped = |exchange: &mut Exchange| {
            let mut answer = exchange.answer.to_vec();
            *answer.last_mut().unwrap() ^= 1;
            exchange.answer = answer.into();
        };
        let cut_short = |exchange: &mut Exchange| exchange.answer = Bytes::from_static(&[0, 0, 0, 0, 0]);
        let endless = |exchange: &mut Exchange| {
            exchange.said.remove(ANSWER);
            exchange.answer = Bytes::from_static(ANNOUNCES_4_GIB);
        };
        let refused_behind = |exchange: &mut Exchange| {
            exchange.trailers.as_mut().unwrap().insert("grpc-status", HeaderValue::from_static("5"));
        };
        type Tampering = Box<dyn Fn(&mut Exchange) + Send + Sync>;
        let tamperings: Vec<(&str, Tampering)> = vec![
            ("an older answer in its place", Box::new(older)),
            ("an older answer without its code", Box::new(older_without_code)),
            ("the body of an older answer", Box::new(older_body)),
            ("a bit that is flipped", Box::new(flipped)),
            ("an answer that is cut short", Box::new(cut_short)),
            ("an answer that announces 4 GiB", Box::new(endless)),
            ("a status behind the body", Box::new(refused_behind)),
            ("a refusal that is made up", Box::new(made_up(Code::NotFound, ""))),
            ("a refusal that cannot be read", Box::new(made_up(Code::PermissionDenied, "!!!"))),
        ];
        for (what, tampering) in tamperings {
            way.change_answers("/Answer", 1, tampering);
            assert_eq!(verdict(asking).await, DispositionVerdict::Held, "{what}: the next one is believed");
            assert_eq!(way.changed(), 1, "{what}");
        }

        // A command whose decision is exchanged for that of another one.
        let _: PlaceHoldResponse = asking.ask(&LEA, &place("first", on("eve@example.org"))).await;
        let first = way.last("/Decide");
        way.change_answers("/Decide", 1, move |exchange| {
            exchange.said = first.said.clone();
            exchange.answer = first.answer.clone();
        });
        let id = CommandId::generate().to_string();
        let second = PlaceHoldRequest { command_id: id.clone(), ..place("second", on("eve@example.org")) };
        let placed: PlaceHoldResponse = asking.ask(&LEA, &second).await;
        assert_eq!((placed.hold.unwrap().hold_id.as_str(), placed.receipt.unwrap().command_id), ("second", id));
        assert_eq!(way.changed(), 1);

        // For as long as it lasts, nobody is told anything that the node did not say.
        way.change_answers("/Answer", usize::MAX, made_up(Code::NotFound, ""));
        let refused = asking.try_ask::<_, CheckDispositionResponse>(&FEEDER, &check(&["a"], None)).await.unwrap_err();
        let refused = Refusal::of_grpc(&refused);
        assert_eq!(refused.code, "PARTITION_UNAVAILABLE", "{refused:?}");
        assert!(refused.message.contains("not believed") && refused.retry_after.is_some(), "{refused:?}");
        way.leave_alone();
        assert_eq!(verdict(asking).await, DispositionVerdict::Held);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_request_is_refused_before_one_byte_of_its_body_is_read() {
        let broker = Broker::shared().await.unwrap();
        let pair = Pair::start(&broker, "refused-requests", [CODES, CODES], |_| {}).await;
        let address = pair.address(1);
        let [own, stranger] = pair.credentials("one");
        let signed = |credentials: &Credentials, to: &str, method: &str, at: Timestamp| {
            credentials.sign_request(to, &format!("{SERVICE}{method}"), b"body", at).0
        };
        let now = pair.now();
        let token = format!("Bearer {}", pair.nodes[1].token(&ROOT));
        let requests: Vec<(&str, Vec<(&str, String)>)> = vec![
            ("nothing", vec![]),
            ("a token", vec![("authorization", token)]),
            ("nonsense", vec![(REQUEST, "2 x".to_owned())]),
            ("bytes that are no text", vec![(REQUEST, "\u{e9}".to_owned())]),
            ("another master key", vec![(REQUEST, signed(&stranger, "other", "Decide", now))]),
            ("another method", vec![(REQUEST, signed(&own, "other", "Answer", now))]),
            ("another node", vec![(REQUEST, signed(&own, "one", "Decide", now))]),
            ("a clock that is behind", vec![(REQUEST, signed(&own, "other", "Decide", pair.later(-61)))]),
            ("a clock that is ahead", vec![(REQUEST, signed(&own, "other", "Decide", pair.later(61)))]),
            ("the form of an earlier release", {
                vec![("authorization", own.sign_old(&format!("{SERVICE}Decide"), b"body", now))]
            }),
        ];
        for (what, headers) in requests {
            let refused = ask(&address, "Decide", &headers, never(b"")).await;
            assert_eq!(refused.code, Code::Unauthenticated, "{what}: {refused:?}");
            assert!(refused.after < AT_ONCE, "{what}: {refused:?}");
            println!("{what}: refused after {:.1?}: {}", refused.after, refused.message);
        }

        // By a node of this log, but larger than it may be, or other than it says.
        let large = vec![7; 5 << 20];
        for (what, method, said, body) in [
            ("a command that no log takes", "Decide", &large[..], never(b"")),
            ("a question that is too large", "Answer", &large[..], never(b"")),
            ("a small question that is large", "GetNode", &large[..100_000], never(b"")),
            ("4 GiB announced", "Decide", b"body", never(ANNOUNCES_4_GIB)),
            ("more than was said", "Decide", b"body", never(&[0, 0, 0, 0, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9])),
            ("compressed", "Decide", b"body", never(&[1, 0, 0, 0, 4])),
            ("another body", "Decide", b"body", framed(b"bod!")),
            ("a shorter body", "Decide", b"body", framed(b"bod")),
            ("a method that there is not", "Nothing", b"body", never(b"")),
        ] {
            let (header, code) = own.sign_request("other", &format!("{SERVICE}{method}"), said, pair.now());
            let refused = ask(&address, method, &[(REQUEST, header)], body).await;
            assert!(refused.after < AT_ONCE, "{what}: {refused:?}");
            let expected = [Code::ResourceExhausted, Code::InvalidArgument, Code::Unauthenticated, Code::Unimplemented];
            assert!(expected.contains(&refused.code), "{what}: {refused:?}");
            let raw = |name: &str| refused.headers.get(name).map(HeaderValue::as_bytes).unwrap_or_default();
            let answer = refused.headers[ANSWER].to_str().unwrap();
            let (message, details) = (raw("grpc-message"), raw("grpc-status-details-bin"));
            let believed = own.verify_answer(answer, &code, message, details);
            assert_eq!(believed.map(|(status, _)| Code::from(status)), Ok(refused.code), "{what}: a node says so");
            println!("{what}: refused after {:.1?}: {}", refused.after, refused.message);
        }

        // HTTP/1.1, with 700 MiB that never come.
        let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
        let head = format!("POST {SERVICE}Decide HTTP/1.1\r\nhost: x\r\ncontent-length: 734003200\r\n\r\n");
        let began = Instant::now();
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = [0; 1024];
        let count = stream.read(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer[..count]);
        assert!(answer.contains("grpc-status: 16") && began.elapsed() < AT_ONCE, "{answer}");
        pair.share().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_copy_of_a_request_is_answered_by_no_node() {
        let broker = Broker::shared().await.unwrap();
        let pair = Pair::start(&broker, "copied-requests", [CODES, CODES], |_| {}).await;
        with_an_item(&pair.nodes[0]).await;
        let leader = pair.leader().await;
        let (asking, way) = (&pair.nodes[1 - leader], &pair.proxies[leader]);
        assert_eq!(verdict(asking).await, DispositionVerdict::NotHeld);
        let _: PlaceHoldResponse = asking.ask(&LEA, &place("h", on(ADA))).await;
        let _: daybook_proto::node::v1::GetCommandResponse = asking
            .ask(
                &LEA,
                &daybook_proto::node::v1::GetCommandRequest {
                    command_id: CommandId::generate().to_string(),
                    ..Default::default()
                },
            )
            .await;
        let tails = async || {
            let status = pair.nodes[leader].status().await;
            status.partitions.iter().map(|partition| partition.command_tail).sum::<u64>()
        };
        let before = eventually("nothing is written any more", async || {
            let before = tails().await;
            tokio::time::sleep(Duration::from_millis(300)).await;
            (tails().await == before).then_some(before)
        })
        .await;
        for method in ["Decide", "Answer", "Find", "GetNode"] {
            let copied = way.last(&format!("/{method}"));
            let header = copied.asked[REQUEST].to_str().unwrap().to_owned();
            for (node, says) in [(leader, "answered before"), (1 - leader, "for another node")] {
                let body = Body::from(copied.request.clone());
                let refused = ask(&pair.address(node), method, &[(REQUEST, header.clone())], body).await;
                assert_eq!(refused.code, Code::Unauthenticated, "{method}: {refused:?}");
                assert!(refused.message.contains(says), "{method}: {refused:?}");
            }
        }
        assert_eq!(tails().await, before, "nothing was written");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn nodes_of_an_earlier_release_are_answered_and_believed_until_the_level_says_that_there_are_none() {
        let broker = Broker::shared().await.unwrap();
        // No proxy lets codes through: each takes the other for a node of an earlier release.
        let understands = [BEFORE_CODES, CODES];
        let pair = Pair::start(&broker, "earlier-release", understands, is_of_an_earlier_release).await;
        for (round, node) in pair.nodes.iter().enumerate() {
            for number in 0..4 {
                let _: PlaceHoldResponse = node.ask(&LEA, &place(&format!("{round}-{number}"), on(ADA))).await;
            }
            let _: SetRetentionClassResponse = node.ask(&RITA, &class("century", 36_500)).await;
            let _: GetHoldResponse = node.ask(&LEA, &get_hold("0-0")).await;
        }
        // Their requests have a bound as well, and so have those that only look like them.
        let [own, _] = pair.credentials("one");
        let path = format!("{SERVICE}Decide");
        let old = || ("authorization", own.sign_old(&path, b"body", pair.now()));
        for (what, headers, body) in [
            ("4 GiB announced", vec![old()], never(ANNOUNCES_4_GIB)),
            ("another time", vec![("authorization", own.sign_old(&path, b"body", pair.later(61)))], never(b"")),
            ("nonsense", vec![("authorization", "Daybook-Node one 1".to_owned())], never(b"")),
            ("another body", vec![old()], framed(b"bod!")),
        ] {
            let refused = ask(&pair.address(1), "Decide", &headers, body).await;
            assert!([Code::ResourceExhausted, Code::Unauthenticated].contains(&refused.code), "{what}: {refused:?}");
            assert!(refused.after < AT_ONCE, "{what}: {refused:?}");
        }

        // Both run the new release, and the level is raised: codes are needed from now on.
        let Pair { nodes: [one, other], proxies: [to_one, to_other], master } = pair;
        let mut one = one.stop().await;
        one.config.node.understands = CODES;
        to_one.leave_alone();
        to_other.leave_alone();
        let pair = Pair { nodes: [one.start().await, other], proxies: [to_one, to_other], master };
        pair.share().await;
        let raise = RaiseFeatureLevelRequest { level: CODES.0, ..Default::default() };
        eventually("the level is raised", async || {
            pair.nodes[1].try_ask::<_, RaiseFeatureLevelResponse>(&ROOT, &raise).await.ok()
        })
        .await;
        let [own, _] = pair.credentials("one");
        eventually("both need codes", async || {
            for node in 0..2 {
                let old = ("authorization", own.sign_old(&format!("{SERVICE}GetNode"), b"", pair.now()));
                let answered = ask(&pair.address(node), "GetNode", &[old], framed(b"")).await;
                if answered.code != Code::Unauthenticated {
                    return None;
                }
                assert!(answered.message.contains("earlier release") || answered.message.contains("older release"));
            }
            Some(())
        })
        .await;
        let leader = pair.leader().await;
        let asking = &pair.nodes[1 - leader];
        let _: PlaceHoldResponse = asking.ask(&LEA, &place("with-codes", on(ADA))).await;
        is_of_an_earlier_release(&pair.proxies[leader]);
        let refused = asking.try_ask::<_, GetHoldResponse>(&LEA, &get_hold("0-0")).await.unwrap_err();
        assert_eq!(Refusal::of_grpc(&refused).code, "PARTITION_UNAVAILABLE", "{refused:?}");
        pair.proxies[leader].leave_alone();
        let _: GetHoldResponse = asking.ask(&LEA, &get_hold("with-codes")).await;
    }
}
