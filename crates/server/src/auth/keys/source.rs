//! Reading a JWKS, from a file or a URL, within limits of size and time.

use std::error::Error;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jsonwebtoken::jwk::JwkSet;
use reqwest::{Client, Response, StatusCode, Url, header, redirect};

use super::jwks::Jwks;
use crate::config::ConfigError;

/// The largest set that is read, in bytes.
pub(super) const JWKS_BYTES_MAX: usize = 1 << 20;
/// How long it may take to connect to a provider.
const CONNECT_WAIT_MAX: Duration = Duration::from_secs(2);
/// How long a reading may take in all.
pub(super) const READ_WAIT_MAX: Duration = Duration::from_secs(5);

/// Where the keys are.
#[derive(Debug, Clone)]
pub enum KeySource {
    /// A file.
    File(PathBuf),
    /// A URL.
    Url(Url),
    /// Given here.
    Fixed(Box<JwkSet>),
}

impl KeySource {
    /// From the configuration's text: a URL or a path. Whoever can change the keys on their way can sign tokens, so plain
    /// HTTP is for this machine only, unless the setting `auth.jwks_allow_http` permits it.
    ///
    /// # Errors
    /// A URL that cannot be read, or must not be used.
    pub fn parse(text: &str, allow_http: bool) -> Result<Self, ConfigError> {
        if !text.contains("://") {
            return Ok(Self::File(PathBuf::from(text)));
        }
        let url = Url::parse(text).map_err(|error| ConfigError(format!("auth.jwks is no URL: {error}")))?;
        let wrong = |what: &str| Err(ConfigError(format!("auth.jwks {what}")));
        if !url.username().is_empty() || url.password().is_some() {
            return wrong("must not hold a user name or password: a JWKS is public");
        }
        match url.scheme() {
            "https" => Ok(Self::Url(url)),
            "http" if allow_http || is_loopback(&url) => Ok(Self::Url(url)),
            "http" => wrong(
                "must begin with https://: whoever can change the keys on their way could sign tokens; if the network \
                 between is trusted, set auth.jwks_allow_http = true",
            ),
            _ => wrong("must be the path of a file, or begin with https://"),
        }
    }
}

fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else { return false };
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    address.map_or_else(|_| host.eq_ignore_ascii_case("localhost"), |address| address.is_loopback())
}

/// Reads a source again and again.
pub(super) enum Reader {
    File(PathBuf),
    Url(Url, Client),
}

impl Reader {
    /// A reader of a source that can change; `None` for keys that are given.
    pub(super) fn new(source: KeySource) -> Result<Option<Self>, String> {
        Ok(match source {
            KeySource::Fixed(_) => None,
            KeySource::File(path) => Some(Self::File(path)),
            KeySource::Url(url) => {
                // A redirect would let one host stand for another, for example one without TLS.
                let client = Client::builder()
                    .redirect(redirect::Policy::none())
                    .connect_timeout(CONNECT_WAIT_MAX)
                    .timeout(READ_WAIT_MAX)
                    .build();
                Some(Self::Url(url, client.map_err(|error| with_causes(&error))?))
            }
        })
    }

    /// Reads the keys.
    ///
    /// # Errors
    /// Why they cannot be read, in words.
    pub(super) async fn read(&self) -> Result<Jwks, String> {
        let text = match self {
            Self::File(path) => {
                let path = path.clone();
                let read = tokio::task::spawn_blocking(move || {
                    file(&path).map_err(|error| format!("{}: {error}", path.display()))
                });
                read.await.map_err(|error| error.to_string())??
            }
            Self::Url(url, client) => {
                let answered = client.get(url.clone()).header(header::ACCEPT, "application/json").send().await;
                body(answered.map_err(|error| with_causes(&error))?).await?
            }
        };
        Jwks::parse(&text)
    }
}

fn file(path: &Path) -> Result<Vec<u8>, String> {
    // Nothing else has an end that can be relied on.
    let metadata = std::fs::metadata(path).map_err(|error| error.to_string())?;
    if !metadata.is_file() {
        return Err("it is not a file".to_owned());
    }
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let mut text = Vec::new();
    let read = file.take(JWKS_BYTES_MAX as u64 + 1).read_to_end(&mut text);
    read.map_err(|error| error.to_string())?;
    if text.len() > JWKS_BYTES_MAX { Err(too_large()) } else { Ok(text) }
}

async fn body(mut response: Response) -> Result<Vec<u8>, String> {
    let status = response.status();
    if status.is_redirection() {
        let to = response.headers().get(header::LOCATION).and_then(|to| to.to_str().ok()).unwrap_or_default();
        let to: String = to.chars().take(200).collect();
        return Err(format!("it answers {status} and leads to {to:?}; redirects are not followed"));
    }
    if status != StatusCode::OK {
        return Err(format!("it answers {status}"));
    }
    if response.content_length().is_some_and(|bytes| bytes > JWKS_BYTES_MAX as u64) {
        return Err(too_large());
    }
    let mut text = Vec::new();
    while let Some(part) = response.chunk().await.map_err(|error| with_causes(&error))? {
        if text.len() + part.len() > JWKS_BYTES_MAX {
            return Err(too_large());
        }
        text.extend_from_slice(&part);
    }
    Ok(text)
}

fn too_large() -> String {
    format!("it is larger than {JWKS_BYTES_MAX} bytes")
}

/// An error with what caused it, which HTTP clients leave out.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
