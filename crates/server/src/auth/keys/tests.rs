//! Keys from an identity provider that behaves well, badly, or not at all.

use std::sync::atomic::{AtomicUsize, Ordering};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{EncodingKey, Header, encode};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::super::Authenticator;
use super::*;

/// A key that signs tokens.
struct Key {
    id: &'static str,
    pkcs8: Vec<u8>,
    x: String,
}

impl Key {
    fn new(id: &'static str) -> Self {
        let pair = Ed25519KeyPair::generate().unwrap();
        let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        Self { id, pkcs8: pair.to_pkcs8v1().unwrap().as_ref().to_vec(), x }
    }

    fn public(&self) -> Value {
        json!({ "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": self.id, "x": self.x })
    }

    fn token(&self) -> String {
        let header = Header { kid: Some(self.id.to_owned()), ..Header::new(Algorithm::EdDSA) };
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let claims = json!({ "sub": "ada", "iat": now, "exp": now + 3_600 });
        format!("Bearer {}", encode(&header, &claims, &EncodingKey::from_ed_der(&self.pkcs8)).unwrap())
    }
}

fn jwks(keys: &[&Key]) -> String {
    json!({ "keys": keys.iter().map(|key| key.public()).collect::<Vec<_>>() }).to_string()
}

/// A token that nobody signed, with a key id that nobody has.
fn unknown(id: usize) -> String {
    let header = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"EdDSA","kid":"guessed-{id}"}}"#));
    format!("Bearer {header}.e30.AAAA")
}

/// What a provider does with a request.
#[derive(Clone)]
enum Answer {
    Text(String),
    Head(String),
    /// Accepts, and says nothing.
    Silence,
    /// Sends for ever, with or without saying so.
    Endless,
}

/// An identity provider.
struct Provider {
    url: String,
    answer: Arc<Mutex<Answer>>,
    asked: Arc<AtomicUsize>,
    sent: Arc<AtomicUsize>,
    _serving: JoinSet<()>,
}

impl Provider {
    async fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/jwks.json", listener.local_addr().unwrap());
        let (answer, asked, sent) = (Arc::new(Mutex::new(answer)), Arc::default(), Arc::default());
        let mut serving = JoinSet::new();
        let (to_give, counted, counted_bytes): (Arc<Mutex<Answer>>, Arc<AtomicUsize>, Arc<AtomicUsize>) =
            (Arc::clone(&answer), Arc::clone(&asked), Arc::clone(&sent));
        serving.spawn(async move {
            let mut open = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                counted.fetch_add(1, Ordering::Relaxed);
                let (answer, sent) = (to_give.lock().clone(), Arc::clone(&counted_bytes));
                open.spawn(async move { give(stream, answer, &sent).await });
            }
        });
        Self { url, answer, asked, sent, _serving: serving }
    }

    fn answers(&self, answer: Answer) {
        *self.answer.lock() = answer;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    async fn authenticator(&self, config: AuthConfig) -> Result<Authenticator, CallError> {
        Authenticator::new(KeySource::parse(&self.url, false).unwrap(), config).await
    }
}

async fn give(mut stream: TcpStream, answer: Answer, sent: &AtomicUsize) {
    let mut request = [0; 4_096];
    let _ = stream.read(&mut request).await;
    match answer {
        Answer::Text(text) => {
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", text.len());
            let _ = stream.write_all(format!("{head}{text}").as_bytes()).await;
        }
        Answer::Head(head) => {
            let _ = stream.write_all(format!("{head}\r\nconnection: close\r\n\r\n").as_bytes()).await;
        }
        Answer::Silence => std::future::pending().await,
        Answer::Endless => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n").await;
            while let Ok(count) = stream.write(&[b' '; 4_096]).await {
                sent.fetch_add(count, Ordering::Relaxed);
            }
        }
    }
}

/// As if the last reading had been a while ago.
fn reading_is_due(authenticator: &Authenticator) {
    authenticator.keys.shared.readings.send_modify(|readings| readings.began_at -= READ_AT_MOST_EVERY);
}

/// Has the keys read again, and waits for it.
async fn read_again(authenticator: &Authenticator) {
    let shared = &authenticator.keys.shared;
    reading_is_due(authenticator);
    let ended = shared.readings.borrow().ended;
    shared.wanted.notify_one();
    shared.readings.subscribe().wait_for(|readings| readings.ended > ended).await.unwrap();
}

async fn code(authenticator: &Authenticator, token: &str) -> String {
    authenticator.check(Some(token)).await.map_or_else(|error| error.code, |caller| caller.id().to_owned())
}

#[tokio::test]
async fn a_token_is_refused_once_its_key_is_withdrawn_however_often_it_was_good_before() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jwks.json");
    let (old, new) = (Key::new("a"), Key::new("a"));
    std::fs::write(&file, jwks(&[&old])).unwrap();
    let source = KeySource::parse(file.to_str().unwrap(), false).unwrap();
    let authenticator = Authenticator::new(source, AuthConfig::default()).await.unwrap();
    let token = old.token();
    for _ in 0..3 {
        assert_eq!(code(&authenticator, &token).await, "ada");
    }
    std::fs::write(&file, jwks(&[&new])).unwrap();
    read_again(&authenticator).await;
    assert_eq!(code(&authenticator, &token).await, "TOKEN_INVALID");
    std::fs::write(&file, jwks(&[&old])).unwrap();
    read_again(&authenticator).await;
    assert_eq!(code(&authenticator, &token).await, "ada", "the key is back");
}

#[tokio::test]
async fn the_keys_are_read_again_as_often_as_configured_though_nobody_asks() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jwks.json");
    let (old, new) = (Key::new("a"), Key::new("b"));
    std::fs::write(&file, jwks(&[&old])).unwrap();
    let source = KeySource::parse(file.to_str().unwrap(), false).unwrap();
    let config = AuthConfig { jwks_refresh_seconds: Duration::ZERO, ..AuthConfig::default() };
    let authenticator = Authenticator::new(source, config).await.unwrap();
    std::fs::write(&file, jwks(&[&new])).unwrap();
    let began = Instant::now();
    while authenticator.keys.generation().unwrap() == 0 {
        assert!(began.elapsed() < Duration::from_secs(60), "they are not read again");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let after = began.elapsed();
    assert!(after > READ_AT_MOST_EVERY - Duration::from_millis(500), "{after:?}: not more often than that");
    assert_eq!(code(&authenticator, &old.token()).await, "TOKEN_INVALID");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_does_not_answer_delays_nobody_whose_key_is_known() {
    let key = Key::new("a");
    let provider = Provider::start(Answer::Text(jwks(&[&key]))).await;
    let authenticator = Arc::new(provider.authenticator(AuthConfig::default()).await.unwrap());
    provider.answers(Answer::Silence);
    reading_is_due(&authenticator);
    let mut attackers = JoinSet::new();
    for number in 0..8 {
        let authenticator = Arc::clone(&authenticator);
        attackers.spawn(async move {
            let mut longest = Duration::ZERO;
            for round in 0..3 {
                let began = Instant::now();
                assert_eq!(code(&authenticator, &unknown(number * 10 + round)).await, "TOKEN_INVALID");
                longest = longest.max(began.elapsed());
            }
            longest
        });
    }
    let (began, mut longest, mut calls) = (Instant::now(), Duration::ZERO, 0);
    while began.elapsed() < Duration::from_millis(2_500) {
        let asked = Instant::now();
        // Each is a new token: none is answered from what was checked before.
        assert_eq!(code(&authenticator, &key.token()).await, "ada");
        longest = longest.max(asked.elapsed());
        calls += 1;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // Who waited for the provider would have waited until that is given up.
    assert!(longest < Duration::from_secs(4), "{calls} calls, the longest took {longest:?}");
    while let Some(waited) = attackers.join_next().await {
        assert!(waited.unwrap() < UNKNOWN_KEY_WAIT_MAX + Duration::from_millis(500), "not even they wait for long");
    }
    assert_eq!(provider.asked(), 2, "at the start, and once for all of them");
}

#[tokio::test]
async fn a_key_that_the_provider_has_just_published_is_found_at_once() {
    let (old, new) = (Key::new("a"), Key::new("b"));
    let provider = Provider::start(Answer::Text(jwks(&[&old]))).await;
    let authenticator = provider.authenticator(AuthConfig::default()).await.unwrap();
    provider.answers(Answer::Text(jwks(&[&old, &new])));
    assert_eq!(code(&authenticator, &new.token()).await, "TOKEN_INVALID", "the keys were read a moment ago");
    reading_is_due(&authenticator);
    assert_eq!(code(&authenticator, &new.token()).await, "ada");
    assert_eq!(code(&authenticator, &old.token()).await, "ada");
    for id in 0..50 {
        assert_eq!(code(&authenticator, &unknown(id)).await, "TOKEN_INVALID");
    }
    assert_eq!(provider.asked(), 2, "nobody makes the node ask again and again");
}

#[tokio::test]
async fn keys_that_cannot_be_read_again_are_good_for_a_time_and_no_longer() {
    let key = Key::new("a");
    let provider = Provider::start(Answer::Text(jwks(&[&key]))).await;
    let authenticator = provider.authenticator(AuthConfig::default()).await.unwrap();
    assert_eq!(code(&authenticator, &key.token()).await, "ada");
    provider.answers(Answer::Head("HTTP/1.1 503 Service Unavailable".to_owned()));
    read_again(&authenticator).await;
    assert_eq!(code(&authenticator, &key.token()).await, "ada", "a provider that is down locks nobody out");
    let refused = authenticator.check(Some(&unknown(1))).await.unwrap_err();
    assert!(refused.message.contains("cannot be read again"), "{}", refused.message);
    let status = authenticator.key_watch().status().unwrap();
    assert!(status.failure.unwrap().contains("503"));

    let shared = &authenticator.keys.shared;
    let old = shared.known.load_full();
    let read_at = old.read_at.checked_sub(AuthConfig::default().jwks_stale_max_seconds).unwrap();
    shared.known.store(Arc::new(Known { set: Arc::clone(&old.set), read_at, generation: old.generation }));
    for token in [key.token(), unknown(1)] {
        let refused = authenticator.check(Some(&token)).await.unwrap_err();
        assert_eq!(refused.code, "TOKEN_KEYS_UNAVAILABLE", "also those that were checked before");
        assert!(refused.message.contains("auth.jwks_stale_max_seconds") && refused.retry_after.is_some());
    }
    provider.answers(Answer::Text(jwks(&[&key])));
    read_again(&authenticator).await;
    assert_eq!(code(&authenticator, &key.token()).await, "ada");
    assert!(authenticator.key_watch().status().unwrap().failure.is_none());
}

#[tokio::test]
async fn a_set_without_a_key_that_can_be_used_takes_none_away() {
    let key = Key::new("a");
    let provider = Provider::start(Answer::Text(jwks(&[&key]))).await;
    let authenticator = provider.authenticator(AuthConfig::default()).await.unwrap();
    let shared_secret = json!({ "kty": "oct", "kid": "s", "alg": "HS256", "k": "c2VjcmV0" });
    let for_encryption = json!({ "kty": "RSA", "use": "enc", "kid": "e", "n": "AQAB", "e": "AQAB" });
    for set in [json!([]), json!([shared_secret]), json!([for_encryption]), json!([{ "kty": "AKP" }, 7])] {
        provider.answers(Answer::Text(json!({ "keys": set }).to_string()));
        read_again(&authenticator).await;
        assert_eq!(code(&authenticator, &key.token()).await, "ada", "{set}");
        let failure = authenticator.key_watch().status().unwrap().failure.unwrap();
        assert!(failure.contains("no key that tokens can be checked with"), "{failure}");
        let Err(refused) = provider.authenticator(AuthConfig::default()).await else {
            panic!("a node starts with {set}")
        };
        assert_eq!(refused.code, "TOKEN_KEYS_UNAVAILABLE");
    }
    let new = Key::new("b");
    let set = json!([shared_secret, for_encryption, { "kty": "AKP" }, 7, new.public()]);
    provider.answers(Answer::Text(json!({ "keys": set }).to_string()));
    read_again(&authenticator).await;
    assert_eq!(code(&authenticator, &new.token()).await, "ada", "the rest of a set is used");
    assert_eq!(code(&authenticator, &key.token()).await, "TOKEN_INVALID");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let key = Key::new("a");
    let elsewhere = Provider::start(Answer::Text(jwks(&[&key]))).await;
    for status in ["301 Moved Permanently", "302 Found", "307 Temporary Redirect"] {
        let head = format!("HTTP/1.1 {status}\r\nlocation: {}\r\ncontent-length: 0", elsewhere.url);
        let provider = Provider::start(Answer::Head(head)).await;
        let Err(refused) = provider.authenticator(AuthConfig::default()).await else { panic!("{status} is followed") };
        assert_eq!(refused.code, "TOKEN_KEYS_UNAVAILABLE");
        assert!(refused.message.contains("redirects are not followed"), "{}", refused.message);
    }
    assert_eq!(elsewhere.asked(), 0);
}

#[tokio::test]
async fn a_set_that_is_too_large_or_never_ends_is_not_read_to_its_end() {
    let announced = Answer::Head("HTTP/1.1 200 OK\r\ncontent-length: 600000000".to_owned());
    for answer in [announced, Answer::Endless, Answer::Text(" ".repeat(JWKS_BYTES_MAX + 1))] {
        let provider = Provider::start(answer).await;
        let Err(refused) = provider.authenticator(AuthConfig::default()).await else { panic!("it is read") };
        assert_eq!(refused.code, "TOKEN_KEYS_UNAVAILABLE");
        assert!(refused.message.contains("larger than 1048576 bytes"), "{}", refused.message);
        let sent = provider.sent.load(Ordering::Relaxed);
        assert!(sent < 16 << 20, "{sent} bytes were taken, or lie in the sockets' buffers");
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jwks.json");
    std::fs::write(&file, " ".repeat(JWKS_BYTES_MAX + 1)).unwrap();
    for (path, says) in [(file.to_str().unwrap(), "larger than"), ("/dev/zero", "not a file")] {
        let refused = read_once(KeySource::parse(path, false).unwrap()).await.unwrap_err();
        assert!(refused.contains(says), "{refused}");
    }
}

#[test]
fn keys_that_cannot_check_tokens_are_passed_over_with_the_reason() {
    let good = Key::new("good");
    let short_rsa = json!({ "kty": "RSA", "kid": "rsa", "n": URL_SAFE_NO_PAD.encode([255; 128]), "e": "AQAB" });
    let cut = json!({ "kty": "OKP", "crv": "Ed25519", "kid": "cut", "x": "AAAA" });
    let wrong_curve = json!({ "kty": "EC", "crv": "secp256k1", "kid": "curve", "x": "AAAA", "y": "AAAA" });
    let only_signs = json!({ "kty": "OKP", "crv": "Ed25519", "kid": "signs", "key_ops": ["sign"], "x": good.x });
    let set = json!({ "keys": [short_rsa, cut, wrong_curve, only_signs, good.public()] });
    let set = Jwks::parse(set.to_string().as_bytes()).unwrap();
    assert_eq!(set.names(), [r#"key "good""#]);
    let why = set.why_passed_over().unwrap();
    assert!(["rsa", "cut", "curve"].iter().all(|id| why.contains(id)) && !why.contains("signs"), "{why}");
    let many =
        json!({ "keys": std::iter::once(good.public()).chain((0..5_000).map(|n| json!(n))).collect::<Vec<_>>() });
    let why = Jwks::parse(many.to_string().as_bytes()).unwrap().why_passed_over().unwrap();
    assert!(why.len() < 4_000 && why.contains("4990 more"), "{why}");
}
