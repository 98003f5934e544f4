//! What callers who may do nothing take from a node, and what another caller feels meanwhile. Each attack has a node of
//! its own, a process of which memory, processor time and disk are read; attackers come from another address.
//!
//! `DAYBOOK_BENCH_NODE` names another build of this program: its node is attacked then, for a comparison.

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::Bytes;
use daybook_proto::legal_hold::v1::{Item, ItemKind, PlaceHoldRequest, RegisterItemsRequest, Scope};
use daybook_proto::node::v1::{GetStatusRequest, GetStatusResponse};
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;

use crate::client::{Client, GET_STATUS, PLACE_HOLD, PLATFORM, REGISTER_ITEMS, token};
use crate::items::{CLASS, tenants};
use crate::machine::{mib, processor_time};
use crate::node::{ChildNode, Serve};
use crate::report::{Report, Table, count, duration};
use crate::{Part, Scale};

/// Where attackers come from: not where the other caller does.
const ATTACKER: &str = "127.0.0.2:0";
/// How long a caller waits at most.
const GIVES_UP_AFTER: Duration = Duration::from_secs(120);
/// Files that the node may open where connections are counted: systemd's default for a service.
const FILES: u32 = 1_024;
const EVENTS: &str = "/daybook.product_analytics.v1.ProductAnalyticsService/RecordEvents";

/// What an attack cost.
struct Cost {
    attack: &'static str,
    sent: u64,
    answers: String,
    /// Memory above that of the idle node, at most and when the attack was over, in MiB.
    peak: u64,
    after: u64,
    processor: Duration,
    disk: u64,
    other_waited: String,
}

pub(crate) async fn measure(folder: &Path, scale: &Scale, report: &mut Report) -> Result<()> {
    let long = scale.round * 5;
    let costs = [
        Target::start(folder, "lists", None).await?.lists(1).await?,
        Target::start(folder, "lists-8", None).await?.lists(8).await?,
        Target::start(folder, "endless", None).await?.endless(200, long * 3).await?,
        Target::start(folder, "idle", Some(FILES)).await?.idle(1_000, long).await?,
        Target::start(folder, "no-role", None).await?.no_role(long).await?,
        Target::start(folder, "wide", None).await?.wide_holds(12).await?,
    ];
    let mut table = Table::new([
        "attack",
        "bytes sent",
        "answers",
        "memory: most",
        "memory: after",
        "processor",
        "disk",
        "another caller waited",
    ]);
    for cost in costs {
        table.row([
            cost.attack.to_owned(),
            count(cost.sent as f64),
            cost.answers,
            format!("+{} MiB", cost.peak),
            format!("+{} MiB", cost.after),
            duration(cost.processor),
            format!("+{:.1} MiB", cost.disk as f64 / f64::from(1 << 20)),
            cost.other_waited,
        ]);
    }
    report.table(Part::Attacks, &table);
    report.note(
        Part::Attacks,
        "Memory and disk are beside what the idle node holds. The other caller asks for the status ten times a second, \
         from another address; its longest wait is shown."
            .to_owned(),
    );
    Ok(())
}

/// A node to be attacked, and how it stood before.
struct Target {
    node: ChildNode,
    address: SocketAddr,
    started: u64,
    disk: u64,
    processor: Duration,
    other: JoinHandle<Duration>,
    stop: Arc<tokio::sync::Notify>,
}

impl Target {
    async fn start(folder: &Path, name: &str, files: Option<u32>) -> Result<Self> {
        let data = folder.join(name);
        let mut serve = Serve::on(&data, "embedded", name);
        serve.program = std::env::var_os("DAYBOOK_BENCH_NODE").map(Into::into);
        serve.files = files;
        let node = ChildNode::launch(&serve).await?;
        let client = Client::connect(&node.address, &data, &tenants()).await?;
        // Whatever the node sets up with its first requests is not the attack's.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let stop = Arc::new(tokio::sync::Notify::new());
        let other = tokio::spawn(other_caller(client, Arc::clone(&stop)));
        let memory = mib(&node.status_file(), "VmRSS").context("the node's memory cannot be read")?;
        let address = node.address.parse()?;
        let (disk, processor) = (size_of(&data), processor_time(&[node.process()]));
        Ok(Self { node, address, started: memory, disk, processor, other, stop })
    }

    async fn over(self, attack: &'static str, sent: u64, answers: String) -> Result<Cost> {
        tokio::time::sleep(Duration::from_secs(1)).await;
        self.stop.notify_one();
        let waited = self.other.await?;
        let other_waited = match waited >= GIVES_UP_AFTER {
            true => "in vain".to_owned(),
            false => duration(waited),
        };
        let memory = |name| Some(mib(&self.node.status_file(), name)?.saturating_sub(self.started));
        let cost = Cost {
            attack,
            sent,
            answers,
            peak: memory("VmHWM").context("the node is gone")?,
            after: memory("VmRSS").context("the node is gone")?,
            processor: processor_time(&[self.node.process()]).saturating_sub(self.processor),
            disk: size_of(&self.node.data).saturating_sub(self.disk),
            other_waited,
        };
        self.node.kill().await?;
        Ok(cost)
    }

    /// A body of 8 KB that becomes 1.4 million lists in lists, without a token.
    async fn lists(self, at_once: usize) -> Result<Cost> {
        let lists = vec!["[[[[]]]]"; 460_000].join(",");
        let json = format!("{{\"events\":[{{\"properties\":{{\"a\":[{lists}]}}}}]}}");
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(json.as_bytes())?;
        let body = gzip.finish()?;
        let mut request = format!(
            "POST {EVENTS} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        )
        .into_bytes();
        request.extend(body);
        let answers = join_all((0..at_once).map(|_| answer(self.address, &request))).await;
        let sent = request.len() as u64 * at_once as u64;
        let attack = if at_once == 1 { "8 KB of lists in lists, no token" } else { "eight of them at once" };
        self.over(attack, sent, counted(answers)).await
    }

    /// Compressed bodies that grow to nearly the limit and never end, on one connection, without a token.
    async fn endless(self, streams: usize, held: Duration) -> Result<Cost> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(b"{\"a\":\"")?;
        gzip.write_all(&vec![b'0'; 4_000 << 10])?;
        gzip.flush()?;
        let part = Bytes::from(gzip.get_ref().clone());
        let (mut client, connection) = h2::client::handshake(connect(self.address).await?).await?;
        let driven = tokio::spawn(connection);
        let mut open = Vec::new();
        for _ in 0..streams {
            let request = http::Request::post(format!("http://{}{EVENTS}", self.address))
                .header("content-type", "application/json")
                .header("content-encoding", "gzip")
                .body(())?;
            client = client.ready().await?;
            let (response, mut body) = client.send_request(request, false)?;
            // Refused before it is sent: that is the answer.
            body.send_data(part.clone(), false).ok();
            open.push((response, body));
        }
        let sent = part.len() as u64 * streams as u64;
        let answers = join_all(open.iter_mut().map(|(response, _)| async {
            match tokio::time::timeout(held, response).await {
                Ok(Ok(response)) => response.status().as_u16().to_string(),
                Ok(Err(_)) => "closed".to_owned(),
                Err(_) => "held".to_owned(),
            }
        }))
        .await;
        let cost = self.over("200 compressed bodies that never end, no token", sent, counted(answers)).await;
        driven.abort();
        cost
    }

    /// Connections on which nothing is sent, to a node that may open few files.
    async fn idle(self, connections: usize, held: Duration) -> Result<Cost> {
        let mut open = Vec::new();
        for _ in 0..connections {
            let connected = tokio::time::timeout(Duration::from_secs(1), connect(self.address)).await;
            open.extend(connected.ok().and_then(Result::ok));
        }
        let answers = join_all(open.iter_mut().map(|connection| async {
            let mut byte = [0];
            match tokio::time::timeout(held, connection.read(&mut byte)).await {
                Ok(_) => "closed".to_owned(),
                Err(_) => "held".to_owned(),
            }
        }))
        .await;
        self.over("1,000 idle connections, 1,024 files", 0, counted(answers)).await
    }

    /// Three callers with a good token and no role register items.
    async fn no_role(self, long: Duration) -> Result<Cost> {
        let tenant = tenants().first().cloned().context("a tenant")?;
        let bearer = token(&self.node.data, &tenant, "nobody", &[])?;
        let ends = Instant::now() + long;
        let callers = (0..3).map(|caller| {
            let (address, bearer, tenant) = (self.address, bearer.clone(), tenant.clone());
            async move {
                let client = Client::with_token(address, &tenant, &bearer)?;
                let (mut sent, mut refused) = (0, 0);
                while Instant::now() < ends {
                    let request = RegisterItemsRequest {
                        tenant_id: tenant.clone(),
                        items: (0..700).map(|n| secret(caller, refused, n)).collect(),
                        ..Default::default()
                    };
                    sent += prost::Message::encoded_len(&request) as u64;
                    let answer: Result<daybook_proto::legal_hold::v1::RegisterItemsResponse> =
                        client.call(caller, REGISTER_ITEMS, &tenant, request).await;
                    refused += u64::from(answer.is_err());
                }
                anyhow::Ok((sent, refused))
            }
        });
        let done = join_all(callers).await.into_iter().collect::<Result<Vec<_>>>()?;
        let (sent, refused) = done.iter().fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1));
        self.over("items of 3 callers without a role", sent, format!("{} refused", count(refused as f64))).await
    }

    /// Holds of 1,000 long case ids each, by somebody who may place them.
    async fn wide_holds(self, holds: usize) -> Result<Cost> {
        let tenant = tenants().first().cloned().context("a tenant")?;
        let bearer = token(&self.node.data, &tenant, "lea", &["legal"])?;
        let client = Client::with_token(self.address, &tenant, &bearer)?;
        let request = |hold: usize| PlaceHoldRequest {
            tenant_id: tenant.clone(),
            hold_id: format!("wide-{hold}"),
            name: "wide".to_owned(),
            matter_id: "m".to_owned(),
            reason: "r".to_owned(),
            scope: Some(Scope {
                case_ids: (0..1_000).map(|case| format!("{hold:04}-{case:04}-{}", "c".repeat(185))).collect(),
                ..Default::default()
            }),
            ..Default::default()
        };
        let sent = prost::Message::encoded_len(&request(0)) as u64 * holds as u64;
        let answers = join_all((0..holds).map(|hold| {
            let (client, tenant, request) = (&client, &tenant, request(hold));
            async move {
                let answer: Result<daybook_proto::legal_hold::v1::PlaceHoldResponse> =
                    client.call(hold, PLACE_HOLD, tenant, request).await;
                answer.map_or("no answer", |_| "placed").to_owned()
            }
        }))
        .await;
        self.over("12 holds of 199 KiB, role legal", sent, counted(answers)).await
    }
}

/// Asks for the status until it is told to stop, and tells how long it waited at most.
async fn other_caller(client: Client, stop: Arc<tokio::sync::Notify>) -> Duration {
    let mut longest = Duration::ZERO;
    loop {
        let asked = Instant::now();
        let answer = client.call::<_, GetStatusResponse>(0, GET_STATUS, PLATFORM, GetStatusRequest {});
        let answered = tokio::time::timeout(GIVES_UP_AFTER, answer).await;
        let waited = if matches!(answered, Ok(Ok(_))) { asked.elapsed() } else { GIVES_UP_AFTER };
        longest = longest.max(waited);
        tokio::select! {
            () = stop.notified() => return longest,
            () = tokio::time::sleep(Duration::from_millis(100)) => {}
        }
    }
}

fn secret(caller: usize, round: u64, n: usize) -> Item {
    Item {
        item_id: format!("{caller}-{round}-{n}"),
        kind: ItemKind::Message.into(),
        data_category: "email".to_owned(),
        created_at: Some(prost_types::Timestamp { seconds: 1_700_000_000, nanos: 0 }),
        retention_class_id: CLASS.to_owned(),
        title: "a title".to_owned(),
        ..Default::default()
    }
}

async fn connect(address: SocketAddr) -> Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(ATTACKER.parse()?)?;
    Ok(socket.connect(address).await?)
}

/// The status of the answer to a request.
async fn answer(address: SocketAddr, request: &[u8]) -> String {
    let asked = async {
        let mut connection = connect(address).await?;
        // A node that answers before it has all of it closes the connection.
        connection.write_all(request).await.ok();
        let mut head = [0; 12];
        connection.read_exact(&mut head).await?;
        anyhow::Ok(String::from_utf8_lossy(&head).rsplit(' ').next().unwrap_or_default().to_owned())
    };
    match tokio::time::timeout(GIVES_UP_AFTER, asked).await {
        Ok(Ok(status)) => status,
        Ok(Err(_)) => "closed".to_owned(),
        Err(_) => "none in time".to_owned(),
    }
}

/// Equal answers with their number.
fn counted(answers: Vec<String>) -> String {
    let mut by_answer = std::collections::BTreeMap::new();
    answers.into_iter().for_each(|answer| *by_answer.entry(answer).or_insert(0_u64) += 1);
    by_answer.iter().map(|(answer, times)| format!("{times} x {answer}")).collect::<Vec<_>>().join(", ")
}

/// Bytes of the files of a folder.
fn size_of(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    entries
        .map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => size_of(&entry.path()),
            Ok(_) => entry.metadata().map_or(0, |file| file.len()),
            Err(_) => 0,
        })
        .sum()
}
